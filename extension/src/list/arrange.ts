// Which torrents are shown, and in which order.
//
// Pure. The engine names them newest first; ties stay in that order.

import type { TorrentRow } from "../model/topics";
import { language } from "../text/messages";
import { share } from "./torrent_words";

/** By what torrents are sorted. */
export const SORTS = ["added", "name", "size", "progress", "rate"] as const;
export type SortBy = (typeof SORTS)[number];
export interface Sort {
  by: SortBy;
  /** The other way round than it is usual: names from Z, the oldest first, the smallest first. */
  reversed: boolean;
}

/** The torrents whose names hold every word of what is looked for, sorted. */
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

/** Tells whether a text holds every word of `search`, in whatever case and with whatever marks; nothing when there is no word. */
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
