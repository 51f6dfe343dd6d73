// Where each film was left: remembered in the page's local storage, the last few hundred films.

const PREFIX = "place:";
const MOST = 300;
/** Nearer to the beginning or the end than this, a film starts from its beginning again. */
const EDGE_S = 10;
const EDGE_SHARE = 0.95;

/** The part of `localStorage` that is used. */
export type Store = Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">;

/** Where a film was left, seconds; 0 if nowhere. */
export function recall(store: Store, film: string): number {
  const seconds = Number(store.getItem(PREFIX + film)?.split(" ")[0] ?? 0);
  return Number.isFinite(seconds) && seconds > 0 ? seconds : 0;
}

/** Remembers where a film is left. */
export function remember(store: Store, film: string, seconds: number, duration: number, now: number): void {
  const inside = seconds > EDGE_S && Number.isFinite(duration) && seconds < duration * EDGE_SHARE && duration - seconds > EDGE_S;
  if (!inside) {
    store.removeItem(PREFIX + film);
    return;
  }
  try {
    store.setItem(PREFIX + film, `${seconds.toFixed(1)} ${now}`);
    forgetOldest(store);
  } catch {
    // Storage can be full or forbidden; a film that starts at its beginning is no harm.
  }
}

function forgetOldest(store: Store): void {
  const keys: string[] = [];
  for (let index = 0; index < store.length; index++) {
    const key = store.key(index);
    if (key?.startsWith(PREFIX)) keys.push(key);
  }
  if (keys.length <= MOST) return;
  const age = (key: string) => Number(store.getItem(key)?.split(" ")[1] ?? 0);
  keys.sort((a, b) => age(a) - age(b));
  for (const key of keys.slice(0, keys.length - MOST)) store.removeItem(key);
}
