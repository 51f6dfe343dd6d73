// Files held over the page and dropped on it, anywhere.
//
// Without this Chrome would leave the page and show the file that was dropped.

/** What is told of drags. */
export interface DropListener {
  /** Whether files are held over the page. */
  dragging(over: boolean): void;
  dropped(data: DataTransfer): void;
}

/** Watches the whole page. */
export function watchDrops(listener: DropListener): void {
  // Every element under the pointer enters and leaves; the page itself does when the count is back at zero.
  let depth = 0;
  addEventListener("dragenter", (event) => {
    event.preventDefault();
    depth += 1;
    if (depth === 1) listener.dragging(true);
  });
  addEventListener("dragover", (event) => {
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
  });
  addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (depth === 0) listener.dragging(false);
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    listener.dragging(false);
    if (event.dataTransfer) listener.dropped(event.dataTransfer);
  });
}

/** The files in what was dropped. */
export function filesOf(data: DataTransfer): File[] {
  return [...data.files];
}
