// The films before and after a film in its torrent.
//
// Pure. Files are in natural order. Videos follow only videos, and sound recordings only
// recordings.

import type { FileView } from "../model/generated/FileView";

/** The files before and after, if there are any. */
export interface Neighbours {
  previous: FileView | undefined;
  next: FileView | undefined;
}

/** The files of the same kind before and after the file with this index. */
export function neighbours(files: readonly FileView[], index: number): Neighbours {
  const current = files.find((file) => file.index === index);
  const alike = current
    ? files.filter((file) => file.playable && kind(file) === kind(current))
    : [];
  const at = alike.findIndex((file) => file.index === index);
  return at < 0
    ? { previous: undefined, next: undefined }
    : { previous: alike[at - 1], next: alike[at + 1] };
}

function kind(file: FileView): string {
  return file.contentType.startsWith("audio/") ? "audio" : "film";
}
