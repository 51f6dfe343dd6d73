// The choice of files in a new torrent: which are selected, their size, whether they fit.
//
// Pure functions. A file that the user has not touched keeps the engine's priority. Choices that
// are not sent to the engine yet exist only here.

import type { FilePriority } from "../model/generated/FilePriority";
import type { FileView } from "../model/generated/FileView";
import type { RootView } from "../model/generated/RootView";

/** File index → whether the user selected it. Missing files keep the engine's choice. */
export type Touched = ReadonlyMap<number, boolean>;

/** Most files that are suggested to be left out. */
const MOST_NAMED = 3;

/** Whether a file is selected. */
export function isChosen(file: FileView, touched: Touched): boolean {
  return touched.get(file.index) ?? file.priority !== "skip";
}

/** Selects all files, or none. */
export function all(files: readonly FileView[], chosen: boolean): Map<number, boolean> {
  return new Map(files.map((file) => [file.index, chosen]));
}

/** The priorities to send to the engine: only files whose selection differs. */
export function priorities(files: readonly FileView[], touched: Touched): FilePriority[] {
  const changed = files.filter((file) => isChosen(file, touched) !== (file.priority !== "skip"));
  return changed.map((file) => ({
    index: file.index,
    priority: isChosen(file, touched) ? "normal" : "skip",
  }));
}

/** Size of the selected files, and how much of it is missing, in bytes. */
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

/**
 * The film to watch first: `next` if it is selected, else the first selected film. `undefined` when
 * no selected file is playable.
 */
export function filmOf(
  files: readonly FileView[],
  touched: Touched,
  next: number | undefined,
): FileView | undefined {
  const films = files.filter((file) => file.playable && isChosen(file, touched));
  return films.find((film) => film.index === next) ?? films[0];
}

/**
 * How much space is missing, and which few files to leave out.
 */
export interface Shortage {
  free: number;
  /** Empty when leaving out a few files is not enough. */
  without: readonly FileView[];
}

/** The missing space. `undefined` when the files fit or the free space is unknown. */
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
    // Suggesting to leave out every file would be useless.
    if (without.length + 1 === largest.length) break;
    without.push(file);
    missing -= file.length - file.verified;
    if (missing <= free) return { free, without };
  }
  return { free, without: [] };
}
