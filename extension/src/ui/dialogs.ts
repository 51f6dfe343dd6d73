// What dialogs have in common.

/** Has a press beside the dialog close it, as Escape does, or do something else. A press on its own padding is none. */
export function closeByPressBeside(dialog: HTMLDialogElement, close = () => dialog.close()): void {
  dialog.addEventListener("mousedown", (event) => {
    // Its backdrop is the dialog itself to events.
    if (event.target !== dialog) return;
    const { left, right, top, bottom } = dialog.getBoundingClientRect();
    const { clientX: x, clientY: y } = event;
    if (x < left || x > right || y < top || y > bottom) close();
  });
}
