// Which torrents are selected, as in a list of files: one by one, from one to another, all.
//
// Pure. Invariant: only torrents that are shown are selected; `keep` sees to that.

export class Selection {
  private chosen = new Set<string>();
  /** From where a range begins. */
  private anchor: string | undefined;

  get size(): number {
    return this.chosen.size;
  }

  has(infoHash: string): boolean {
    return this.chosen.has(infoHash);
  }

  /** Those that are selected, in the order of the list. */
  of(shown: readonly string[]): string[] {
    return shown.filter((infoHash) => this.chosen.has(infoHash));
  }

  toggle(infoHash: string): void {
    if (!this.chosen.delete(infoHash)) this.chosen.add(infoHash);
    this.anchor = infoHash;
  }

  /** Selects all from the one that was touched last to this one. */
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

  /** What is not shown any more is not selected either. */
  keep(shown: readonly string[]): void {
    if (this.chosen.size === 0) return;
    const there = new Set(shown);
    for (const infoHash of this.chosen) if (!there.has(infoHash)) this.chosen.delete(infoHash);
  }
}
