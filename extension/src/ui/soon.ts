// Many changes, one rendering.

/** A function that calls `show` once, soon, however often it is called before that. */
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
