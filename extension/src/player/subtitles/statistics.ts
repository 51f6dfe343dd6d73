// Guesses encodings by letter statistics.
//
// A module of its own, so that it is loaded only when needed.

import { analyse } from "chardet";

/** Names of encodings, the most likely first. */
export function guesses(sample: Uint8Array): string[] {
  return analyse(sample).map(({ name }) => name);
}
