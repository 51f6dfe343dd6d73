// How large a person likes subtitles: remembered in local storage, which may be missing.

const KEY = "subtitle-size";

/** The factor that was remembered; 1 if none was. */
export function recallSize(store: Pick<Storage, "getItem">): number {
  try {
    const factor = Number(store.getItem(KEY) ?? 1);
    return factor >= 0.5 && factor <= 3 ? factor : 1;
  } catch {
    return 1;
  }
}

/** Remembers it. */
export function rememberSize(store: Pick<Storage, "setItem">, factor: number): void {
  try {
    store.setItem(KEY, String(factor));
  } catch {
    // Storage can be full or forbidden; the next film then has them at their usual size.
  }
}
