// What a `<video>`'s error means: worth another attempt, or final and why.
//
// Chrome tells little: of media from another origin it hides all words, and code 4 is a codec that it lacks as well as
// an answer 404. What tells them apart is whether the film was ever shown, and whether trying again helps.

/** What became of an attempt to play. */
export type Failure =
  /** Passing: the daemon or the network was away. */
  | { kind: "interrupted" }
  /** Probably final, with words for a person; a few more attempts tell. */
  | { kind: "doubtful"; words: string }
  /** Final. */
  | { kind: "final"; words: string };

const DECODE = 3;
const NOT_SUPPORTED = 4;

const ELSEWHERE = "VLC or mpv will play it: copy the stream address below.";

/** Kinds of files that Chrome has no reader for, by the end of their name. */
const FOREIGN = ["AVI", "WMV", "FLV", "TS", "M2TS", "MPG", "MPEG", "VOB", "RM", "RMVB", "ASF", "WMA", "APE", "DIVX"];

/** Says what an error means. `shown`: frames of this file have been shown before. */
export function classify(code: number, path: string, shown: boolean): Failure {
  if (shown) return { kind: "interrupted" };
  const extension = /\.(\w{1,5})$/.exec(path)?.[1]?.toUpperCase() ?? "";
  switch (code) {
    case DECODE:
      return { kind: "doubtful", words: `Chrome can’t decode this file. ${ELSEWHERE}` };
    case NOT_SUPPORTED:
      if (FOREIGN.includes(extension)) return { kind: "final", words: `Chrome doesn’t play ${extension} files. ${ELSEWHERE}` };
      return { kind: "doubtful", words: `Chrome can’t play this file: it has no decoder for it, or the file is damaged. ${ELSEWHERE}` };
    default:
      return { kind: "interrupted" };
  }
}

/** Words after many attempts came to nothing although the daemon is there. */
export const GIVEN_UP = `This place can’t be played: jump past it, or try again. ${ELSEWHERE}`;

/** What can be missing from a film that plays all the same. */
export interface Lack {
  picture: boolean;
  sound: boolean;
}

/** Words about what is missing; none if nothing is. */
export function lackWords(lack: Lack): string | undefined {
  if (lack.picture) {
    return `Sound only: Chrome has no decoder for this film’s picture (HEVC, also called H.265, often). ${ELSEWHERE}`;
  }
  if (lack.sound) {
    return `No sound: this film has none, or Chrome can’t decode it (AC-3 or DTS, often). In that case ${ELSEWHERE}`;
  }
  return undefined;
}
