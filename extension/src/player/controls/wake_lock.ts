// Keeps the screen on while a film plays.
//
// The browser releases the lock when the page is hidden, so it is requested again when the page
// returns. Invariant: after `want(false)` or `destroy` no lock remains, not even from a pending
// request.

/** The part of a `WakeLockSentinel` that is used. */
export interface Lock {
  readonly released: boolean;
  release(): Promise<void>;
}

/** The part of `navigator.wakeLock` that is used. */
export interface LockSource {
  request(type: "screen"): Promise<Lock>;
}

/** Holds a wake lock while it is wanted. */
export class WakeLock {
  private wanted = false;
  private lock: Lock | undefined;
  private requesting = false;

  /**
   * `source` is undefined where the browser has none. `isVisible` tells whether the page is
   * visible.
   */
  constructor(
    private readonly source: LockSource | undefined,
    private readonly isVisible: () => boolean,
  ) {}

  want(wanted: boolean): void {
    this.wanted = wanted;
    void this.settle();
  }

  /** To be called when the page was shown or hidden. */
  handleVisibility(): void {
    void this.settle();
  }

  destroy(): void {
    this.want(false);
  }

  private async settle(): Promise<void> {
    if (this.requesting) return;
    if (!this.wanted) {
      const { lock } = this;
      this.lock = undefined;
      await lock?.release().catch(() => {});
      return;
    }
    if (!this.source || !this.isVisible() || (this.lock && !this.lock.released)) return;
    this.requesting = true;
    // A low battery or a policy may refuse: then the screen turns off as usual.
    this.lock = await this.source.request("screen").catch(() => undefined);
    this.requesting = false;
    if (!this.wanted) await this.settle();
  }
}
