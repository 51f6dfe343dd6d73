// What stopped a torrent, in words.

import type { TorrentView } from "../model/generated/TorrentView";
import { language, t } from "./messages";

/** Kinds of which the engine's own words tell more: which file, or what the disk said. */
const WITH_DETAIL: ReadonlySet<TorrentView["trouble"]> = new Set([
  "read_only",
  "folder_missing",
  "bad_name",
  "disk_error",
  "not_deleted",
  "not_described",
  "other",
]);

/** What stopped it and what helps; nothing when nothing did. In English the engine's own words, which say all there is to say. */
export function troubleWords({
  trouble,
  message,
}: Pick<TorrentView, "trouble" | "message">): string | undefined {
  if (trouble === null) return undefined;
  if (message !== null && language() === "en") return message;
  const words = t(`trouble_${trouble === "other" ? "unknown" : trouble}`);
  return message !== null && WITH_DETAIL.has(trouble) ? `${words} (${message})` : words;
}
