// Subtitle and sound choices for a torrent's films, in the form that the engine stores.

import type { Film } from "../media/protocol";
import type { AudioTrack } from "./engines/engine";
import type { Preference } from "./subtitles/subtitles";

/** Names and values as stored. */
export type Choices = Record<string, string>;

/** Longest stored value in bytes. */
const MOST_BYTES = 128;

/** Adds a choice of subtitles. A title that is too long to store is left out. */
export function withSubtitles(choices: Choices, preference: Preference): Choices {
  const whole = JSON.stringify(preference);
  const short =
    preference === "off"
      ? whole
      : JSON.stringify({ language: preference.language, forced: preference.forced });
  return {
    ...choices,
    subtitles: new TextEncoder().encode(whole).length <= MOST_BYTES ? whole : short,
  };
}

/** The stored choice of subtitles. `undefined` if there is none or it can't be read. */
export function subtitlesOf(choices: Choices): Preference | undefined {
  try {
    const kept: unknown = JSON.parse(choices["subtitles"] ?? "null");
    if (kept === "off") return "off";
    if (typeof kept !== "object" || kept === null) return undefined;
    const { language, forced, title } = kept as Record<string, unknown>;
    return {
      language: typeof language === "string" ? language : undefined,
      forced: forced === true,
      title: typeof title === "string" ? title : undefined,
    };
  } catch {
    return undefined;
  }
}

/** Adds a choice of sound by language, or by title where the language is unknown. */
export function withAudio(choices: Choices, track: { language: string; label: string }): Choices {
  const name = track.language || track.label;
  return new TextEncoder().encode(name).length <= MOST_BYTES
    ? { ...choices, audio: name }
    : choices;
}

/** The track that matches the stored choice. `undefined` for the film's default. */
export function audioOf<T extends { language: string | undefined; title: string | undefined }>(
  choices: Choices,
  tracks: readonly T[],
): T | undefined {
  const name = choices["audio"];
  return name ? tracks.find(({ language, title }) => (language || title) === name) : undefined;
}

/** An inspected sound track as the menu shows it. */
export function choosable({ id, title, language }: Film["audio"][number]): AudioTrack {
  return { id: String(id), label: title ?? "", language: language ?? "" };
}
