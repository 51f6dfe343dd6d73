// Formats numbers in the page's language. Sizes are decimal: 1 kB is 1,000 bytes.

import { number, percentOf, t } from "./messages";

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** A size such as `1.4 GB`, with at most three digits so that widths stay stable. */
export function size(bytes: number): string {
  let value = Math.max(0, bytes);
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${number(value, digits)} ${UNITS[unit]}`;
}

/** A rate such as `3.2 MB/s`. */
export function rate(bytesPerSecond: number): string {
  return `${size(bytesPerSecond)}/s`;
}

/** The share in whole percent. It is 100 only when nothing is missing. */
export function percent(part: number, whole: number): string {
  if (whole <= 0) return percentOf(1);
  return percentOf(Math.min(part >= whole ? 100 : 99, Math.floor((part / whole) * 100)) / 100);
}

/** A rough duration: `about 2 s`, `about 5 min`, `about 3 h`. */
export function about(seconds: number): string {
  if (!Number.isFinite(seconds)) return t("timeLong");
  if (seconds < 1) return t("timeUnderSecond");
  if (seconds < 90) return t("timeSeconds", Math.round(seconds));
  if (seconds < 90 * 60) return t("timeMinutes", Math.round(seconds / 60));
  if (seconds < 36 * 3600) return t("timeHours", Math.round(seconds / 3600));
  return t("timeDays", Math.round(seconds / 86400));
}

/** Splits a path into folder (with trailing slash, or empty) and name. */
export function splitPath(path: string): { folder: string; name: string } {
  const cut = path.lastIndexOf("/") + 1;
  return { folder: path.slice(0, cut), name: path.slice(cut) };
}

/**
 * A time in a film, such as `3:05` or `1:02:03`. It has hours if `longest` has them. An unknown
 * time is `–:––`.
 */
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
