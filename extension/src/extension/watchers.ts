// Which pages are looking: each says so every two seconds, and one that stops is forgotten.

/** A page that has been silent for so long is gone. */
export const WATCH_MS = 5_000;
/** More pages than anybody opens; beyond it the longest silent one is forgotten. */
const MOST = 64;

/** The pages that are looking now. */
export class Watchers {
  private readonly seen = new Map<string, number>();

  /** A page says that it looks; true if it is new. */
  add(page: string, now: number): boolean {
    const fresh = !this.seen.delete(page);
    this.seen.set(page, now);
    if (this.seen.size > MOST) this.seen.delete(this.seen.keys().next().value!);
    return fresh;
  }

  /** A page says goodbye. */
  remove(page: string): void {
    this.seen.delete(page);
  }

  /** Whether anybody looks. */
  any(now: number): boolean {
    for (const [page, last] of this.seen) {
      if (now - last < WATCH_MS) return true;
      this.seen.delete(page);
    }
    return false;
  }
}
