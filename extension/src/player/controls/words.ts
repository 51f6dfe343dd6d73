// What the controls say of values: times as digits and as words, volumes, delays, speeds, tracks.

import { amount, language, number, percentOf, t } from "../../text/messages";
import type { TrackChoice } from "./model";

/** A volume (0–1) for a screen reader. */
export function volumeValue(share: number, muted: boolean): string {
  return muted ? t("playerVolumeMuted", percentOf(share)) : percentOf(share);
}

/** A place in the film for a screen reader, with the duration where it is known. */
export function placeValue(time: number, duration: number): string {
  return Number.isFinite(duration)
    ? t("playerPositionOf", spokenTime(time), spokenTime(duration))
    : spokenTime(time);
}

/** `1.5×`, or that it is normal. */
export function speedAt(rate: number): string {
  return rate === 1 ? t("playerNormal") : `${number(rate)}×`;
}

/** A speed in a sentence. */
export function speedSaid(rate: number): string {
  return rate === 1 ? t("playerSpeedNormal") : t("playerSpeedSaid", speedAt(rate));
}

/** `+0.5 s`. */
export function delayValue(seconds: number): string {
  return Math.abs(seconds) < 0.05 ? "0 s" : `${signed(seconds)} s`;
}

/** How subtitles are delayed, in a sentence. */
export function delaySaid(seconds: number): string {
  if (Math.abs(seconds) < 0.05) return t("playerDelayNone");
  return t(seconds > 0 ? "playerDelayLater" : "playerDelayEarlier", number(Math.abs(seconds), 1));
}

/** `−10 s`. */
export function skipped(seconds: number): string {
  return `${signed(seconds, 0)} s`;
}

/** A number with its sign; the minus is a real one. */
function signed(value: number, digits = 1): string {
  return `${value < 0 ? "−" : "+"}${number(Math.abs(value), digits)}`;
}

/** `3:05`, `1:02:03`; hours are there when the longest time beside this one has them. Unknown times are `–:––`. */
export function clockTime(seconds: number, longest = seconds): string {
  if (!Number.isFinite(seconds)) return "–:––";
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number) => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  if (hours > 0 || (Number.isFinite(longest) && longest >= 3600))
    return `${hours}:${two(minutes)}:${two(whole % 60)}`;
  return `${minutes}:${two(whole % 60)}`;
}

/** `1 hour 2 minutes 3 seconds`, as a screen reader should say it. */
export function spokenTime(seconds: number): string {
  if (!Number.isFinite(seconds)) return t("playerUnknownTime");
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [
    [Math.floor(whole / 3600), "hour"],
    [Math.floor(whole / 60) % 60, "minute"],
    [whole % 60, "second"],
  ] as const;
  const said = parts.filter(([value]) => value > 0).map(([value, unit]) => amount(value, unit));
  return said.length > 0 ? said.join(" ") : amount(0, "second");
}

/** What a track is called: its name, its language, or its number. */
export function trackName(track: TrackChoice, index: number): string {
  const name = languageName(track.language);
  if (track.label === "") return name || t("playerTrack", index + 1);
  if (name === "" || track.label.toLowerCase().includes(name.toLowerCase())) return track.label;
  return `${track.label} · ${name}`;
}

/** `German` for `de`, `deu` and `ger`; empty for what names no language. */
function languageName(tag: string): string {
  if (tag === "" || tag === "und") return "";
  try {
    return new Intl.DisplayNames(language(), { type: "language", fallback: "none" }).of(tag) ?? "";
  } catch {
    // Files hold tags of any form; one that is malformed is an error to Intl.
    return "";
  }
}
