// Decides which new torrents open by themselves: one added alone, once it has files.
//
// A magnet link has no files until its metadata arrives. Invariant: a torrent that the user
// opened, closed or removed no longer opens by itself.

import type { TorrentRow } from "../model/topics";

/** Torrents that will open when their files are known. */
export class Newcomers {
  private readonly waiting = new Set<string>();

  /** Records that a torrent was added alone. */
  expect(infoHash: string): void {
    this.waiting.add(infoHash);
  }

  /** Records that the user has opened, closed or removed the torrent. */
  forget(infoHash: string): void {
    this.waiting.delete(infoHash);
  }

  /** The torrents whose files became known. Each is returned once. */
  arrived(torrents: readonly TorrentRow[]): string[] {
    if (this.waiting.size === 0) return [];
    const hashes = torrents
      .filter((torrent) => torrent.fileCount > 0)
      .map((torrent) => torrent.infoHash);
    return hashes.filter((infoHash) => this.waiting.delete(infoHash));
  }
}
