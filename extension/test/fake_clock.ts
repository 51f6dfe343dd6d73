// A clock that stands still until a test moves it.

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

  /** Moves time, ringing what is due on the way and letting promises settle after each. */
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

  /** Moves time while nothing runs: timers that fell due ring late, with the next `advance`. */
  stall(ms: number): void {
    this.time += ms;
  }

  /** How many timers wait. */
  get pending(): number {
    return this.timers.length;
  }
}

/** Lets every promise that can settle do so. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}
