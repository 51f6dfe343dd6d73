// Interprets a `<video>`'s error: worth another attempt, or final and why.
//
// Chrome hides the details for media of another origin, and code 4 means a missing codec as well as
// a 404. The film was shown before or not, and repeated attempts succeed or not: that tells the
// cases apart.

import { t } from "../text/messages";

/** The meaning of an error. */
export type Failure =
  /** Temporary: the daemon or the network was away. */
  | { kind: "interrupted" }
  /**
   * The film was shown before and can't be decoded here. A few more attempts tell whether it is
   * damaged.
   */
  | { kind: "damaged" }
  /** Probably final, with a reason for the user. A few more attempts tell. */
  | { kind: "doubtful"; words: string }
  /** Final. */
  | { kind: "final"; words: string };

/** Why a film does not play, in words. */
export interface Trouble {
  words: string;
  /** Only this place of the film is affected; later places may play. */
  isHere: boolean;
}

const DECODE = 3;
const NOT_SUPPORTED = 4;

/** Files that Chrome can't read, by extension. */
const FOREIGN = [
  "AVI",
  "WMV",
  "FLV",
  "TS",
  "M2TS",
  "MPG",
  "MPEG",
  "VOB",
  "RM",
  "RMVB",
  "ASF",
  "WMA",
  "APE",
  "DIVX",
];

/** Interprets an error. `shown`: frames of this file have been shown before. */
export function classify(code: number, path: string, shown: boolean): Failure {
  if (shown) return { kind: code === DECODE ? "damaged" : "interrupted" };
  const extension = /\.(\w{1,5})$/.exec(path)?.[1]?.toUpperCase() ?? "";
  switch (code) {
    case DECODE:
      return { kind: "doubtful", words: withElsewhere(t("playerCantDecode")) };
    case NOT_SUPPORTED:
      if (FOREIGN.includes(extension))
        return { kind: "final", words: withElsewhere(t("playerForeign", extension)) };
      return { kind: "doubtful", words: withElsewhere(t("playerNoDecoder")) };
    default:
      return { kind: "interrupted" };
  }
}

/** The trouble of a place that can't be played after all attempts. */
export function damagedPlace(): Trouble {
  return { words: t("playerGivenUp"), isHere: true };
}

function withElsewhere(words: string): string {
  return `${words} ${t("playerOtherPlayer")}`;
}

/** What may be missing from a film that plays. */
export interface Lack {
  picture: boolean;
  sound: boolean;
}

/** What is missing, in words. `undefined` if nothing is. */
export function lackWords(lack: Lack): string | undefined {
  if (lack.picture) return withElsewhere(t("playerNoPicture"));
  if (lack.sound) return withElsewhere(t("playerNoSound"));
  return undefined;
}
