// What a person chose for the films of a torrent, as the engine keeps it: short texts by name.

import type { Preference } from "./subtitles/subtitles";

/** Names and values as they are kept. */
export type Choices = Record<string, string>;

/** Longest value that is kept, bytes. */
const MOST_BYTES = 128;

/** The choices with these subtitles. A title that is too long to be kept is left out. */
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

/** The subtitles that were chosen; `undefined` if none were, or what is kept can't be read. */
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

/** The choices with a sound track of this language, or of this name where its language is not known. */
export function withAudio(choices: Choices, track: { language: string; label: string }): Choices {
  const name = track.language || track.label;
  return new TextEncoder().encode(name).length <= MOST_BYTES
    ? { ...choices, audio: name }
    : choices;
}

/** Of these sound tracks the one that was chosen before; `undefined` for the film's own choice. */
export function audioOf<T extends { language: string | undefined; title: string | undefined }>(
  choices: Choices,
  tracks: readonly T[],
): T | undefined {
  const name = choices["audio"];
  return name ? tracks.find(({ language, title }) => (language || title) === name) : undefined;
}
