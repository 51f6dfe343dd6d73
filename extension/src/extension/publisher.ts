// Decides when pages get updates.
//
// Updates follow soon after a change, but computing them takes at most a tenth of the time.
// Invariant: while a page is open, it gets a sign of life about every second, however long updates
// take.

import type { Clock } from "../model/clock";

/** Interval of updates for constant changes such as rates, in ms. */
export const PACE_MS = 500;
/** The same while every page is in the background, in ms. */
export const HIDDEN_PACE_MS = 2_000;
/** The same while no page is open but something waits for a change, in ms. */
export const UNWATCHED_PACE_MS = 1_000;
/** Changes within this time are sent together, in ms. */
export const BUNCH_MS = 30;
/** Pages that got nothing for this time get a sign of life, in ms. */
export const ALIVE_MS = 1_000;
/** Pause after an update, as a multiple of the time that computing it took. */
const REST = 10;
/** The same multiple when a page has nothing to show yet, or a user just acted. */
const SHORT_REST = 1;

/**
 * What needs updates: nothing, a notification that waits for a change, pages in the background, or
 * a visible page.
 */
export type Audience = "none" | "waiting" | "hidden" | "visible";

/** What a publisher needs from its owner. */
export interface PublisherActions {
  /** What needs updates now. */
  audience(): Audience;
  /** Computes the updates and sends them to every page. */
  tell(): void;
  /** Sends every page a sign of life. */
  live(): void;
}

/** Decides when to send updates. */
export class Publisher {
  private due = Infinity;
  private endedAt = -Infinity;
  private tookMs = 0;
  private spokeAt = -Infinity;
  private cancel: () => void = () => {};

  constructor(
    private readonly clock: Clock,
    private readonly actions: PublisherActions,
  ) {}

  /** To be called when something has changed. */
  changed(): void {
    this.tellWithin(this.actions.audience() === "waiting" ? UNWATCHED_PACE_MS : BUNCH_MS, REST);
  }

  /** To be called when a page needs a whole topic, or a user just acted. */
  wanted(): void {
    this.tellWithin(0, SHORT_REST);
  }

  /** Sends a sign of life if it is due. To be called about twice a second. */
  beat(): void {
    if (this.clock.now() - this.spokeAt >= ALIVE_MS && this.actions.audience() !== "none")
      this.live();
  }

  /** Sends a sign of life with the state of the link. */
  live(): void {
    this.spokeAt = this.clock.now();
    this.actions.live();
  }

  private tellWithin(delayMs: number, rest: number): void {
    const due = Math.max(this.clock.now() + delayMs, this.endedAt + this.tookMs * rest);
    if (this.due <= due) return;
    this.cancel();
    this.due = due;
    this.cancel = this.clock.after(due - this.clock.now(), () => this.tell());
  }

  private tell(): void {
    this.due = Infinity;
    if (this.actions.audience() === "none") return;
    const began = this.clock.now();
    try {
      this.actions.tell();
    } finally {
      this.endedAt = this.spokeAt = this.clock.now();
      this.tookMs = this.endedAt - began;
      const audience = this.actions.audience();
      if (audience !== "waiting")
        this.tellWithin(audience === "visible" ? PACE_MS : HIDDEN_PACE_MS, REST);
    }
  }
}
