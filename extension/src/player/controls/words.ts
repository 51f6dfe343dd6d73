// Formats values of the controls: times, volumes, delays, speeds, track names.

import { amount, language, number, percentOf, t } from "../../text/messages";
import type { TrackChoice } from "./model";

/** A volume (0–1) for screen readers. */
export function volumeValue(share: number, muted: boolean): string {
  return muted ? t("playerVolumeMuted", percentOf(share)) : percentOf(share);
}

/** A time in the film for screen readers, with the duration if known. */
export function placeValue(time: number, duration: number): string {
  return Number.isFinite(duration)
    ? t("playerPositionOf", spokenTime(time), spokenTime(duration))
    : spokenTime(time);
}

/** A speed such as `1.5×`, or "normal". */
export function speedAt(rate: number): string {
  return rate === 1 ? t("playerNormal") : `${number(rate)}×`;
}

/** A speed in a sentence. */
export function speedSentence(rate: number): string {
  return rate === 1 ? t("playerSpeedNormal") : t("playerSpeedSaid", speedAt(rate));
}

/** A delay such as `+0.5 s`. */
export function delayValue(seconds: number): string {
  return Math.abs(seconds) < 0.05 ? "0 s" : `${signed(seconds)} s`;
}

/** The delay of subtitles in a sentence. */
export function delaySentence(seconds: number): string {
  if (Math.abs(seconds) < 0.05) return t("playerDelayNone");
  return t(seconds > 0 ? "playerDelayLater" : "playerDelayEarlier", number(Math.abs(seconds), 1));
}

/** A skip such as `−10 s`. */
export function skipped(seconds: number): string {
  return `${signed(seconds, 0)} s`;
}

/** A number with its sign, a real minus. */
function signed(value: number, digits = 1): string {
  return `${value < 0 ? "−" : "+"}${number(Math.abs(value), digits)}`;
}

/** A time for screen readers, such as `1 hour 2 minutes 3 seconds`. */
export function spokenTime(seconds: number): string {
  if (!Number.isFinite(seconds)) return t("playerUnknownTime");
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [
    [Math.floor(whole / 3600), "hour"],
    [Math.floor(whole / 60) % 60, "minute"],
    [whole % 60, "second"],
  ] as const;
  const words = parts.filter(([value]) => value > 0).map(([value, unit]) => amount(value, unit));
  return words.length > 0 ? words.join(" ") : amount(0, "second");
}

/** A track's title, its language, or its number. */
export function trackName(track: TrackChoice, index: number): string {
  const name = languageName(track.language);
  if (track.label === "") return name || t("playerTrack", index + 1);
  if (name === "" || track.label.toLowerCase().includes(name.toLowerCase())) return track.label;
  return `${track.label} · ${name}`;
}

/** `German` for `de`, `deu` and `ger`. Empty for an unknown language. */
function languageName(tag: string): string {
  if (tag === "" || tag === "und") return "";
  try {
    return new Intl.DisplayNames(language(), { type: "language", fallback: "none" }).of(tag) ?? "";
  } catch {
    // Tags in files may be malformed, for which Intl throws.
    return "";
  }
}
