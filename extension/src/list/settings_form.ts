// Converts settings to form texts and back, in the units that people use.
//
// Pure functions. They refuse only what is not a number; the engine checks the values themselves.

import type { Encryption } from "../model/generated/Encryption";
import type { Settings } from "../model/generated/Settings";
import { editable, number, readNumber, t } from "../text/messages";

/** The form's texts. All but `connections` may be empty, which means no limit. */
export interface SettingsTexts {
  /** MB/s. */
  download: string;
  /** MB/s. */
  upload: string;
  connections: string;
  /** Uploaded bytes per byte of the torrent's size. */
  ratio: string;
  /** Minutes. */
  seedTime: string;
  downloads: string;
  seeds: string;
}

/** Everything in the form. */
export interface SettingsForm {
  texts: SettingsTexts;
  encryption: Encryption;
  switches: SettingsSwitches;
  /** Whether downloads start without asking which files. */
  startAtOnce: boolean;
}

/** The switches of the form. */
export type SettingsSwitches = Pick<
  Settings,
  "tcp" | "utp" | "dht" | "trackers" | "pex" | "webSeeds"
>;

/** The settings that a form means, or what is wrong with which field. */
export type FormOutcome = { settings: Settings } | { words: string; field?: keyof SettingsTexts };

const MB = 1_000_000;
const MINUTE = 60;
const PERCENT = 100;
/** The engine counts in 32 bits. */
const MAX_COUNT = 4_294_967_295;

/** The names of the number fields. */
export const FIELDS: readonly (keyof SettingsTexts)[] = [
  "download",
  "upload",
  "connections",
  "ratio",
  "seedTime",
  "downloads",
  "seeds",
];

/** The form texts for the settings. */
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
    startAtOnce: settings.startAtOnce,
  };
}

/** Whether two forms have the same content. */
export function isSame(one: SettingsForm, other: SettingsForm): boolean {
  const { texts, switches } = other;
  return (
    FIELDS.every((field) => one.texts[field] === texts[field]) &&
    (Object.keys(switches) as (keyof SettingsSwitches)[]).every(
      (name) => one.switches[name] === switches[name],
    ) &&
    one.encryption === other.encryption &&
    one.startAtOnce === other.startAtOnce
  );
}

/** The settings that a form means. Settings that are not in the form keep their values. */
export function settingsOf(
  { texts, encryption, switches, startAtOnce }: SettingsForm,
  before: Settings,
): FormOutcome {
  let wrong: { words: string; field?: keyof SettingsTexts } | undefined;
  const counted = (field: keyof SettingsTexts, unit: number, most = MAX_COUNT): number | null => {
    const read = parseNumber(texts[field], t(`settingsLabel_${field}`), unit, most);
    if (typeof read === "string") wrong ??= { words: read, field };
    return typeof read === "string" ? null : read;
  };
  const maxConnections = counted("connections", 1);
  const settings: Settings = {
    ...before,
    downLimitBps: counted("download", MB, Number.MAX_SAFE_INTEGER),
    upLimitBps: counted("upload", MB, Number.MAX_SAFE_INTEGER),
    maxConnections: maxConnections ?? 0,
    ratioPercent: counted("ratio", PERCENT),
    seedS: counted("seedTime", MINUTE),
    maxDownloads: counted("downloads", 1),
    maxSeeds: counted("seeds", 1),
    encryption,
    ...switches,
    startAtOnce,
  };
  if (maxConnections === null)
    wrong ??= { words: t("settingsMissing", t("settingsLabel_connections")), field: "connections" };
  if (settings.maxDownloads === 0)
    wrong ??= { words: t("settingsNoDownloads"), field: "downloads" };
  const hasSource = switches.trackers || switches.dht || switches.pex || switches.webSeeds;
  if (!hasSource) wrong ??= { words: t("settingsNoSource") };
  return wrong ?? { settings };
}

/** Formats a number with at most six decimals: a byte is 0.000001 MB. */
function shown(value: number | null, unit: number): string {
  return value === null ? "" : editable(value / unit);
}

/** Parses a number into the engine's unit. Returns `null` for an empty text, or what is wrong. */
function parseNumber(
  typed: string,
  label: string,
  unit: number,
  most: number,
): number | null | string {
  const trimmed = typed.trim();
  if (trimmed === "") return null;
  const whole = unit === 1;
  const example = number(whole ? 20 : 2.5);
  const read = whole && !/^\d{1,20}$/.test(trimmed) ? undefined : readNumber(trimmed);
  if (read === undefined) return t("settingsNotNumber", label, trimmed, example);
  const value = Math.round(read * unit);
  return value <= most ? value : t("settingsTooMuch", label, trimmed);
}
