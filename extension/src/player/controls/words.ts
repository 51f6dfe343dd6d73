// Every word that the controls show or say, and times as digits and as words.

import type { TrackChoice } from "./model";

export const words = {
  controls: "Player controls",
  play: "Play",
  pause: "Pause",
  playAgain: "Play again",
  previous: "Previous episode",
  next: "Next episode",
  mute: "Mute",
  unmute: "Unmute",
  muted: "Muted",
  unmuted: "Sound on",
  volume: "Volume",
  volumeAt: (share: number) => `Volume ${percentOf(share)}`,
  volumeValue: (share: number, muted: boolean) => (muted ? `${percentOf(share)}, muted` : percentOf(share)),
  place: "Position",
  placeValue: (time: number, duration: number) =>
    Number.isFinite(duration) ? `${spokenTime(time)} of ${spokenTime(duration)}` : spokenTime(time),
  there: (share: number) => `${Math.floor(share * 100)}% of this file is downloaded`,
  missing: "Not downloaded yet",
  showRemaining: "Show the remaining time",
  showTotal: "Show the total time",
  speed: "Speed",
  speedAt: (rate: number) => (rate === 1 ? "Normal" : `${rate}×`),
  speedSaid: (rate: number) => (rate === 1 ? "Normal speed" : `Speed ${rate}×`),
  audio: "Sound track",
  audioSaid: (name: string) => `Sound track: ${name}`,
  subtitles: "Subtitles",
  subtitlesSaid: (name: string) => `Subtitles: ${name}`,
  noSubtitles: "No subtitles",
  off: "Off",
  addFile: "Add a file…",
  delay: "Delay",
  delayValue: (seconds: number) => (Math.abs(seconds) < 0.05 ? "0 s" : `${signed(seconds)} s`),
  delaySaid: (seconds: number) =>
    Math.abs(seconds) < 0.05
      ? "Subtitles are in time"
      : `Subtitles ${Math.abs(seconds).toFixed(1)} seconds ${seconds > 0 ? "later" : "earlier"}`,
  earlier: "Show subtitles earlier",
  later: "Show subtitles later",
  size: "Size",
  sizeSaid: (factor: number) => `Subtitle size ${percentOf(factor)}`,
  smaller: "Smaller subtitles",
  larger: "Larger subtitles",
  pictureInPicture: "Picture-in-picture",
  leavePictureInPicture: "Leave picture-in-picture",
  fullScreen: "Full screen",
  leaveFullScreen: "Leave full screen",
  more: "More",
  back: "Back",
  skipped: (seconds: number) => `${signed(seconds, 0)} s`,
  nextIn: (seconds: number) => `Next episode in ${seconds} s`,
  nextSaid: (title: string, seconds: number) => `Next episode in ${seconds} seconds: ${title}. Escape cancels.`,
  cancel: "Cancel",
  playNow: "Play now",
};

export function percentOf(share: number): string {
  return `${Math.round(share * 100)}%`;
}

/** A number with its sign; the minus is a real one. */
function signed(value: number, digits = 1): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
}

/** `3:05`, `1:02:03`; hours are there when the longest time beside this one has them. Unknown times are `–:––`. */
export function clockTime(seconds: number, longest = seconds): string {
  if (!Number.isFinite(seconds)) return "–:––";
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number) => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  if (hours > 0 || (Number.isFinite(longest) && longest >= 3600)) return `${hours}:${two(minutes)}:${two(whole % 60)}`;
  return `${minutes}:${two(whole % 60)}`;
}

/** `1 hour 2 minutes 3 seconds`, as a screen reader should say it. */
export function spokenTime(seconds: number): string {
  if (!Number.isFinite(seconds)) return "unknown time";
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [
    [Math.floor(whole / 3600), "hour"],
    [Math.floor(whole / 60) % 60, "minute"],
    [whole % 60, "second"],
  ] as const;
  const said = parts.filter(([value]) => value > 0).map(([value, unit]) => `${value} ${unit}${value === 1 ? "" : "s"}`);
  return said.length > 0 ? said.join(" ") : "0 seconds";
}

/** What a track is called: its name, its language, or its number. */
export function trackName(track: TrackChoice, index: number): string {
  const language = languageName(track.language);
  if (track.label === "") return language || `Track ${index + 1}`;
  if (language === "" || track.label.toLowerCase().includes(language.toLowerCase())) return track.label;
  return `${track.label} · ${language}`;
}

/** `German` for `de`, `deu` and `ger`; empty for what names no language. */
function languageName(tag: string): string {
  if (tag === "" || tag === "und") return "";
  try {
    return new Intl.DisplayNames("en", { type: "language", fallback: "none" }).of(tag) ?? "";
  } catch {
    // Files hold tags of any form; one that is malformed is an error to Intl.
    return "";
  }
}
