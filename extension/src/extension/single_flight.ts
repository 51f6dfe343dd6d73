// Shares one running call among all callers meanwhile.

/** Wraps a function so that calls made while one runs share its outcome. */
export function singleFlight<T>(call: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  return () => {
    running ??= call().finally(() => (running = undefined));
    return running;
  };
}
