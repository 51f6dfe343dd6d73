// Finds magnet links that have had no peer for a long time and may be dead.
//
// Times are in milliseconds. Invariant: removed torrents are forgotten.

import type { TorrentRow } from "../model/topics";

/** After how long without a peer a link may be dead. */
export const LONELY_MS = 30_000;

/** Watches magnet links that have no peer. */
export class Lonely {
  /** When each link lost its last peer, or was first seen. */
  private since = new Map<string, number>();

  /** Takes the current torrents. */
  look(torrents: readonly TorrentRow[], now: number): void {
    const alone = torrents.filter(({ state, peers }) => state === "metadata" && peers === 0);
    this.since = new Map(alone.map(({ infoHash }) => [infoHash, this.since.get(infoHash) ?? now]));
  }

  has(infoHash: string, now: number): boolean {
    const since = this.since.get(infoHash);
    return since !== undefined && now - since >= LONELY_MS;
  }

  /** Time from `now` until the next link counts as lonely, in ms. `undefined` if none will. */
  nextChange(now: number): number | undefined {
    const waits = [...this.since.values()]
      .map((since) => since + LONELY_MS - now)
      .filter((wait) => wait > 0);
    return waits.length > 0 ? Math.min(...waits) : undefined;
  }
}
