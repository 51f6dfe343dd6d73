// What dialogs have in common.

/** Has a press beside the dialog close it, as Escape does. A press on its own padding is none. */
export function closeByPressBeside(dialog: HTMLDialogElement): void {
  dialog.addEventListener("mousedown", (event) => {
    // Its backdrop is the dialog itself to events.
    if (event.target !== dialog) return;
    const { left, right, top, bottom } = dialog.getBoundingClientRect();
    const { clientX: x, clientY: y } = event;
    if (x < left || x > right || y < top || y > bottom) dialog.close();
  });
}
