// The scale of subtitles: its limits, and its stored value.

import type { Store } from "../ui/stores";

/** Limits of the scale. 1 is normal. */
export const LEAST_SIZE = 0.5;
export const MOST_SIZE = 2.5;
const KEY = "subtitle-size";

/** Reads the stored scale. 1 if there is none. */
export function recallSize(store: Store): number {
  const factor = Number(store.getItem(KEY) ?? 1);
  return factor >= LEAST_SIZE && factor <= MOST_SIZE ? factor : 1;
}

/** Stores the scale. */
export function rememberSize(store: Store, factor: number): void {
  store.setItem(KEY, String(factor));
}
