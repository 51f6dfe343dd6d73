// Scrolls to lines and focuses them, as soon as they are in the list.
//
// After the page has opened, it restores the last scroll position. It stops when the user acts.

import type { VirtualLines } from "../ui/virtual_lines";
import { focusOn } from "./line_keys";
import type { Line } from "./lines";
import type { Returning } from "./returning";

/** What the lines depend on when they are scrolled or focused. */
export interface AttentionParts {
  virtual: VirtualLines;
  returning: Returning;
  /** Whether the page's layout is known, and the contents of open torrents. */
  isLaidOut(): boolean;
  isWhole(): boolean;
  /** Renders the page again. */
  update(): void;
}

/** The lines that wait to be scrolled to or focused. */
export class Attention {
  private scrollTarget: string | undefined;
  private focusTarget: string | undefined;

  constructor(private readonly parts: AttentionParts) {}

  /** Scrolls to a line as soon as it is in the list. */
  scrollTo(key: string): void {
    this.scrollTarget = key;
  }

  /** Focuses a line as soon as it is in the list, unless another element has the focus. */
  focus(key: string): void {
    this.focusTarget = key;
  }

  /** Stops automatic scrolling and focusing. To be called when the user acts. */
  stop(): void {
    this.parts.returning.giveUp();
    this.focusTarget = undefined;
  }

  /** To be called after these lines were rendered. `now` is in ms. */
  rendered(lines: readonly Line[], now: number): void {
    const { virtual, returning, isLaidOut, isWhole, update } = this.parts;
    if (this.scrollTarget !== undefined && lines.some(({ key }) => key === this.scrollTarget)) {
      virtual.show(this.scrollTarget);
      this.scrollTarget = undefined;
    }
    const due = lines.find(({ key }) => key === this.focusTarget);
    if (due && document.activeElement === document.body) {
      if (focusOn({ key: due.key, part: "toggle" })) this.focusTarget = undefined;
      else {
        virtual.focus(due.key);
        update();
      }
    }
    if (returning.isUnderWay && lines.length > 0 && isLaidOut())
      returning.go(virtual, isWhole, now);
  }
}
