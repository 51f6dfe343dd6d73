// Plays what the daemon's ffmpeg makes of a film into a MediaSource: one stream of fragmented MP4
// from one place of the film.
//
// Invariants: at most one conversion runs for it, and the former one's request is ended before the
// next one's begins. It reads no further than is worth it: ffmpeg rests while nobody takes what it
// makes.

import { Lane } from "./buffers";
import { Boxes, describe, type Described, span } from "./fragments";
import { joined } from "./fmp4";
import type { Source } from "./playback";
import { GONE_MS, Patience, UNREACHABLE_MS } from "./patience";
import { pause, Trouble } from "./reader";

/** How far ahead of the element is read, and how much behind it is kept, seconds. */
export const AHEAD_S = 30;
const BEHIND_S = 20;
/** The most bytes in the buffer. */
export const MOST_BYTES = 60 << 20;
/** A place counts as buffered when at least this much follows it, seconds. */
const ENOUGH_S = 0.1;
/** A place this much beyond what has come is waited for: a new ffmpeg would not be there sooner, seconds. */
const SOON_S = 2;
/** It begins this much before the wanted place, seconds, so that the place itself is covered. */
const BEFORE_S = 0.1;
/** A film is not asked for from a later place than this before its end, seconds: ffmpeg makes nothing of nothing. */
const LAST_S = 1;
/** Seeks that follow each other this closely wait for the last of them, ms. */
const DEBOUNCE_MS = 250;
/** How long a daemon that is busy with other films is asked again, ms. */
const BUSY_MS = 30_000;
const FIRST_DELAY_MS = 300;
const MOST_DELAY_MS = 3_000;
/** So many streams may break off one after the other without anything new. */
const MOST_BREAKS = 4;
/** What ends this much before the film does has broken off: ffmpeg takes for its end whatever ends its input, seconds. */
const EARLY_S = 5;
/** No sentence of the daemon's is longer. */
const MOST_WORDS = 500;

/** What a conversion is asked for. */
export interface Order {
  /** Seconds of the film. */
  start: number;
  video: "copy" | "h264";
  /** Which of the film's sound tracks, counted from 0. */
  audio: number;
}

/** The address of a film's conversion, from that of the film. */
export function convertUrl(stream: string, { start, video, audio }: Order): string {
  const url = new URL(stream);
  url.pathname = url.pathname.replace(/^\/stream\//, "/convert/");
  // The daemon cuts no conversion into parts.
  url.searchParams.delete("part");
  url.searchParams.set("start", String(Math.round(start * 1000) / 1000));
  url.searchParams.set("video", video);
  url.searchParams.set("audio", String(audio));
  return url.href;
}

export interface ConversionListener {
  /** It begins anew at a place, and then comes so far, seconds; `Infinity` at the film's end. */
  began(at: number): void;
  came(to: number): void;
  begins(at: number): void;
  duration(seconds: number): void;
  waiting(waiting: boolean): void;
  trouble(error: unknown): void;
}

export type ConvertFetch = (
  url: string,
  init: { signal: AbortSignal; cache: RequestCache },
) => Promise<Response>;

/** Worth another attempt: the daemon is away or busy, or a stream broke off. */
class Passing extends Error {
  constructor(
    /** What it comes to when it does not pass. */
    readonly trouble: Trouble,
    readonly waitMs = 0,
  ) {
    super(trouble.message);
  }
}

class EndedEarly extends Passing {}

export class Conversion {
  /** Bytes that came, and the most that were buffered at once. */
  fetched = 0;
  peak = 0;
  requests = 0;
  private lane: Lane | undefined;
  private type = "";
  private position = 0;
  /** Until where it has come, and where the run began, seconds. */
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
    /** The film's address now. */
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

  /** Begins at a place, seconds. The source must be open. */
  start(at: number): void {
    if (this.film.duration !== undefined) this.media.duration = this.film.duration;
    this.position = at;
    this.restart();
  }

  /** The element is at `at` now. */
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
    // What was begun for another place is of no use, whatever comes next.
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

  /** The film is so long, seconds: known late for some containers. */
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

  /** Ends the running request. */
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
    // An append that waits for room must not hold up what makes room.
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

  /** Reads one stream after the other until the film ends; the next one goes on where its forerunner broke off. */
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
        // Of what lies beyond its end ffmpeg makes nothing, and says so.
        if (endedEarly && error instanceof Trouble && error.kind === "converter")
          return void (await this.end(run));
        if (!(error instanceof Passing)) throw error;
        endedEarly = error instanceof EndedEarly;
        const { kind } = error.trouble;
        if (this.frontier > before) [breaks, delay, since] = [0, FIRST_DELAY_MS, this.now()];
        else breaks += kind === "broken" ? 1 : 0;
        // A film may be shorter than it says.
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
        throw new Passing(new Trouble("broken", "the conversion broke off"));
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
    // Where the first picture comes later than the wanted place, the element would wait before it
    // forever.
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

  /** Waits until more is wanted; `false` when this run is over. */
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

/** What an answer without a film means; its body, if it has one, is a sentence for a person. */
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
