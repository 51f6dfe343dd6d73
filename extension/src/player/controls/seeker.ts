// Requests for places in the film: clamps them, adds up relative ones, and limits how many reach
// the session.
//
// Until the element has arrived at a requested place, that place is where the next relative request
// starts and what the bar shows; otherwise three quick presses of an arrow key would go one step
// instead of three.

import type { Clock } from "../../model/clock";

/** The shortest time between two requests; a key that is held down repeats faster. */
const BETWEEN_MS = 200;
/** The element has arrived when it is this close: it may land on a key frame. */
const NEAR_S = 1.5;
/** A request that the element has not followed by then is forgotten. */
const PATIENCE_MS = 15_000;

export interface SeekerPort {
  /** Where the element is, seconds. */
  position(): number;
  /** Length of the film, seconds; not finite while unknown. */
  duration(): number;
  seek(toS: number): void;
  /** The requested place changed. */
  changed(): void;
}

export class Seeker {
  private requested: number | undefined;
  private unsent = false;
  private resting: (() => void) | undefined;
  private waiting: (() => void) | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly port: SeekerPort,
  ) {}

  /** The requested place, seconds, until the element has arrived there. */
  get target(): number | undefined {
    return this.requested;
  }

  to(seconds: number): void {
    const duration = this.port.duration();
    const target = Math.max(0, Number.isFinite(duration) ? Math.min(seconds, duration) : seconds);
    if (!Number.isFinite(target)) return;
    this.requested = target;
    this.waiting?.();
    this.waiting = this.clock.after(PATIENCE_MS, () => this.forget());
    if (this.resting) this.unsent = true;
    else this.send();
    this.port.changed();
  }

  by(seconds: number): void {
    this.to((this.requested ?? this.port.position()) + seconds);
  }

  /** The element moved. */
  handleMove(): void {
    if (
      this.requested === undefined ||
      this.unsent ||
      Math.abs(this.port.position() - this.requested) > NEAR_S
    )
      return;
    this.forget();
  }

  /** Drops what is requested: it belonged to another film. */
  forget(): void {
    this.waiting?.();
    this.waiting = undefined;
    this.unsent = false;
    if (this.requested === undefined) return;
    this.requested = undefined;
    this.port.changed();
  }

  destroy(): void {
    this.forget();
    this.resting?.();
  }

  private send(): void {
    this.unsent = false;
    this.resting = this.clock.after(BETWEEN_MS, () => {
      this.resting = undefined;
      if (this.unsent) this.send();
    });
    if (this.requested !== undefined) this.port.seek(this.requested);
  }
}
