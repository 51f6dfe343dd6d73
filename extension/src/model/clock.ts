// Time as a value, so that what waits can be tested without waiting.

/** A source of time and of later. */
export interface Clock {
  /** Milliseconds since some fixed moment. */
  now(): number;
  /** Calls back once, later; the function returned calls it off. */
  after(delayMs: number, callback: () => void): () => void;
}

/** The real one. */
export const realClock: Clock = {
  now: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** The `attempt`th delay (from 0) of a back-off that doubles from `firstMs` and stays at `mostMs`. */
export function backoff(attempt: number, firstMs: number, mostMs: number): number {
  return Math.min(mostMs, firstMs * 2 ** Math.min(attempt, 30));
}
