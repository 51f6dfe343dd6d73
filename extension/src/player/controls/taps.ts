// Taps on the picture: one toggles the controls, two at a side skip ten seconds, each further one
// ten more.
//
// The first tap acts at once: waiting for a second one would make every tap feel slow.

import type { Clock } from "../../model/clock";

const DOUBLE_MS = 300;
/** Longest time between further taps of a series, in ms. */
const SERIES_MS = 700;
const SIDE_SHARE = 0.35;

/** What taps do. */
export interface TapsPort {
  single(): void;
  /** -1 is the left side, 1 the right one. */
  skip(side: -1 | 1): void;
}

/** Distinguishes single taps from series. */
export class Taps {
  private lastAt = -Infinity;
  private lastSide: -1 | 0 | 1 = 0;
  private inSeries = false;

  constructor(
    private readonly clock: Clock,
    private readonly port: TapsPort,
  ) {}

  /** Handles a tap. `share` is its place across the width, 0–1. */
  tap(share: number): void {
    const side = share < SIDE_SHARE ? -1 : share > 1 - SIDE_SHARE ? 1 : 0;
    const now = this.clock.now();
    const continues =
      side === this.lastSide && now - this.lastAt <= (this.inSeries ? SERIES_MS : DOUBLE_MS);
    this.lastAt = now;
    this.lastSide = side;
    this.inSeries = continues && side !== 0;
    if (continues && side !== 0) this.port.skip(side);
    else this.port.single();
  }
}
