// Detects torrents that have just become complete, for notifications.
//
// Invariant: each is reported once, and only if some of it was downloaded meanwhile. A torrent that
// was complete before, or is found complete by a check, is not reported.

import type { TorrentRow } from "./topics";

/** Watches torrents become complete. */
export class Completions {
  /** Torrents that were incomplete when they were last seen. */
  private readonly lacking = new Set<string>();
  private readonly named = new Set<string>();

  /** Takes all torrents, or those that changed. Returns those that became complete. */
  take<T extends Pick<TorrentRow, "infoHash" | "state" | "downloaded">>(
    torrents: readonly T[],
  ): T[] {
    return torrents.filter(({ infoHash, state, downloaded }) => {
      if (state === "downloading" || state === "metadata") this.lacking.add(infoHash);
      if (
        state !== "complete" ||
        !this.lacking.delete(infoHash) ||
        downloaded === 0 ||
        this.named.has(infoHash)
      )
        return false;
      this.named.add(infoHash);
      return true;
    });
  }
}
