// Subtitle tracks: what is known of each, and how a menu names it.

import type { SubtitleTrack } from "../../media/protocol";
import { t } from "../../text/messages";
import { growing, type Growing } from "./content";
import { factsOfName, languageName } from "./language";
import type { Content } from "./renderer";

/** A subtitle file beside the film. */
export interface BesideFile {
  /** Its address, which is fetched when the track is chosen. */
  url: string;
  /** Its path or name, which identifies the track. */
  name: string;
  /** Language (BCP 47 or ISO 639-2) and title. If missing, they are taken from the name. */
  language?: string | undefined;
  title?: string | undefined;
}

/** A track to choose. It is a new object whenever something about it has changed. */
export interface SubtitleOption {
  readonly id: string;
  /** The track's name for the user, unique among the film's tracks. */
  readonly label: string;
  readonly language: string | undefined;
  readonly title: string | undefined;
  readonly forced: boolean;
  readonly isDefault: boolean;
  readonly origin: "inside" | "beside" | "own";
  /** `unsupported`: the format can't be drawn or chosen. `failed`: choosing it tries again. */
  readonly state: "idle" | "loading" | "shown" | "failed" | "unsupported";
  /** Why it failed or is unsupported, as a sentence. */
  readonly trouble: string | undefined;
}

/** A track with its content. */
export interface Entry {
  id: string;
  language: string | undefined;
  title: string | undefined;
  /** A title that names the track if its language is unknown. */
  name: string | undefined;
  forced: boolean;
  isDefault: boolean;
  origin: SubtitleOption["origin"];
  state: SubtitleOption["state"];
  trouble: string | undefined;
  inside?: { track: SubtitleTrack; growing: Growing | undefined };
  beside?: BesideFile;
  content?: Content;
}

/** The entry of a track inside the film. */
export function insideEntry(track: SubtitleTrack): Entry {
  const made = growing(track);
  return {
    id: `inside/${track.id}`,
    language: track.language,
    title: track.title,
    name: undefined,
    forced: track.forced,
    isDefault: track.isDefault,
    origin: "inside",
    state: made ? "idle" : "unsupported",
    trouble: made ? undefined : t("subtitlesKind"),
    inside: { track, growing: made },
  };
}

/** The entry of a subtitle file. What `title` and `language` lack is taken from its path. */
export function fileEntry(
  id: string,
  origin: "beside" | "own",
  path: string,
  { language, title }: Partial<BesideFile>,
): Entry {
  const facts = factsOfName(path);
  const name = path.slice(path.lastIndexOf("/") + 1);
  return {
    id,
    language: language ?? facts.language,
    title: title ?? facts.title,
    name,
    forced: facts.forced,
    isDefault: false,
    origin,
    state: "idle",
    trouble: undefined,
  };
}

/** The tracks for a menu, each with a unique name. */
export function options(entries: readonly Entry[], ui: string): SubtitleOption[] {
  const used = new Map<string, number>();
  return entries.map(
    ({ id, language, title, name, forced, isDefault, origin, state, trouble }, index) => {
      const base = languageName(language, ui);
      const words = [base, title].filter((word) => word !== undefined && word.trim() !== "");
      // A title often begins with the language.
      if (base && title?.toLowerCase().includes(base.toLowerCase())) words.shift();
      let label = words.join(" · ") || name || t("subtitlesTrack", index + 1);
      if (forced && !label.toLowerCase().includes(t("subtitlesForced")))
        label += ` (${t("subtitlesForced")})`;
      const count = (used.get(label) ?? 0) + 1;
      used.set(label, count);
      if (count > 1) label += ` ${count}`;
      return { id, label, language, title, forced, isDefault, origin, state, trouble };
    },
  );
}
