// When pages are told what changed: soon after something did, but finding that out takes at most a
// tenth of the time.
//
// It knows nothing of what is told. Invariant: while anybody looks, a sign of life goes out about
// every second, however dear the news are.

import type { Clock } from "../model/clock";

/** How often pages are told of what changes all the time, such as rates, ms. */
export const PACE_MS = 500;
/** The same while every page is in the background, ms. */
export const HIDDEN_PACE_MS = 2_000;
/** The same while no page is there, but somebody wants to know of certain changes, ms. It is told of changes alone. */
export const UNWATCHED_PACE_MS = 1_000;
/** Changes that come in a bunch are told as one, ms. */
export const BUNCH_MS = 30;
/** Pages that heard nothing for so long hear that the engine lives, ms. */
export const ALIVE_MS = 1_000;
/** After news that took a second to find out, the next ones wait for so many seconds. */
const REST = 10;
/** The same when a page has nothing to show yet, or a person just did something. */
const SHORT_REST = 1;

/** Who looks: no one, no page but somebody who waits for a certain change, pages in the background, a page in front. */
export type Audience = "nobody" | "waiting" | "hidden" | "looking";

/** What a publisher acts through. */
export interface PublisherActions {
  /** Who looks. */
  audience(): Audience;
  /** Finds out what is new, and tells every page. */
  tell(): void;
  /** Tells every page that the engine lives. */
  live(): void;
}

/** Decides when to tell. */
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

  /** Something changed. */
  changed(): void {
    this.tellWithin(this.actions.audience() === "waiting" ? UNWATCHED_PACE_MS : BUNCH_MS, REST);
  }

  /** Somebody waits: a page that lacks something whole, a person who just did something. */
  wanted(): void {
    this.tellWithin(0, SHORT_REST);
  }

  /** Looks whether a sign of life is due; to be called about twice a second. */
  beat(): void {
    if (this.clock.now() - this.spokeAt >= ALIVE_MS && this.actions.audience() !== "nobody")
      this.live();
  }

  /** Says that the engine lives, and how its link is. */
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
    if (this.actions.audience() === "nobody") return;
    const began = this.clock.now();
    try {
      this.actions.tell();
    } finally {
      this.endedAt = this.spokeAt = this.clock.now();
      this.tookMs = this.endedAt - began;
      const audience = this.actions.audience();
      if (audience !== "waiting")
        this.tellWithin(audience === "looking" ? PACE_MS : HIDDEN_PACE_MS, REST);
    }
  }
}
