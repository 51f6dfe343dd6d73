// The words of subtitles: names of tracks, and why something can't be shown.

import { size } from "../../text/format";

export const WORDS = {
  forced: "forced",
  track: (number: number) => `Subtitles ${number}`,
  tooLarge: (most: number) => `This file is larger than ${size(most)}: too large for subtitles.`,
  empty: "This file holds no subtitles.",
  binary: "This file holds no text.",
  unknown: "This file holds no subtitles that can be shown: SRT, VTT, SSA, ASS and SUP files can.",
  microDvd: "MicroDVD subtitles count pictures, not seconds, so they can’t be timed here. Convert them to SRT first.",
  vobSub: "VobSub subtitles can’t be shown here.",
  kind: "Subtitles of this kind can’t be shown here.",
  unreadable: "The file can’t be read.",
  failed: "These subtitles can’t be drawn.",
};
