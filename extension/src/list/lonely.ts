// Which magnet links have found nobody for long, and may be dead.
//
// Time comes in as milliseconds. Invariant: a torrent that is gone is forgotten.

import type { TorrentRow } from "../model/topics";

/** A link without a peer for so long may be dead. */
export const LONELY_MS = 30_000;

export class Lonely {
  /** Since when each link has been without peers. */
  private since = new Map<string, number>();

  /** Looks at all torrents. */
  look(torrents: readonly TorrentRow[], now: number): void {
    const alone = torrents.filter(({ state, peers }) => state === "metadata" && peers === 0);
    this.since = new Map(alone.map(({ infoHash }) => [infoHash, this.since.get(infoHash) ?? now]));
  }

  has(infoHash: string, now: number): boolean {
    const since = this.since.get(infoHash);
    return since !== undefined && now - since >= LONELY_MS;
  }

  /** When the next link will count as lonely although no news come, ms from `now`. */
  nextChange(now: number): number | undefined {
    const waits = [...this.since.values()]
      .map((since) => since + LONELY_MS - now)
      .filter((wait) => wait > 0);
    return waits.length > 0 ? Math.min(...waits) : undefined;
  }
}
