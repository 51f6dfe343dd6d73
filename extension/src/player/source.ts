// Keeps a `<video>` on its file through everything that interrupts it.
//
// It knows addresses, times and errors, not torrents. When the address changes, because the daemon came back elsewhere,
// or the media fails for a passing reason, the file is opened again at the same place, and plays on if it was playing.
// While there is no address it waits: a `<video>` that merely lacks bytes resumes by itself, so it is left alone.

import type { Clock } from "../model/clock";
import { backoff } from "../model/clock";
import { classify, givenUp } from "./failure";

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

const FIRST_DELAY_MS = 300;
const MOST_DELAY_MS = 5_000;
/** So many attempts in a row, with the daemon there, are made before giving up. */
export const MOST_FAILURES = 8;
/** So many where it is doubtful that the file can be played at all. */
export const MOST_DOUBTS = 2;
/** A film that went on for so long after a failure has overcome it, seconds. */
const OVERCOME_S = 2;

/** One file in one `<video>`. */
export class Source {
  /** Final trouble, in words. */
  trouble: string | undefined;
  /** The file is being opened again after an interruption. */
  recovering = false;
  private url: string | undefined;
  private online = false;
  private failed = false;
  private failures = 0;
  private shown = false;
  private playing = true;
  private place = 0;
  private failedAt = 0;
  private cancelTimer: () => void = () => {};

  constructor(
    private readonly media: Media,
    private readonly clock: Clock,
    private readonly path: () => string,
    private readonly changed: () => void,
  ) {}

  /** Where to begin, seconds, before anything is open. */
  startAt(seconds: number): void {
    this.place = seconds;
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
    if (this.failed || this.media.readyState === 0) this.place = toS;
    if (this.trouble !== undefined || (this.failed && this.online)) this.reload();
  }

  /** The media knows its duration: go to where it was. */
  handleMetadata(): void {
    if (this.place > 0 && this.place < this.media.duration) this.media.currentTime = this.place;
  }

  /** The media moved, by playing or by a seek. */
  handleMove(): void {
    if (this.failed || this.media.readyState === 0) return;
    this.place = this.media.currentTime;
    if (this.shown && Math.abs(this.place - this.failedAt) > OVERCOME_S) this.failures = 0;
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
    this.failed = true;
    this.failedAt = this.place;
    const failure = classify(error.code, this.path(), this.shown);
    if (failure.kind === "final") this.trouble = failure.words;
    else if (this.online && failure.kind === "doubtful") this.tryAgain(MOST_DOUBTS, failure.words);
    else if (this.online) this.tryAgain(MOST_FAILURES, givenUp());
    this.changed();
  }

  /** Whoever feeds the media says that it can't go on. */
  handleFailure(words: string, isFinal: boolean): void {
    this.failed = true;
    this.failedAt = this.place;
    this.cancelTimer();
    if (isFinal) this.trouble = words;
    else if (this.online) this.tryAgain(MOST_FAILURES, words);
    this.changed();
  }

  private tryAgain(most: number, words: string): void {
    if (this.failures >= most) {
      this.trouble = words;
      return;
    }
    this.recovering = true;
    this.cancelTimer();
    this.cancelTimer = this.clock.after(backoff(this.failures, FIRST_DELAY_MS, MOST_DELAY_MS), () => {
      if (this.online) this.open();
    });
    this.failures += 1;
  }

  private open(): void {
    if (this.url === undefined) return;
    this.cancelTimer();
    this.failed = false;
    this.trouble = undefined;
    const play = this.playing;
    this.media.src = this.url;
    this.media.load(this.place);
    this.playing = play;
    // Whether a browser lets a page play unasked is the page's business, which asks when it can play.
    if (play) this.media.play().catch(() => {});
  }
}
