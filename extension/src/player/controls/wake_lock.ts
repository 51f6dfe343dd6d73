// Keeps the screen awake while a film plays.
//
// The browser releases the lock whenever the page is hidden, so it is requested again when the page
// returns. Invariant: after `want(false)` or `destroy` no lock stays, also not one whose request
// was still under way.

/** The part of a `WakeLockSentinel` that is used. */
export interface Lock {
  readonly released: boolean;
  release(): Promise<void>;
}

/** The part of `navigator.wakeLock` that is used. */
export interface LockSource {
  request(type: "screen"): Promise<Lock>;
}

export class WakeLock {
  private wanted = false;
  private lock: Lock | undefined;
  private requesting = false;

  /** `source` is undefined where the browser has none; `isVisible` says whether the page is. */
  constructor(
    private readonly source: LockSource | undefined,
    private readonly isVisible: () => boolean,
  ) {}

  want(wanted: boolean): void {
    this.wanted = wanted;
    void this.settle();
  }

  /** The page was shown or hidden. */
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
    // A battery that is low, or a policy, may refuse: then the screen goes dark as it would anyway.
    this.lock = await this.source.request("screen").catch(() => undefined);
    this.requesting = false;
    if (!this.wanted) await this.settle();
  }
}
