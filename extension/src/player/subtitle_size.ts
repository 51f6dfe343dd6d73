// Stores the size of subtitles between films.

import type { Store } from "../ui/stores";

const KEY = "subtitle-size";

/** Reads the stored factor. 1 if there is none. */
export function recallSize(store: Store): number {
  const factor = Number(store.getItem(KEY) ?? 1);
  return factor >= 0.5 && factor <= 3 ? factor : 1;
}

/** Stores the factor. */
export function rememberSize(store: Store, factor: number): void {
  store.setItem(KEY, String(factor));
}
