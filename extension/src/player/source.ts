// Keeps a file open in a `<video>` through interruptions.
//
// It knows addresses, times, errors and the supply of bytes, not torrents. When the address
// changes, or the media fails for a temporary reason, it opens the file again at the same place and
// plays on. A `<video>` that only lacks bytes resumes by itself and is left alone. Invariant: while
// bytes may be missing, the film is not blamed for a failure.

import type { Clock } from "../model/clock";
import { backoff } from "../model/clock";
import { t } from "../text/messages";
import type { Trouble } from "./failure";
import { classify, damagedPlace } from "./failure";

/** The part of a `<video>` that is used. */
export interface Media {
  src: string;
  currentTime: number;
  readonly duration: number;
  readonly paused: boolean;
  readonly readyState: number;
  readonly error: { readonly code: number } | null;
  /** Sets a new address of the same file. Returns whether the media continues without reopening. */
  moved?(url: string): boolean;
  /** Opens the file at `src`. `atS` is where the next seek will go, in seconds. */
  load(atS: number): void;
  play(): Promise<void>;
}

/**
 * Whether the needed bytes arrive. `scarce`: perhaps later, such as without peers. `stopped`: they
 * won't arrive until the torrent is resumed.
 */
export type Supply = "flowing" | "scarce" | "stopped";

const FIRST_DELAY_MS = 300;
const MOST_DELAY_MS = 5_000;
/** Most failed attempts in a row while the daemon is connected. */
export const MOST_FAILURES = 8;
/** Most attempts when the file, or this place of it, may be unplayable. */
export const MOST_DOUBTS = 2;
/** After playing this long, in seconds, a failure is forgotten. */
const OVERCOME_S = 2;

/** One file in one `<video>`. */
export class Source {
  /** Trouble that stopped the attempts. */
  trouble: Trouble | undefined;
  /** Whether the file is being opened again after an interruption. */
  recovering = false;
  private url: string | undefined;
  private online = false;
  private supply: Supply = "flowing";
  private failed = false;
  private failures = 0;
  private shown = false;
  private playing = true;
  private at = 0;
  private failedAt = 0;
  /** Whether the trouble can't be due to missing bytes. */
  private isSure = false;
  private cancelTimer: () => void = () => {};

  constructor(
    private readonly media: Media,
    private readonly clock: Clock,
    private readonly path: () => string,
    private readonly changed: () => void,
  ) {}

  /** The current time, or where the film will begin, in seconds. */
  get place(): number {
    return this.at;
  }

  /** Whether the media failed and shows nothing until it is opened again. */
  get hasFailed(): boolean {
    return this.failed;
  }

  /** Sets where to begin, in seconds, before anything is open. */
  startAt(seconds: number): void {
    this.at = seconds;
  }

  /** Sets the file's address. `undefined` while the daemon is not connected. */
  setUrl(url: string | undefined): void {
    const back = url !== undefined && !this.online;
    this.online = url !== undefined;
    if (url === undefined) return;
    if (url !== this.url) {
      const isOpen = this.url !== undefined && !this.failed;
      this.recovering = this.url !== undefined;
      this.url = url;
      if (isOpen && this.media.moved?.(url)) this.recovering = false;
      else this.open();
    } else if (back && this.failed) {
      this.open();
    }
  }

  /** Sets whether bytes arrive. A file that failed without them is opened again when they do. */
  setSupply(supply: Supply): void {
    const { supply: before } = this;
    if (supply === before) return;
    this.supply = supply;
    if (!this.failed || this.isSure) return;
    if (supply === "stopped") {
      this.wait();
      this.changed();
    } else if (before === "stopped") {
      this.reload();
    }
  }

  /** Opens the file again at the user's request. */
  reload(): void {
    this.failures = 0;
    this.trouble = undefined;
    if (this.url !== undefined) this.open();
    this.changed();
  }

  /** Stops opening files. */
  close(): void {
    this.url = undefined;
    this.online = false;
    this.cancelTimer();
  }

  /** Seeks to a time in seconds. Opens the file there if the media can't seek now. */
  seek(toS: number): void {
    if (this.failed || this.media.readyState === 0) this.at = toS;
    if (this.trouble !== undefined || (this.failed && this.online)) this.reload();
  }

  /** The media knows its duration: seek to the former place. */
  handleMetadata(): void {
    if (this.at > 0 && this.at < this.media.duration) this.media.currentTime = this.at;
  }

  /** The media moved by playing or seeking. */
  handleMove(): void {
    if (this.failed || this.media.readyState === 0) return;
    this.at = this.media.currentTime;
    if (this.shown && Math.abs(this.at - this.failedAt) > OVERCOME_S) this.failures = 0;
  }

  /** The media shows a frame. */
  handleShown(): void {
    this.shown = true;
    this.recovering = false;
  }

  /** The user, or the page, started or paused. Pauses of a failing media don't count. */
  handleWish(playing: boolean): void {
    if (!this.failed && this.media.readyState > 0) this.playing = playing;
  }

  /** The media failed. */
  handleError(): void {
    const { error } = this.media;
    if (!error) return;
    const failure = classify(error.code, this.path(), this.shown);
    switch (failure.kind) {
      case "final":
        return this.fail({ words: failure.words, isHere: false }, 0);
      case "doubtful":
        return this.fail({ words: failure.words, isHere: false }, MOST_DOUBTS);
      case "damaged":
        return this.fail(damagedPlace(), MOST_DOUBTS);
      case "interrupted":
        return this.fail(
          this.shown ? damagedPlace() : { words: t("playerCantLoad"), isHere: false },
          MOST_FAILURES,
        );
    }
  }

  /**
   * The engine that feeds the media can't continue. `isHere`: the film is damaged at this place.
   */
  handleFailure(words: string, isFinal: boolean, isHere = false): void {
    const trouble = isHere && this.shown ? damagedPlace() : { words, isHere: false };
    this.fail(trouble, isFinal ? 0 : MOST_FAILURES, isFinal);
  }

  /** Records trouble after `attempts` failed attempts. */
  private fail(trouble: Trouble, attempts: number, isSure = false): void {
    this.failed = true;
    this.failedAt = this.at;
    this.isSure = isSure;
    this.cancelTimer();
    if (isSure) this.trouble = trouble;
    else if (this.supply === "stopped") this.wait();
    else if (
      this.supply === "flowing" &&
      this.failures >= attempts &&
      (this.online || attempts === 0)
    )
      this.trouble = trouble;
    else if (this.online) this.tryAgain();
    if (this.trouble !== undefined) this.recovering = false;
    this.changed();
  }

  /** Waits until bytes may arrive, without blaming the film. */
  private wait(): void {
    this.cancelTimer();
    this.recovering = false;
    this.trouble = undefined;
  }

  private tryAgain(): void {
    this.recovering = true;
    this.cancelTimer = this.clock.after(
      backoff(this.failures, FIRST_DELAY_MS, MOST_DELAY_MS),
      () => {
        if (this.online) this.open();
      },
    );
    this.failures += 1;
  }

  private open(): void {
    if (this.url === undefined) return;
    this.cancelTimer();
    this.failed = this.isSure = false;
    this.trouble = undefined;
    const play = this.playing;
    this.media.src = this.url;
    this.media.load(this.at);
    this.playing = play;
    // If the browser forbids autoplay, the page asks for a click.
    if (play) this.media.play().catch(() => {});
  }
}
