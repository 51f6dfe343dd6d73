// How large a person likes subtitles: remembered from film to film.

import type { Store } from "../ui/stores";

const KEY = "subtitle-size";

/** The factor that was remembered; 1 if none was. */
export function recallSize(store: Store): number {
  const factor = Number(store.getItem(KEY) ?? 1);
  return factor >= 0.5 && factor <= 3 ? factor : 1;
}

/** Remembers it. */
export function rememberSize(store: Store, factor: number): void {
  store.setItem(KEY, String(factor));
}
