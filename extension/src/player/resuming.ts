// Lets the torrent of a film go on while somebody watches: once when the film is opened, and again
// and again while trouble holds it up.
//
// It asks the engine and looks at what the engine says; what becomes of the `<video>` is the
// source's business.

import type { Clock } from "../model/clock";
import type { FilmView } from "../model/generated/FilmView";
import type { WaitView } from "../model/generated/WaitView";
import type { Supply } from "./source";
import { isStopped, isWhole, supplyOf, waitOf } from "./status";

/** How often a torrent in trouble is tried again while somebody waits for it, ms: sooner than the engine does by itself. */
export const RESUME_MS = 15_000;

export class Resuming {
  /** What the film was last known to wait for, until bytes come. */
  private lastWait: WaitView | undefined;
  /** Whether the torrent was looked at when the film was opened. */
  private isLooked: boolean;
  private cancel: (() => void) | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly view: () => FilmView,
    /** Whether the film lacks bytes to go on. */
    private readonly isStarved: () => boolean,
    /** Asks the engine to let the torrent go on. */
    private readonly resume: () => void,
    /** Whether a person opened the film just now. A tab that the browser brought back did not press play. */
    isOpenedByHand: boolean,
  ) {
    this.isLooked = !isOpenedByHand;
  }

  /** Whether the bytes of the film come. */
  get supply(): Supply {
    const { torrent, file } = this.view();
    return supplyOf(torrent ?? undefined, file ?? undefined, this.lastWait);
  }

  /** The engine said something. */
  handleNews(): void {
    const { torrent, file, streams } = this.view();
    this.lastWait = waitOf(streams) ?? this.lastWait;
    if (torrent !== null && file !== null && !this.isLooked) {
      this.isLooked = true;
      // Who opens a film has pressed play.
      this.resumeIfStopped();
    }
    this.keepResuming();
  }

  /** Bytes of the film came. */
  handleBytes(): void {
    this.lastWait = undefined;
  }

  /** The torrent goes on if it is stopped. One that has the whole film may stay as it is. */
  resumeIfStopped(): void {
    const { torrent, file } = this.view();
    if (torrent && file && isStopped(torrent) && !isWhole(file)) this.resume();
  }

  /** While somebody waits for a torrent in trouble, it is tried again every few seconds. */
  keepResuming(): void {
    const { torrent, file } = this.view();
    if (torrent?.state !== "error" || file === null || isWhole(file) || !this.isStarved())
      return this.destroy();
    this.cancel ??= this.clock.after(RESUME_MS, () => {
      this.cancel = undefined;
      this.resume();
      this.keepResuming();
    });
  }

  destroy(): void {
    this.cancel?.();
    this.cancel = undefined;
  }
}
