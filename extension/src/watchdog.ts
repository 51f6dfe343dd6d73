// Keeps one worker alive: starts it, listens for its heartbeat, replaces it when it dies or falls silent.
//
// It knows nothing of what the worker does. Invariant: there is at most one worker; the former one is terminated before
// the next one starts.

import type { Clock } from "./clock";
import { backoff } from "./clock";

/** The part of a `Worker` that a watchdog needs. */
export interface Mortal {
  terminate(): void;
}

/** A worker whose last sign of life is this old is replaced. */
export const SILENCE_MS = 2_500;
/** The first may take longer: a worker has to be loaded. */
export const BIRTH_MS = 5_000;
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
    this.expectLife(BIRTH_MS);
  }

  /** A sign of life; one from a worker that was replaced is ignored. */
  handleHeartbeat(from: W): void {
    if (from === this.worker) this.expectLife();
  }

  /** The worker broke: replace it after a pause that grows while failures follow each other. */
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

  private expectLife(withinMs = SILENCE_MS): void {
    const watched = this.worker;
    const due = this.clock.now() + withinMs;
    this.cancelTimer();
    this.cancelTimer = this.clock.after(withinMs, () => {
      // A timer that rings this late says that everything stood still (the computer slept), not that the worker did.
      if (this.clock.now() - due >= SILENCE_MS) this.expectLife();
      else if (watched) this.handleFailure(watched);
    });
  }
}
