// Closing a dialog by a press outside of it.

import { expect, test } from "vitest";
import { closeByPressBeside } from "../src/ui/dialogs";

/** Whether a press at a place closes a dialog that covers (100, 100) to (300, 200). */
function closes(clientX: number, clientY: number): boolean {
  const dialog = Object.assign(new EventTarget(), {
    closed: false,
    getBoundingClientRect: () => ({ left: 100, right: 300, top: 100, bottom: 200 }),
    close: () => (dialog.closed = true),
  });
  closeByPressBeside(dialog as unknown as HTMLDialogElement);
  const event = Object.assign(new Event("mousedown"), { clientX, clientY });
  dialog.dispatchEvent(event);
  return dialog.closed;
}

test("a press outside of a dialog closes it, a press on its padding does not", () => {
  expect(closes(99, 150)).toBe(true);
  expect(closes(150, 201)).toBe(true);
  expect(closes(101, 101)).toBe(false);
});
