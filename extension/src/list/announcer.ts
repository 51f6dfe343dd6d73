// Announcements for screen readers: a torrent completed, or stopped and why.
//
// Rates and progress change all the time and are not announced. Invariant: the state of torrents at
// the first look is not announced.

import type { TorrentRow } from "../model/topics";
import { t } from "../text/messages";
import { engineWords } from "../text/sentence_words";
import { troubleWords } from "../text/trouble_words";

/** Finds changes of torrents that are worth an announcement. */
export class Announcer {
  private reasons: Map<string, string> | undefined;

  /** The next announcement. `undefined` when nothing notable has changed. */
  look(torrents: readonly TorrentRow[]): string | undefined {
    const before = this.reasons;
    this.reasons = new Map(torrents.map((torrent) => [torrent.infoHash, reason(torrent)]));
    if (!before) return undefined;
    const news = torrents.filter(
      ({ infoHash }) =>
        before.has(infoHash) && this.reasons!.get(infoHash) !== before.get(infoHash),
    );
    const words = news.map(announcement).filter(Boolean);
    return words.length > 0 ? words.join(" ") : undefined;
  }
}

function reason({ state, trouble, message }: TorrentRow): string {
  return state === "error" ? `error ${trouble} ${message}` : state;
}

function announcement(torrent: TorrentRow): string {
  const { name, state } = torrent;
  if (state === "complete") return t("listNowComplete", name);
  return state === "error"
    ? t("listNowStopped", name, troubleWords(torrent) ?? engineWords(torrent))
    : "";
}
