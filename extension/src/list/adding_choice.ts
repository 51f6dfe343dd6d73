// What a person chooses of a torrent before it is downloaded: which files, how much that is,
// whether it fits.
//
// Pure. A file that was not touched is chosen as the engine says; what a page has not said to the
// engine yet lives here alone.

import type { FilePriority } from "../model/generated/FilePriority";
import type { FileView } from "../model/generated/FileView";
import type { RootView } from "../model/generated/RootView";

/** Which files a person has chosen, or left out, by their index; those that are missing are as the engine has them. */
export type Touched = ReadonlyMap<number, boolean>;

/** Most files that are named as worth leaving out. */
const MOST_NAMED = 3;

/** Whether a file is chosen. */
export function isChosen(file: FileView, touched: Touched): boolean {
  return touched.get(file.index) ?? file.priority !== "skip";
}

/** All files chosen, or none. */
export function all(files: readonly FileView[], chosen: boolean): Map<number, boolean> {
  return new Map(files.map((file) => [file.index, chosen]));
}

/** What is to be told to the engine: the files that are to be other than it has them. */
export function priorities(files: readonly FileView[], touched: Touched): FilePriority[] {
  const changed = files.filter((file) => isChosen(file, touched) !== (file.priority !== "skip"));
  return changed.map((file) => ({
    index: file.index,
    priority: isChosen(file, touched) ? "normal" : "skip",
  }));
}

/** Bytes of the chosen files, and how many of these are still to come. */
export function bytesOf(
  files: readonly FileView[],
  touched: Touched,
): { length: number; missing: number; count: number } {
  const chosen = files.filter((file) => isChosen(file, touched));
  const length = chosen.reduce((sum, file) => sum + file.length, 0);
  return {
    length,
    missing: length - chosen.reduce((sum, file) => sum + file.verified, 0),
    count: chosen.length,
  };
}

/** The film that is watched first: `next`, unless it was left out, else the first chosen one. `undefined` when nothing chosen plays. */
export function filmOf(
  files: readonly FileView[],
  touched: Touched,
  next: number | undefined,
): FileView | undefined {
  const films = files.filter((file) => file.playable && isChosen(file, touched));
  return films.find((film) => film.index === next) ?? films[0];
}

/** What is missing on the disk, and which files would make the rest fit if they were left out: the largest, as few as possible. */
export interface Shortage {
  free: number;
  /** Empty when no few files would do. */
  without: readonly FileView[];
}

/** Whether the chosen files fit; `undefined` when they do, or when nobody knows. */
export function shortage(
  files: readonly FileView[],
  touched: Touched,
  root: RootView | undefined,
): Shortage | undefined {
  const free = root?.freeBytes;
  if (free == null) return undefined;
  let { missing } = bytesOf(files, touched);
  if (missing <= free) return undefined;
  const largest = files
    .filter((file) => isChosen(file, touched))
    .sort((a, b) => b.length - b.verified - (a.length - a.verified));
  const without: FileView[] = [];
  for (const file of largest.slice(0, MOST_NAMED)) {
    // To leave out all there is helps nobody.
    if (without.length + 1 === largest.length) break;
    without.push(file);
    missing -= file.length - file.verified;
    if (missing <= free) return { free, without };
  }
  return { free, without: [] };
}
