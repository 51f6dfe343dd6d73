// Combines many changes into one rendering.

/** A function that schedules one call of `show`, however often it is called before that. */
export function soon(show: () => void): () => void {
  let scheduled = false;
  return () => {
    if (scheduled) return;
    scheduled = true;
    queueMicrotask(() => {
      scheduled = false;
      show();
    });
  };
}
