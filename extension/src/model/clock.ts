// Time as a value: tests replace it, so that they need not wait.

/** A source of time and timers. */
export interface Clock {
  /** Milliseconds since a fixed moment. */
  now(): number;
  /** Calls back once after a delay. The returned function cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}

/** The system's clock and timers. */
export const realClock: Clock = {
  now: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** The delay of attempt `attempt` (from 0), in ms: doubles from `firstMs` up to `mostMs`. */
export function backoff(attempt: number, firstMs: number, mostMs: number): number {
  return Math.min(mostMs, firstMs * 2 ** Math.min(attempt, 30));
}
