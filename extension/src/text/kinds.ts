// What a file's name says about what it takes to play it: some containers are never played by
// Chrome alone, and what is packed is not played at all.
//
// Only a guess, made before anybody looked into the film; what is found inside counts.

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

/** The kind of container that takes ffmpeg, by the name's ending; `undefined` for all others. */
export function needsFfmpeg(path: string): string | undefined {
  return NEEDS_FFMPEG[path.slice(path.lastIndexOf(".") + 1).toLowerCase()];
}

/** Whether it is an archive, which may well hold a film and is no film. */
export function isArchive(path: string): boolean {
  return /\.(zip|rar|r\d\d|7z|tar|gz|xz|bz2|zst|iso)$/i.test(path);
}
