// Restores the scroll position and focus when the user returns to the list.
//
// It waits until the torrents that were open are loaded, and gives up when the user acts.

import type { VirtualLines } from "../ui/virtual_lines";
import { focusOn } from "./line_keys";
import type { ViewState } from "./view_state";

/** Longest wait for the open torrents, in ms. */
const PATIENCE_MS = 2_000;

/** Restores the list once, after the page has opened. */
export class Returning {
  private until: number;

  /** `left` is the stored state of the list; `now` is in ms. */
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

  /** Scrolls to the old position if `isWhole` returns true or the wait is over. */
  go(virtual: VirtualLines, isWhole: () => boolean, now: number): void {
    if (!isWhole() && now < this.until) return;
    const { place, focus } = this.left;
    if (place) virtual.show(place.key, place.offset);
    const isFocused = !focus || document.activeElement !== document.body || focusOn(focus);
    if (isFocused || now >= this.until) this.giveUp();
  }
}
