// Keeps one worker alive: starts it, and replaces it when it dies or hangs.
//
// The owner reports a death at once. A busy worker is silent, so it is replaced only after a time
// in which even a slow machine makes progress. Invariant: at most one worker exists; it is
// terminated before the next one starts.

import type { Clock } from "../model/clock";
import { backoff } from "../model/clock";

/** The part of a `Worker` that a watchdog needs. */
export interface Mortal {
  terminate(): void;
}

/**
 * A worker without progress for this time hangs, in ms. Its longest turn takes a few hundredths of
 * this on a fast machine.
 */
export const STUCK_MS = 60_000;
/** A timer that is late by this much means that the computer slept, in ms. */
const ASLEEP_MS = 2_500;
/** After this lifetime, in ms, failures of earlier workers no longer delay a replacement. */
export const SETTLED_MS = 30_000;
const FIRST_DELAY_MS = 200;
const MOST_DELAY_MS = 10_000;

/** Watches one worker after another. */
export class Watchdog<W extends Mortal> {
  /** The current worker. */
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

  /** Records progress. Progress of a replaced worker is ignored. */
  handleProgress(from: W): void {
    if (from === this.worker) this.expectProgress();
  }

  /** Replaces a worker that failed or died, after a pause that grows with each failure in a row. */
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
      // The whole computer stood still, not only the worker.
      if (this.clock.now() - due >= ASLEEP_MS) this.expectProgress();
      else if (watched) this.handleFailure(watched);
    });
  }
}
