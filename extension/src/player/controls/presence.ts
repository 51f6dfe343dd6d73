// Decides when the controls are visible: three seconds after input, and while anything holds them.

import type { Clock } from "../../model/clock";

const IDLE_MS = 3_000;

/**
 * Reasons to stay visible: the film does not play, a menu is open, the seek bar is dragged, or a
 * control has the keyboard's focus.
 */
export type Hold = "paused" | "menu" | "drag" | "focus";

/** Whether the controls are visible. */
export class Presence {
  private readonly holds = new Set<Hold>();
  private timer: (() => void) | undefined;
  private active = false;
  private last = true;

  constructor(
    private readonly clock: Clock,
    private readonly changed: (shown: boolean) => void,
  ) {
    this.wake();
  }

  get shown(): boolean {
    return this.active || this.holds.size > 0;
  }

  /** Shows the controls for a while, after any input. */
  wake(): void {
    this.timer?.();
    this.active = true;
    this.timer = this.clock.after(IDLE_MS, () => this.rest());
    this.tell();
  }

  /** Hides the controls now, unless something holds them. */
  rest(): void {
    this.timer?.();
    this.timer = undefined;
    this.active = false;
    this.tell();
  }

  /** Adds or removes a reason to stay visible. After the last one, they stay for three seconds. */
  hold(reason: Hold, isHeld: boolean): void {
    if (isHeld === this.holds.has(reason)) return;
    if (isHeld) this.holds.add(reason);
    else this.holds.delete(reason);
    if (isHeld) this.tell();
    else this.wake();
  }

  destroy(): void {
    this.timer?.();
  }

  private tell(): void {
    if (this.shown === this.last) return;
    this.last = this.shown;
    this.changed(this.shown);
  }
}
