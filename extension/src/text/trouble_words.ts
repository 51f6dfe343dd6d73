// Why a torrent stopped, in words.

import type { TorrentView } from "../model/generated/TorrentView";
import { t } from "./messages";
import { engineWords } from "./sentence_words";

/** Why the torrent stopped and what helps. `undefined` if it did not. */
export function troubleWords(
  torrent: Pick<TorrentView, "trouble" | "message" | "says">,
): string | undefined {
  return torrent.trouble === null ? undefined : engineWords(torrent) || t("trouble_unknown");
}
