// Plays the output of the daemon's ffmpeg: fragmented MP4 from one place of the film.
//
// Invariant: at most one conversion runs, and its request ends before the next one's begins.
// Reading stops when enough is buffered, which makes ffmpeg wait.

import { Lane } from "./buffers";
import { Boxes, describe, type Described, span } from "./fragments";
import { joined } from "../model/bytes";
import type { Source } from "./playback";
import { GONE_MS, Patience, UNREACHABLE_MS } from "./patience";
import { pause, Trouble } from "./reader";

/** How much is buffered ahead of and behind the element, in seconds. */
export const AHEAD_S = 30;
const BEHIND_S = 20;
/** Most bytes in the buffer. */
const MOST_BYTES = 60 << 20;
/** A time counts as buffered if at least this much follows, in seconds. */
const ENOUGH_S = 0.1;
/**
 * A time this close after the buffered end is waited for, in seconds: a new ffmpeg would not be
 * faster.
 */
const SOON_S = 2;
/** Conversions begin this much before the wanted time, in seconds, to include it. */
const BEFORE_S = 0.1;
/**
 * Conversions begin at least this much before the film's end, in seconds: ffmpeg needs some input.
 */
const LAST_S = 1;
/** Seeks within this time are combined, in ms. */
const DEBOUNCE_MS = 250;
/** How long a busy daemon is asked again, in ms. */
const BUSY_MS = 30_000;
const FIRST_DELAY_MS = 300;
const MOST_DELAY_MS = 3_000;
/** Most interrupted streams in a row without new data. */
const MOST_BREAKS = 4;
/**
 * A stream that ends this much before the film was interrupted, in seconds. ffmpeg can't tell the
 * end of its input from an interruption.
 */
const EARLY_S = 5;
/** Longest text of the daemon in characters. */
const MOST_WORDS = 500;

/** What to convert. */
export interface Order {
  /** Time in the film, in seconds. */
  start: number;
  video: "copy" | "h264";
  /** Index of the sound track, from 0. */
  audio: number;
}

