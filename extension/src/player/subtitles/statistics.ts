// Guesses of encodings by how often which letters follow each other. A module of its own, so that
// it is fetched when it is first needed.

import { analyse } from "chardet";

/** Names of encodings, the likeliest first. */
export function guesses(sample: Uint8Array): string[] {
  return analyse(sample).map(({ name }) => name);
}
