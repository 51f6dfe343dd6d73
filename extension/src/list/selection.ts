// The selected torrents: one by one, a range, or all, as in a file manager.
//
// Pure. Invariant: only torrents that are shown are selected; `keep` ensures it.

/** The selected torrents. */
export class Selection {
  private chosen = new Set<string>();
  /** Where a range begins. */
  private anchor: string | undefined;

  get size(): number {
    return this.chosen.size;
  }

  has(infoHash: string): boolean {
    return this.chosen.has(infoHash);
  }

  /** The selected torrents, in the order of the list. */
  of(shown: readonly string[]): string[] {
    return shown.filter((infoHash) => this.chosen.has(infoHash));
  }

  toggle(infoHash: string): void {
    if (!this.chosen.delete(infoHash)) this.chosen.add(infoHash);
    this.anchor = infoHash;
  }

  /** Selects the range from the last touched torrent to this one. */
  extend(shown: readonly string[], infoHash: string): void {
    const [from, to] = [shown.indexOf(this.anchor ?? infoHash), shown.indexOf(infoHash)];
    if (to < 0) return;
    const first = from < 0 ? to : from;
    for (const one of shown.slice(Math.min(first, to), Math.max(first, to) + 1))
      this.chosen.add(one);
    this.anchor ??= infoHash;
  }

  all(shown: readonly string[]): void {
    this.chosen = new Set(shown);
  }

  clear(): void {
    this.chosen.clear();
    this.anchor = undefined;
  }

  /** Deselects torrents that are no longer shown. */
  keep(shown: readonly string[]): void {
    if (this.chosen.size === 0) return;
    const there = new Set(shown);
    for (const infoHash of this.chosen) if (!there.has(infoHash)) this.chosen.delete(infoHash);
  }
}
