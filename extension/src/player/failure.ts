// What a `<video>`'s error means: worth another attempt, or final and why.
//
// Chrome tells little: of media from another origin it hides all words, and code 4 is a codec that
// it lacks as well as an answer 404. What tells them apart is whether the film was ever shown, and
// whether trying again helps.

import { t } from "../text/messages";

/** What became of an attempt to play. */
export type Failure =
  /** Passing: the daemon or the network was away. */
  | { kind: "interrupted" }
  /** The film was shown before, and can't be decoded here: a few more attempts tell whether it is damaged here. */
  | { kind: "damaged" }
  /** Probably final, with words for a person; a few more attempts tell. */
  | { kind: "doubtful"; words: string }
  /** Final. */
  | { kind: "final"; words: string };

/** Why a film does not play, in words. */
export interface Trouble {
  words: string;
  /** Only this place of the film is concerned: what lies behind it may well play. */
  isHere: boolean;
}

const DECODE = 3;
const NOT_SUPPORTED = 4;

/** Kinds of files that Chrome has no reader for, by the end of their name. */
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

/** Says what an error means. `shown`: frames of this file have been shown before. */
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

/** A place of the film that can't be played, whatever was tried. */
export function damagedPlace(): Trouble {
  return { words: t("playerGivenUp"), isHere: true };
}

function withElsewhere(words: string): string {
  return `${words} ${t("playerOtherPlayer")}`;
}

/** What can be missing from a film that plays all the same. */
export interface Lack {
  picture: boolean;
  sound: boolean;
}

/** Words about what is missing; none if nothing is. */
export function lackWords(lack: Lack): string | undefined {
  if (lack.picture) return withElsewhere(t("playerNoPicture"));
  if (lack.sound) return withElsewhere(t("playerNoSound"));
  return undefined;
}
