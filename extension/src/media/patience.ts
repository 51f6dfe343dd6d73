// How long the daemon is asked again for what it does not give.
//
// While the engine is replaced, the daemon answers as if there were no such film, until the new
// engine has announced its files. So what its answers mean depends on whether the page finds engine
// and daemon connected, and since when.

/** How long a film that the connected daemon does not have is asked for, ms: a new engine reads its records first. */
export const GONE_MS = 15_000;
/** The same where it does not answer, or is busy. */
export const UNREACHABLE_MS = 60_000;
/** Nobody is waited for longer, ms. */
const MOST_MS = 30 * 60_000;

export class Patience {
  private connected = true;
  private since = -Infinity;

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** The page finds engine and daemon connected, or not. */
  tell(connected: boolean): void {
    if (connected === this.connected) return;
    this.connected = connected;
    this.since = this.now();
  }

  /** Whether to ask again, `limitMs` after the first refusal (at `from`) or after the connection came back, whichever is later. */
  lasts(from: number, limitMs: number): boolean {
    const now = this.now();
    if (now - from > MOST_MS) return false;
    return !this.connected || now - Math.max(from, this.since) <= limitMs;
  }
}
