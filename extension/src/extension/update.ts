// When an update that Chrome has ready is put in place: at a moment at which nobody notices.
//
// The offscreen document never ends by itself, so Chrome would wait for its own restart. Invariant:
// nothing is restarted while any page is open or anybody is sent a file; then a person is asked, on
// the list.

import type { Clock } from "../model/clock";

/** So long nothing may have been sent to anybody, ms. A player that reads by parts is silent for seconds at a time. */
export const QUIET_MS = 60_000;
/** How often that is looked at, ms. Looking is dear. */
export const LOOK_MS = 20_000;

/** What an update acts through. */
export interface UpdateActions {
  /** Whether any page is open. */
  hasPages(): boolean;
  /** Whether anybody is sent something right now. */
  isServing(): boolean;
  /** Starts the extension anew. */
  restart(): void;
}

/** Waits for the moment. */
export class Update {
  /** Whether there is one. */
  isReady = false;
  private quietSince: number | undefined;
  private lookedAt = -Infinity;

  constructor(
    private readonly clock: Clock,
    private readonly actions: UpdateActions,
  ) {}

  /** Looks whether this is the moment; to be called about twice a second. */
  beat(): void {
    const now = this.clock.now();
    if (!this.isReady || now - this.lookedAt < LOOK_MS) return;
    this.lookedAt = now;
    if (this.actions.hasPages() || this.actions.isServing()) this.quietSince = undefined;
    else this.quietSince ??= now;
    if (this.quietSince !== undefined && now - this.quietSince >= QUIET_MS) this.actions.restart();
  }
}
