// Guesses from a file's name whether it needs ffmpeg or is an archive.
//
// The guess is made before the file is read; what the player finds inside counts.

const NEEDS_FFMPEG: Readonly<Record<string, string>> = {
  avi: "AVI",
  divx: "AVI",
  flv: "FLV",
  f4v: "FLV",
  wmv: "WMV",
  asf: "WMV",
  mpg: "MPEG",
  mpeg: "MPEG",
  vob: "MPEG",
  rm: "RealVideo",
  rmvb: "RealVideo",
};

/** The container format that needs ffmpeg, by the file's extension. `undefined` for others. */
export function needsFfmpeg(path: string): string | undefined {
  return NEEDS_FFMPEG[path.slice(path.lastIndexOf(".") + 1).toLowerCase()];
}

/** Whether the file is an archive, which can't be played. */
export function isArchive(path: string): boolean {
  return /\.(zip|rar|r\d\d|7z|tar|gz|xz|bz2|zst|iso)$/i.test(path);
}