/** The address of a film's conversion. */
export function convertUrl(stream: string, { start, video, audio }: Order): string {
  const url = new URL(stream);
  url.pathname = url.pathname.replace(/^\/stream\//, "/convert/");
  // Conversions are not split into parts.
  url.searchParams.delete("part");
  url.searchParams.set("start", String(Math.round(start * 1000) / 1000));
  url.searchParams.set("video", video);
  url.searchParams.set("audio", String(audio));
  return url.href;
}

/** What a conversion reports to its owner. */
export interface ConversionListener {
  /**
   * `began`: a run starts at a time. `came`: it has converted up to a time, `Infinity` at the
   * film's end. In seconds.
   */
  began(at: number): void;
  came(to: number): void;
  begins(at: number): void;
  duration(seconds: number): void;
  waiting(waiting: boolean): void;
  trouble(error: unknown): void;
}

/** The part of `fetch` that is used. */
export type ConvertFetch = (
  url: string,
  init: { signal: AbortSignal; cache: RequestCache },
) => Promise<Response>;

/** A temporary failure: the daemon is away or busy, or a stream was interrupted. */
class Passing extends Error {
  constructor(
    /** The trouble to report if the failure stays. */
    readonly trouble: Trouble,
    readonly waitMs = 0,
  ) {
    super(trouble.message);
  }
}

class EndedEarly extends Passing {}

/** Plays one film through conversions by ffmpeg. */
export class Conversion {
  /** Bytes received, and the most bytes buffered at one time. */
  fetched = 0;
  peak = 0;
  requests = 0;
  private lane: Lane | undefined;
  private type = "";
  private position = 0;
  /** How far the run has come, and where it began, in seconds. */
  private frontier = 0;
  private from = 0;
  private run = 0;
  private abort = new AbortController();
  private chain: Promise<void> = Promise.resolve();
  private cancelTimer: () => void = () => {};
  private restartedAt = -Infinity;
  private ended = false;
  private wake: () => void = () => {};

  constructor(
    private readonly media: Source,
    /** The film's current address. */
    private readonly url: () => string,
    private readonly film: { duration: number | undefined; origin: number; video: Order["video"] },
    private audio: number,
    private readonly listener: ConversionListener,
    private readonly fetcher: ConvertFetch = (url, init) => fetch(url, init),
    private readonly sleep: (ms: number, signal: AbortSignal) => Promise<void> = pause,
    private readonly now: () => number = () => performance.now(),
    private readonly patience = new Patience(now),
  ) {}

  get appended(): number {
    return this.lane?.appended ?? 0;
  }

  /** Starts at a time in seconds. The source must be open. */
  start(at: number): void {
    if (this.film.duration !== undefined) this.media.duration = this.film.duration;
    this.position = at;
    this.restart();
  }

  /** The element is at `at` seconds now. */
  moved(at: number): void {
    this.position = at;
    this.wake();
  }

  seek(at: number): void {
    this.position = at;
    const covered = (this.lane?.coveredTo(at) ?? at) > at + ENOUGH_S;
    const soon = !this.ended && at >= this.from && at <= this.frontier + SOON_S;
    this.cancelTimer();
    if (covered || soon) return this.wake();
    // The current run is for another place and no longer useful.
    this.stop();
    const close = this.now() - this.restartedAt < DEBOUNCE_MS * 2;
    if (!close) return this.restart();
    const timer = setTimeout(() => this.restart(), DEBOUNCE_MS);
    this.cancelTimer = () => clearTimeout(timer);
  }

  /** Plays another sound track from here on. */
  selectAudio(audio: number): void {
    if (audio === this.audio) return;
    this.audio = audio;
    this.restart();
  }

  /** Sets the film's length in seconds. Some containers reveal it late. */
  async lasts(seconds: number): Promise<void> {
    this.film.duration = seconds;
    const set = async (): Promise<void> => {
      if (this.media.readyState !== "open" || this.ended) return;
      this.media.duration = Math.max(seconds, this.frontier);
      this.listener.duration(this.media.duration);
    };
    await (this.lane ? this.lane.exclusive(set) : set());
  }

  close(): void {
    this.cancelTimer();
    this.stop();
  }

  /** Aborts the current request. */
  private stop(): number {
    this.run += 1;
    this.abort.abort();
    this.wake();
    return this.run;
  }

  private restart(): void {
    this.cancelTimer();
    const run = this.stop();
    this.abort = new AbortController();
    this.restartedAt = this.now();
    this.from = this.frontier = this.position;
    this.ended = false;
    this.listener.began(this.position);
    // An append that waits for space must not block the removal that makes space.
    this.lane?.discard();
    this.chain = this.chain.then(async () => {
      if (run !== this.run) return;
      try {
        await this.lane?.clear();
        await this.play(run);
      } catch (error) {
        if (run === this.run) this.listener.trouble(error);
      }
    });
  }

  /** Reads streams until the film ends. Each one continues where the one before was interrupted. */
  private async play(run: number): Promise<void> {
    let breaks = 0;
    let endedEarly = false;
    let delay = FIRST_DELAY_MS;
    let since = this.now();
    for (;;) {
      const before = this.frontier;
      try {
        await this.stream(run);
        if (run !== this.run) return;
        const { duration } = this.film;
        if (duration !== undefined && this.frontier < duration - EARLY_S)
          throw new EndedEarly(new Trouble("broken", "the conversion ended early"));
        return void (await this.end(run));
      } catch (error) {
        if (run !== this.run) return;
        // ffmpeg fails for a start after the film's end.
        if (endedEarly && error instanceof Trouble && error.kind === "converter")
          return void (await this.end(run));
        if (!(error instanceof Passing)) throw error;
        endedEarly = error instanceof EndedEarly;
        const { kind } = error.trouble;
        if (this.frontier > before) [breaks, delay, since] = [0, FIRST_DELAY_MS, this.now()];
        else breaks += kind === "broken" ? 1 : 0;
        // A film may be shorter than it claims.
        if (error instanceof EndedEarly && breaks > 1) return void (await this.end(run));
        const limit = kind === "gone" ? GONE_MS : kind === "busy" ? BUSY_MS : UNREACHABLE_MS;
        if (breaks > MOST_BREAKS || !this.patience.lasts(since, limit)) throw error.trouble;
        this.listener.waiting(true);
        await this.sleep(Math.max(delay, error.waitMs), this.abort.signal).catch(() => {});
        delay = Math.min(delay * 2, MOST_DELAY_MS);
        if (run !== this.run) return;
      }
    }
  }

  private async stream(run: number): Promise<void> {
    const { signal } = this.abort;
    const { duration = Infinity, video } = this.film;
    const start = Math.max(0, Math.min(this.frontier - BEFORE_S, duration - LAST_S));
    this.requests += 1;
    const reply = await this.fetcher(convertUrl(this.url(), { start, video, audio: this.audio }), {
      signal,
      cache: "no-store",
    }).catch(() => {
      throw new Passing(new Trouble("unreachable", "no answer from the daemon"));
    });
    if (!reply.ok || !reply.body) throw await refusal(reply);
    const body = reply.body.getReader();
    try {
      await this.take(run, body);
    } finally {
      void body.cancel().catch(() => {});
    }
  }

  private async take(run: number, body: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    const boxes = new Boxes();
    let head: Uint8Array[] = [];
    let described: Described | undefined;
    while (await this.room(run)) {
      const { done, value } = await body.read().catch(() => {
        throw new Passing(new Trouble("broken", "the conversion was interrupted"));
      });
      if (run !== this.run || done) return;
      this.fetched += value.length;
      this.listener.waiting(false);
      for (const { type, bytes } of boxes.push(value)) {
        if (type === "moov") {
          described = describe(bytes);
          await this.describe(described.type, joined([...head, bytes]));
          head = [];
        } else if (type === "mdat") {
          const moof = head.find((box) => String.fromCharCode(...box.subarray(4, 8)) === "moof");
          if (moof && described) await this.append(joined([...head, bytes]), moof, described);
          head = [];
        } else if (type !== "mfra") head.push(bytes);
        if (run !== this.run) return;
      }
    }
  }

  private async describe(type: string, init: Uint8Array<ArrayBuffer>): Promise<void> {
    if (!this.lane) {
      const buffer = this.media.addSourceBuffer(type);
      if (this.film.origin !== 0) buffer.timestampOffset = -this.film.origin;
      this.lane = new Lane(buffer, () => this.position, BEHIND_S);
    } else if (type !== this.type) await this.lane.changeType(type);
    this.type = type;
    await this.lane.append(init);
  }

  private async append(
    bytes: Uint8Array<ArrayBuffer>,
    moof: Uint8Array,
    described: Described,
  ): Promise<void> {
    const times = span(moof, described);
    if (!times || !this.lane) return;
    const { origin } = this.film;
    const isFirst = this.frontier === this.from;
    await this.lane.append(bytes, {
      start: times.start - origin,
      end: times.end - origin,
      key: times.key === undefined ? undefined : times.key - origin,
    });
    this.frontier = Math.max(this.frontier, times.end - origin);
    this.listener.came(this.frontier);
    this.peak = Math.max(this.peak, this.lane.bytes);
    // If the first picture is later than the wanted time, the element would wait forever.
    const { starts } = this.lane;
    if (isFirst && starts !== undefined && starts > this.from + 0.01 && starts < this.frontier)
      this.listener.begins(starts);
  }

  private async end(run: number): Promise<void> {
    await this.lane?.idle();
    if (run !== this.run) return;
    this.ended = true;
    this.listener.came(Infinity);
    if (this.media.readyState !== "open") return;
    this.media.endOfStream();
    this.listener.duration(this.media.duration);
  }

  /** Waits until more is needed. Returns false when this run is over. */
  private async room(run: number): Promise<boolean> {
    while (run === this.run) {
      const bytes = this.lane?.bytes ?? 0;
      const enough = this.frontier >= this.position + AHEAD_S;
      const full = bytes >= MOST_BYTES && this.frontier > this.position + 2;
      if (!enough && !full) return true;
      await this.lane?.evict();
      if (!enough && (this.lane?.bytes ?? 0) < MOST_BYTES) continue;
      if (run === this.run) await new Promise<void>((resolve) => (this.wake = resolve));
    }
    return false;
  }
}

/** The error for a failed response. Its body, if any, is a sentence for the user. */
async function refusal(reply: Response): Promise<Error> {
  const words = (await reply.text().catch(() => "")).trim().slice(0, MOST_WORDS);
  if (reply.status === 503 || reply.status === 504 || reply.status === 429)
    return new Passing(
      new Trouble("busy", words),
      Math.min(Number(reply.headers.get("Retry-After")) || 0, 10) * 1000,
    );
  if (reply.status === 403 || reply.status === 404 || reply.status === 410)
    return new Passing(new Trouble("gone", words));
  return new Trouble("converter", words);
}
