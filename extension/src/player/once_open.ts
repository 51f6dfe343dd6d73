// Waits until a `<video>` has opened its film.

/** Calls back once the `<video>` has opened a film or failed. Not after the signal's abort. */
export function onceOpen(video: HTMLVideoElement, signal: AbortSignal, callback: () => void): void {
  const once = new AbortController();
  const either = AbortSignal.any([once.signal, signal]);
  const call = () => {
    once.abort();
    callback();
  };
  for (const type of ["loadeddata", "error"])
    video.addEventListener(type, call, { signal: either });
}
