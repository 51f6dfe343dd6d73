// Code shared by dialogs.

/**
 * Closes the dialog when the user presses outside of it, or calls `close` instead. A press on the
 * dialog's padding does not count.
 */
export function closeByPressBeside(dialog: HTMLDialogElement, close = () => dialog.close()): void {
  dialog.addEventListener("mousedown", (event) => {
    // Presses on the backdrop have the dialog as their target.
    if (event.target !== dialog) return;
    const { left, right, top, bottom } = dialog.getBoundingClientRect();
    const { clientX: x, clientY: y } = event;
    if (x < left || x > right || y < top || y > bottom) close();
  });
}
