// What stopped a torrent, in words.

import type { TorrentView } from "../model/generated/TorrentView";
import { t } from "./messages";
import { saidWords } from "./sentence_words";

/** What stopped it and what helps; nothing when nothing did. */
export function troubleWords(
  torrent: Pick<TorrentView, "trouble" | "message" | "says">,
): string | undefined {
  return torrent.trouble === null ? undefined : saidWords(torrent) || t("trouble_unknown");
}
