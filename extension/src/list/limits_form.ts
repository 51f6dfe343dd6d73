// The limits of one torrent as texts of a form, and back, in the units in which people think.
//
// Pure. What makes sense is the engine's to say; here is only refused what is no number at all.

import type { Sharing } from "../model/generated/Sharing";
import { editable, readNumber, t } from "../text/messages";

/** The numbers of the form, as they are typed. An empty one means what counts for all torrents. */
export interface LimitsTexts {
  /** MB/s. */
  download: string;
  /** MB/s. */
  upload: string;
  /** Bytes uploaded for each byte. */
  ratio: string;
  /** Minutes. */
  seedTime: string;
}

const FIELDS: readonly {
  name: keyof LimitsTexts;
  key: keyof Sharing;
  unit: number;
  most: number;
}[] = [
  { name: "download", key: "downLimitBps", unit: 1_000_000, most: Number.MAX_SAFE_INTEGER },
  { name: "upload", key: "upLimitBps", unit: 1_000_000, most: Number.MAX_SAFE_INTEGER },
  // The engine counts in 32 bits.
  { name: "ratio", key: "ratioPercent", unit: 100, most: 4_294_967_295 },
  { name: "seedTime", key: "seedS", unit: 60, most: 4_294_967_295 },
];

/** The form in which a person finds the limits. */
export function limitsOf(sharing: Sharing): LimitsTexts {
  const texts = FIELDS.map(({ name, key, unit }) => [name, shown(sharing[key], unit)]);
  return Object.fromEntries(texts) as unknown as LimitsTexts;
}

/** What a person means, or what is wrong with it. */
export function sharingOf(texts: LimitsTexts): Sharing | { words: string } {
  const sharing: Sharing = {
    downLimitBps: null,
    upLimitBps: null,
    ratioPercent: null,
    seedS: null,
  };
  for (const { name, key, unit, most } of FIELDS) {
    const typed = texts[name].trim();
    if (typed === "") continue;
    const read = readNumber(typed);
    if (read === undefined) return { words: t("torrentLimitNoNumber", typed) };
    const value = Math.round(read * unit);
    if (value > most) return { words: t("torrentLimitTooMuch", typed) };
    sharing[key] = value;
  }
  return sharing;
}

function shown(value: number | null, unit: number): string {
  return value === null ? "" : editable(value / unit);
}
