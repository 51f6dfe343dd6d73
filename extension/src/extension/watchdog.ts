// Keeps one worker alive: starts it, replaces it when it dies or makes no progress.
//
// That a worker died is said by its owner, at once; a worker that lives is silent while it is busy,
// and is killed only after a time in which even a slow machine makes progress. It knows nothing of
// what the worker does. Invariant: there is at most one worker; the former one is terminated before
// the next one starts.

import type { Clock } from "../model/clock";
import { backoff } from "../model/clock";

/** The part of a `Worker` that a watchdog needs. */
export interface Mortal {
  terminate(): void;
}

/** A worker that lives and shows no progress for so long hangs. Its longest turn is some hundredths of this on a fast machine. */
export const STUCK_MS = 60_000;
/** A timer that rings so much too late says that the computer slept. */
const ASLEEP_MS = 2_500;
/** A worker that lived this long owes nothing to its predecessors' failures. */
export const SETTLED_MS = 30_000;
const FIRST_DELAY_MS = 200;
const MOST_DELAY_MS = 10_000;

/** Watches over one worker after another. */
export class Watchdog<W extends Mortal> {
  /** The worker that runs now. */
  worker: W | undefined;
  private failures = 0;
  private startedAt = 0;
  private cancelTimer: () => void = () => {};

  constructor(
    private readonly clock: Clock,
    private readonly spawn: () => W,
  ) {}

  /** Starts the first worker. */
  start(): void {
    this.worker = this.spawn();
    this.startedAt = this.clock.now();
    this.expectProgress();
  }

  /** A sign of progress; one from a worker that was replaced is ignored. */
  handleProgress(from: W): void {
    if (from === this.worker) this.expectProgress();
  }

  /** The worker broke or died: replace it after a pause that grows while failures follow each other. */
  handleFailure(from: W): void {
    if (from !== this.worker) return;
    this.cancelTimer();
    this.worker.terminate();
    this.worker = undefined;
    if (this.clock.now() - this.startedAt >= SETTLED_MS) this.failures = 0;
    const delayMs = backoff(this.failures, FIRST_DELAY_MS, MOST_DELAY_MS);
    this.failures += 1;
    this.cancelTimer = this.clock.after(delayMs, () => this.start());
  }

  private expectProgress(): void {
    const watched = this.worker;
    const due = this.clock.now() + STUCK_MS;
    this.cancelTimer();
    this.cancelTimer = this.clock.after(STUCK_MS, () => {
      // Everything stood still, not only the worker.
      if (this.clock.now() - due >= ASLEEP_MS) this.expectProgress();
      else if (watched) this.handleFailure(watched);
    });
  }
}
