// Coming back to the list: it is shown where it was left, with the focus where it was, as soon as
// what was open is there again.
//
// It tries for a while and gives up when a person does something else.

import type { VirtualLines } from "../ui/virtual_lines";
import { focusOn } from "./line_keys";
import type { ViewState } from "./view_state";

/** So long what was open is waited for, ms. */
const PATIENCE_MS = 2_000;

export class Returning {
  private until: number;

  /** How the list was left; `now` in ms. */
  constructor(
    private readonly left: Pick<ViewState, "place" | "focus">,
    now: number,
  ) {
    this.until = left.place || left.focus ? now + PATIENCE_MS : 0;
  }

  get isUnderWay(): boolean {
    return this.until > 0;
  }

  giveUp(): void {
    this.until = 0;
  }

  /** Goes there, if `isWhole` says that all is there, or nobody waits any longer. */
  go(virtual: VirtualLines, isWhole: () => boolean, now: number): void {
    if (!isWhole() && now < this.until) return;
    const { place, focus } = this.left;
    if (place) virtual.show(place.key, place.offset);
    const isFocused = !focus || document.activeElement !== document.body || focusOn(focus);
    if (isFocused || now >= this.until) this.giveUp();
  }
}
