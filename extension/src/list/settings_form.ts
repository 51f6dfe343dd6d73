// Settings as texts of a form, and back: which number a person means, in the units in which they think.
//
// Pure. What makes sense is the engine's to say; here is only refused what is no number at all.

import type { Encryption } from "../model/generated/Encryption";
import type { Settings } from "../model/generated/Settings";

/** The numbers of the form, as they are typed. Each may be empty, which is for no limit; connections may not. */
export interface SettingsTexts {
  /** MB/s. */
  download: string;
  /** MB/s. */
  upload: string;
  connections: string;
  /** Bytes given for each byte. */
  ratio: string;
  /** Minutes. */
  seedTime: string;
  downloads: string;
  seeds: string;
}

/** All that the form says. */
export interface SettingsForm {
  texts: SettingsTexts;
  encryption: Encryption;
  switches: SettingsSwitches;
}

/** What is on or off. */
export type SettingsSwitches = Pick<Settings, "tcp" | "utp" | "dht" | "trackers" | "pex" | "webSeeds">;

/** The settings that a form means, or what is wrong with it and where. */
export type FormOutcome = { settings: Settings } | { words: string; field: keyof SettingsTexts };

const MB = 1_000_000;
const MINUTE = 60;
const PERCENT = 100;
/** The engine counts in 32 bits. */
const MAX_COUNT = 4_294_967_295;

/** What each number is called. */
export const LABELS: { readonly [K in keyof SettingsTexts]: string } = {
  download: "Download limit",
  upload: "Upload limit",
  connections: "Peers of a torrent",
  ratio: "Ratio",
  seedTime: "Time",
  downloads: "Downloads at once",
  seeds: "Complete torrents at once",
};

/** The form in which a person finds the settings. */
export function formOf(settings: Settings): SettingsForm {
  const { encryption, tcp, utp, dht, trackers, pex, webSeeds } = settings;
  return {
    texts: {
      download: shown(settings.downLimitBps, MB),
      upload: shown(settings.upLimitBps, MB),
      connections: shown(settings.maxConnections, 1),
      ratio: shown(settings.ratioPercent, PERCENT),
      seedTime: shown(settings.seedS, MINUTE),
      downloads: shown(settings.maxDownloads, 1),
      seeds: shown(settings.maxSeeds, 1),
    },
    encryption,
    switches: { tcp, utp, dht, trackers, pex, webSeeds },
  };
}

/** What a person means. */
export function settingsOf({ texts, encryption, switches }: SettingsForm): FormOutcome {
  let wrong: { words: string; field: keyof SettingsTexts } | undefined;
  const number = (field: keyof SettingsTexts, unit: number, most = MAX_COUNT): number | null => {
    const read = parseNumber(texts[field], unit, most);
    if (typeof read === "string") wrong ??= { words: `${LABELS[field]}: ${read}`, field };
    return typeof read === "string" ? null : read;
  };
  const maxConnections = number("connections", 1);
  const settings: Settings = {
    downLimitBps: number("download", MB, Number.MAX_SAFE_INTEGER),
    upLimitBps: number("upload", MB, Number.MAX_SAFE_INTEGER),
    maxConnections: maxConnections ?? 0,
    ratioPercent: number("ratio", PERCENT),
    seedS: number("seedTime", MINUTE),
    maxDownloads: number("downloads", 1),
    maxSeeds: number("seeds", 1),
    encryption,
    ...switches,
  };
  if (maxConnections === null) wrong ??= { words: `${LABELS.connections}: say how many.`, field: "connections" };
  return wrong ?? { settings };
}

/** At most six digits after the point: what a byte more or less makes of megabytes. */
function shown(value: number | null, unit: number): string {
  return value === null ? "" : String(Math.round((value / unit) * 1e6) / 1e6);
}

/** A number in the engine's unit, `null` for none, or what is wrong. */
function parseNumber(typed: string, unit: number, most: number): number | null | string {
  const trimmed = typed.trim();
  if (trimmed === "") return null;
  const whole = unit === 1;
  const example = whole ? "20" : "2.5";
  if (!(whole ? /^\d{1,20}$/ : /^(\d{1,20}([.,]\d{0,20})?|[.,]\d{1,20})$/).test(trimmed))
    return `“${trimmed}” is not a number such as ${example}.`;
  const value = Math.round(Number(trimmed.replace(",", ".")) * unit);
  return value <= most ? value : `${trimmed} is too much.`;
}
