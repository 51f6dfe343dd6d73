// Decides when a waiting update is installed: at a moment when it disturbs nobody.
//
// The offscreen document never ends by itself, so Chrome would wait for its own restart. Invariant:
// no restart while a page is open or a file is being sent; then the list page asks the user.

import type { Clock } from "../model/clock";

/**
 * How long no file may have been sent before a restart, in ms. A player that reads in parts is
 * silent for seconds.
 */
export const QUIET_MS = 60_000;
/** How often this is checked, in ms. The check is expensive. */
export const LOOK_MS = 20_000;

/** What an update needs from its owner. */
export interface UpdateActions {
  /** Whether any page is open. */
  hasPages(): boolean;
  /** Whether the daemon is sending a file now. */
  isServing(): boolean;
  /** Restarts the extension. */
  restart(): void;
}

/** Waits for the moment. */
export class Update {
  /** Whether an update is ready. */
  isReady = false;
  private quietSince: number | undefined;
  private lookedAt = -Infinity;

  constructor(
    private readonly clock: Clock,
    private readonly actions: UpdateActions,
  ) {}

  /** Checks whether to restart now. To be called about twice a second. */
  beat(): void {
    const now = this.clock.now();
    if (!this.isReady || now - this.lookedAt < LOOK_MS) return;
    this.lookedAt = now;
    if (this.actions.hasPages() || this.actions.isServing()) this.quietSince = undefined;
    else this.quietSince ??= now;
    if (this.quietSince !== undefined && now - this.quietSince >= QUIET_MS) this.actions.restart();
  }
}
