// Decides how long a request that the daemon refuses is repeated.
//
// While an engine starts, the daemon answers as if the film did not exist. So it matters whether
// the daemon is connected, and since when.

/**
 * How long to repeat requests for a film that the connected daemon lacks, in ms: a new engine reads
 * its records first.
 */
export const GONE_MS = 15_000;
/** The same if the daemon does not answer or is busy. */
export const UNREACHABLE_MS = 60_000;
/** Longest wait in any case, in ms. */
const MOST_MS = 30 * 60_000;

/** Whether the daemon is connected, and how long to repeat requests. */
export class Patience {
  private connected = true;
  private since = -Infinity;

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Sets whether the page finds the daemon connected. */
  tell(connected: boolean): void {
    if (connected === this.connected) return;
    this.connected = connected;
    this.since = this.now();
  }

  /**
   * Whether to ask again. The limit is `limitMs` after the first refusal (`from`) or after the
   * connection came back, whichever is later.
   */
  lasts(from: number, limitMs: number): boolean {
    const now = this.now();
    if (now - from > MOST_MS) return false;
    return !this.connected || now - Math.max(from, this.since) <= limitMs;
  }
}
