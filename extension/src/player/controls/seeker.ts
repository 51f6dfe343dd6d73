// Seek requests: clamps them, adds up relative ones, and limits their rate.
//
// Until the element has arrived at a requested time, relative requests start from that time.
// Otherwise three quick presses of an arrow key would move one step instead of three.

import type { Clock } from "../../model/clock";

/** Shortest time between two requests, in ms. A held key repeats faster. */
const BETWEEN_MS = 200;
/** The element has arrived when it is this close, in seconds: it may land on a key frame. */
const NEAR_S = 1.5;
/** A request that the element has not followed after this time is dropped, in ms. */
const PATIENCE_MS = 15_000;

/** What a seeker reads and requests. */
export interface SeekerPort {
  /** The element's current time in seconds. */
  position(): number;
  /** The film's length in seconds. Not finite while unknown. */
  duration(): number;
  seek(toS: number): void;
  /** Called when the requested time has changed. */
  changed(): void;
}

/** Sends seek requests to the session. */
export class Seeker {
  private requested: number | undefined;
  private unsent = false;
  private resting: (() => void) | undefined;
  private waiting: (() => void) | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly port: SeekerPort,
  ) {}

  /** The requested time in seconds, until the element has arrived there. */
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

  /** To be called when the element has moved. */
  handleMove(): void {
    if (
      this.requested === undefined ||
      this.unsent ||
      Math.abs(this.port.position() - this.requested) > NEAR_S
    )
      return;
    this.forget();
  }

  /** Drops the request when another film is opened. */
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
