// What a `<video>`'s error means: worth another attempt, or final and why.
//
// Chrome tells little: code 4 is a codec that it lacks as well as an answer 503. Its messages tell the two apart.

/** What became of an attempt to play. */
export type Failure =
  /** Passing: the daemon or the network was away. */
  | { kind: "interrupted" }
  /** Final: words for a person. */
  | { kind: "final"; words: string };

const NETWORK = 2;
const DECODE = 3;
const NOT_SUPPORTED = 4;

const ELSEWHERE = "VLC or mpv will play it: copy the stream address below.";

/** Says what an error means. `heard`: frames of this file have been shown before. */
export function classify(code: number, message: string, path: string, shown: boolean): Failure {
  switch (code) {
    case NETWORK:
      return { kind: "interrupted" };
    case DECODE:
      if (shown) return { kind: "interrupted" };
      return { kind: "final", words: `Chrome can’t decode this file. ${ELSEWHERE}` };
    case NOT_SUPPORTED:
      return isFormat(message) ? { kind: "final", words: formatWords(message, path) } : { kind: "interrupted" };
    default:
      return { kind: "interrupted" };
  }
}

/** Words after several attempts came to nothing although the daemon is there. */
export const GIVEN_UP = "The file could not be played, although the daemon is there.";

function isFormat(message: string): boolean {
  return /DEMUXER_ERROR|DECODER_ERROR|Failed to init decoder|no supported streams/i.test(message);
}

function formatWords(message: string, path: string): string {
  const extension = /\.(\w{1,5})$/.exec(path)?.[1]?.toUpperCase();
  if (/NO_SUPPORTED_STREAMS|no supported streams|DECODER/i.test(message)) {
    return `Chrome has no decoder for this film (often HEVC, also called H.265). ${ELSEWHERE}`;
  }
  if (extension === "AVI" || extension === "WMV" || extension === "FLV" || extension === "TS") {
    return `Chrome doesn’t play ${extension} files. ${ELSEWHERE}`;
  }
  return `Chrome can’t make sense of this file. ${ELSEWHERE}`;
}
