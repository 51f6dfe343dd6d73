// Keeps a `<video>` on its file through everything that interrupts it.
//
// It knows addresses, times, errors and whether bytes come, not torrents. When the address changes,
// because the daemon came back elsewhere, or the media fails for a passing reason, the file is
// opened again at the same place, and plays on if it was playing. While there is no address it
// waits: a `<video>` that merely lacks bytes resumes by itself, so it is left alone. Invariant:
// while bytes may be missing, a failure is never put down to the film.

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
  /** The same file is at another address: whether it goes on from there by itself. */
  moved?(url: string): boolean;
  /** Opens what `src` names; `atS` is where it will be sent to, seconds. */
  load(atS: number): void;
  play(): Promise<void>;
}

/**
 * Whether the bytes that the film needs come. `scarce`: perhaps later, as when there are no peers. `stopped`: what is missing does not come until the
 * supply is another one.
 */
export type Supply = "flowing" | "scarce" | "stopped";

const FIRST_DELAY_MS = 300;
const MOST_DELAY_MS = 5_000;
/** So many attempts in a row, with the daemon there, are made before giving up. */
export const MOST_FAILURES = 8;
/** So many where it is doubtful that the file, or this place of it, can be played at all. */
export const MOST_DOUBTS = 2;
/** A film that went on for so long after a failure has overcome it, seconds. */
const OVERCOME_S = 2;

/** One file in one `<video>`. */
export class Source {
  /** Final trouble. */
  trouble: Trouble | undefined;
  /** The file is being opened again after an interruption. */
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
  /** The trouble is not for want of bytes. */
  private isSure = false;
  private cancelTimer: () => void = () => {};

  constructor(
    private readonly media: Media,
    private readonly clock: Clock,
    private readonly path: () => string,
    private readonly changed: () => void,
  ) {}

  /** Where the film is, or where it begins once it is open, seconds. */
  get place(): number {
    return this.at;
  }

  /** Whether the media failed and shows nothing until it is opened again. */
  get hasFailed(): boolean {
    return this.failed;
  }

  /** Where to begin, seconds, before anything is open. */
  startAt(seconds: number): void {
    this.at = seconds;
  }

  /** The file's address now; `undefined` while there is no daemon. */
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

  /** Whether bytes come. What failed for want of them is opened again once they do. */
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

  /** Opens the file again, as a person asks. */
  reload(): void {
    this.failures = 0;
    this.trouble = undefined;
    if (this.url !== undefined) this.open();
    this.changed();
  }

  /** Opens nothing any more. */
  close(): void {
    this.url = undefined;
    this.online = false;
    this.cancelTimer();
  }

  /** A person goes to a place, seconds. Where there is nothing to be sent there, the film is opened at it. */
  seek(toS: number): void {
    if (this.failed || this.media.readyState === 0) this.at = toS;
    if (this.trouble !== undefined || (this.failed && this.online)) this.reload();
  }

  /** The media knows its duration: go to where it was. */
  handleMetadata(): void {
    if (this.at > 0 && this.at < this.media.duration) this.media.currentTime = this.at;
  }

  /** The media moved, by playing or by a seek. */
  handleMove(): void {
    if (this.failed || this.media.readyState === 0) return;
    this.at = this.media.currentTime;
    if (this.shown && Math.abs(this.at - this.failedAt) > OVERCOME_S) this.failures = 0;
  }

  /** The media shows something. */
  handleShown(): void {
    this.shown = true;
    this.recovering = false;
  }

  /** A person, or the page, said play or pause; what a failing media does by itself does not count. */
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

  /** Whoever feeds the media says that it can't go on. `isHere`: the film itself is damaged at this place. */
  handleFailure(words: string, isFinal: boolean, isHere = false): void {
    const trouble = isHere && this.shown ? damagedPlace() : { words, isHere: false };
    this.fail(trouble, isFinal ? 0 : MOST_FAILURES, isFinal);
  }

  /** After so many attempts there is trouble. */
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

  /** Nothing is tried, and nothing is said of the film, until bytes may come again. */
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
    // Whether a browser lets a page play unasked is the page's business, which asks when it can
    // play.
    if (play) this.media.play().catch(() => {});
  }
}
