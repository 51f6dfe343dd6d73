// Whether the controls are shown: for three seconds after activity, and as long as anything holds
// them.

import type { Clock } from "../../model/clock";

const IDLE_MS = 3_000;

/** Reasons to stay: the film is not playing, a menu is open, the bar is dragged, the keyboard's focus is here. */
export type Hold = "paused" | "menu" | "drag" | "focus";

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

  /** The person moved the pointer, tapped or pressed a key: shows the controls for a while. */
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

  /** Keeps the controls for a reason, or no longer; then they stay for three more seconds. */
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
