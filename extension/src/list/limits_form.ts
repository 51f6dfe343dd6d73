// Converts a torrent's limits to form texts and back, in the units that people use.
//
// Pure functions. They refuse only what is not a number; the engine checks the limits themselves.

import type { Sharing } from "../model/generated/Sharing";
import { editable, readNumber, t } from "../text/messages";

/** The form's texts. An empty one means the limit of all torrents applies. */
export interface LimitsTexts {
  /** MB/s. */
  download: string;
  /** MB/s. */
  upload: string;
  /** Uploaded bytes per downloaded byte. */
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

/** The form texts for a torrent's limits. */
export function limitsOf(sharing: Sharing): LimitsTexts {
  const texts = FIELDS.map(({ name, key, unit }) => [name, shown(sharing[key], unit)]);
  return Object.fromEntries(texts) as unknown as LimitsTexts;
}

/** The limits that the texts mean, or what is wrong with a text. */
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
