// Which torrents open by themselves: one that was added alone does, as soon as it has files to
// show.
//
// A magnet link has none until its description comes. Invariant: what a person opened, closed or
// removed meanwhile is theirs, and no longer opens by itself.

import type { TorrentRow } from "../model/topics";

/** The torrents that wait for their files. */
export class Newcomers {
  private readonly waiting = new Set<string>();

  /** A torrent was added alone. */
  expect(infoHash: string): void {
    this.waiting.add(infoHash);
  }

  /** A person did something with it. */
  forget(infoHash: string): void {
    this.waiting.delete(infoHash);
  }

  /** Those that have their files by now; each is named once. */
  arrived(torrents: readonly TorrentRow[]): string[] {
    if (this.waiting.size === 0) return [];
    const hashes = torrents
      .filter((torrent) => torrent.fileCount > 0)
      .map((torrent) => torrent.infoHash);
    return hashes.filter((infoHash) => this.waiting.delete(infoHash));
  }
}
