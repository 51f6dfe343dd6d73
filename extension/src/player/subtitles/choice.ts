// Chooses a subtitle track automatically, like the one of the last film. Pure rules.

import { baseLanguage } from "./language";

/** A user's choice, as plain data for storing. */
export type Preference =
  | "off"
  | { language: string | undefined; forced: boolean; title: string | undefined };

/** The properties that the rules use. */
export interface Choosable {
  readonly id: string;
  readonly language: string | undefined;
  readonly title: string | undefined;
  readonly forced: boolean;
  readonly isDefault: boolean;
}

/** The preference that a chosen track expresses. */
export function preferenceOf(track: Choosable | undefined): Preference {
  return track
    ? { language: baseLanguage(track.language), forced: track.forced, title: track.title }
    : "off";
}

/**
 * The id of the track to begin with. Without a preference, only a forced track (translations of
 * foreign parts) in one of the user's `languages` is chosen.
 */
export function pick(
  preference: Preference | undefined,
  tracks: readonly Choosable[],
  languages: readonly string[],
): string | undefined {
  if (preference === undefined) return unasked(tracks, languages)?.id;
  if (preference === "off") return undefined;
  const alike = tracks.filter(
    (track) =>
      baseLanguage(track.language) === preference.language && track.forced === preference.forced,
  );
  const best =
    alike.find(({ title }) => title === preference.title) ??
    alike.find(({ isDefault, title }) => isDefault && !title) ??
    alike.find(({ title }) => !title) ??
    alike[0];
  if (best) return best.id;
  // A viewer who uses subtitles also wants the only track, if its language is unknown.
  const [only] = tracks;
  return tracks.length === 1 && !preference.forced && only!.language === undefined
    ? only!.id
    : undefined;
}

function unasked(
  tracks: readonly Choosable[],
  languages: readonly string[],
): Choosable | undefined {
  const forced = tracks.filter((track) => track.forced);
  for (const language of languages) {
    const found = forced.find((track) => baseLanguage(track.language) === baseLanguage(language));
    if (found) return found;
  }
  return forced.length === 1 && forced[0]!.isDefault ? forced[0] : undefined;
}
