// Resumes a film's torrent while somebody watches: when the film is opened, and repeatedly while
// trouble stops it.
//
// It reads the engine's state and sends intents. The source keeps the `<video>` open.

import type { Clock } from "../model/clock";
import type { FilmView } from "../model/generated/FilmView";
import type { WaitView } from "../model/generated/WaitView";
import type { Supply } from "./source";
import { isStopped, isWhole, supplyOf, waitOf } from "./status";

/**
 * How often a stopped torrent is resumed while somebody waits, in ms. The engine itself retries
 * less often.
 */
const RESUME_MS = 15_000;

/** Resumes the torrent of one film. */
export class Resuming {
  /** What the film last waited for. Cleared when bytes arrive. */
  private lastWait: WaitView | undefined;
  /** Whether the torrent was checked since the film was opened. */
  private isLooked: boolean;
  private cancel: (() => void) | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly view: () => FilmView,
    /** Whether the film lacks bytes to continue. */
    private readonly isStarved: () => boolean,
    /** Sends the intent that resumes the torrent. */
    private readonly resume: () => void,
    /**
     * Whether a user just opened the film. If the browser restored the tab, nobody pressed play.
     */
    isOpenedByHand: boolean,
  ) {
    this.isLooked = !isOpenedByHand;
  }

  /** Whether the film's bytes are arriving. */
  get supply(): Supply {
    const { torrent, file } = this.view();
    return supplyOf(torrent ?? undefined, file ?? undefined, this.lastWait);
  }

  /** To be called when the engine's state has changed. */
  handleNews(): void {
    const { torrent, file, streams } = this.view();
    this.lastWait = waitOf(streams) ?? this.lastWait;
    if (torrent !== null && file !== null && !this.isLooked) {
      this.isLooked = true;
      // Opening a film counts as pressing play.
      this.resumeIfStopped();
    }
    this.keepResuming();
  }

  /** To be called when bytes of the film arrive. */
  handleBytes(): void {
    this.lastWait = undefined;
  }

  /** Resumes the torrent if it is stopped, unless the whole film is there. */
  resumeIfStopped(): void {
    const { torrent, file } = this.view();
    if (torrent && file && isStopped(torrent) && !isWhole(file)) this.resume();
  }

  /** Resumes a torrent in trouble every few seconds while somebody waits. */
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
