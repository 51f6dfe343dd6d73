// A clock that advances only when a test says so.

import type { Clock } from "../src/model/clock";

export class FakeClock implements Clock {
  private time = 0;
  private timers: { at: number; order: number; callback: () => void }[] = [];
  private order = 0;

  now(): number {
    return this.time;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { at: this.time + delayMs, order: this.order++, callback };
    this.timers.push(timer);
    return () => (this.timers = this.timers.filter((other) => other !== timer));
  }

  /** Advances time, runs the timers that are due, and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    await settle();
    for (;;) {
      const due = this.timers
        .filter((timer) => timer.at <= end)
        .sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (!due) break;
      this.time = Math.max(this.time, due.at);
      this.timers = this.timers.filter((other) => other !== due);
      due.callback();
      await settle();
    }
    this.time = Math.max(this.time, end);
  }

  /**
   * Advances time without running timers, as if the computer slept. They run with the next
   * `advance`.
   */
  stall(ms: number): void {
    this.time += ms;
  }

  /** The number of pending timers. */
  get pending(): number {
    return this.timers.length;
  }
}

/** Lets all promises settle. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}
