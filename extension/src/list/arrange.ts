// Filters and sorts the torrents.
//
// Pure functions. The engine lists torrents newest first; equal ones keep that order.

import type { TorrentRow } from "../model/topics";
import { language } from "../text/messages";
import { share } from "./torrent_words";

/** What torrents can be sorted by. */
export const SORTS = ["added", "name", "size", "progress", "rate"] as const;
/** A property by which torrents are sorted. */
export type SortBy = (typeof SORTS)[number];
/** The order of the list. */
export interface Sort {
  by: SortBy;
  /** Reverses the usual order: names from Z, oldest first, smallest first. */
  reversed: boolean;
}

/** The torrents whose names contain every word of the search text, sorted. */
export function arranged(
  torrents: readonly TorrentRow[],
  search: string,
  sort: Sort,
): readonly TorrentRow[] {
  const isFound = finder(search);
  const found = isFound ? torrents.filter(({ name }) => isFound(name)) : torrents;
  if (sort.by === "added") return sort.reversed ? [...found].reverse() : found;
  const compare = comparing(sort.by);
  return [...found].sort(sort.reversed ? (a, b) => compare(b, a) : compare);
}

/**
 * Returns a test for texts that contain every word of `search`, or `undefined` without words. Case
 * and accents do not matter.
 */
export function finder(search: string): ((text: string) => boolean) | undefined {
  const words = folded(search).split(/\s+/).filter(Boolean);
  if (words.length === 0) return undefined;
  return (text) => {
    const all = folded(text);
    return words.every((word) => all.includes(word));
  };
}

function folded(text: string): string {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

function comparing(by: Exclude<SortBy, "added">): (a: TorrentRow, b: TorrentRow) => number {
  switch (by) {
    case "name": {
      const { compare } = new Intl.Collator(language(), { numeric: true });
      return (a, b) => compare(a.name, b.name);
    }
    case "size":
      return (a, b) => b.length - a.length;
    case "progress":
      return (a, b) => share(b) - share(a);
    case "rate":
      return (a, b) => b.downRateBps + b.upRateBps - a.downRateBps - a.upRateBps;
  }
}
