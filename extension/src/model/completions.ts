// Which torrents have just become complete: what a person who waits for them wants to hear of.
//
// Invariant: each is named once, and only if something of it came while this looked. What was
// complete before, or is found complete when it is hashed, is nothing new.

import type { TorrentRow } from "./topics";

/** Watches torrents become complete. */
export class Completions {
  /** Those that lacked something when they were seen last. */
  private readonly lacking = new Set<string>();
  private readonly named = new Set<string>();

  /** Takes torrents as they are now, all of them or those that changed; those that have just become complete. */
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
