// Reads a file through HTTP ranges: `RangeSource` is the file, `Cursor` reads it forward.
//
// A cursor requests at most 1 MiB at a time, and only what is awaited, so a paused film fetches
// nothing. Cancelling aborts its request at once. Requests are repeated for a while if the daemon
// is away or lacks the film.

import { Growing } from "./growing";
import { GONE_MS, Patience, UNREACHABLE_MS } from "./patience";
import type { TroubleKind } from "./protocol";

/** Bytes per request, which is also the daemon's limit per reply. */
export const PART = 1 << 20;
/** A gap up to this many bytes is read and discarded. A larger one starts a new request. */
export const FAR = 256 << 10;
/** Most bytes of one element or frame. */
export const MOST_AT_ONCE = 64 << 20;
const FIRST_DELAY_MS = 200;
const MOST_DELAY_MS = 3_000;

/** An error that the worker reports to the player. */
export class Trouble extends Error {
  constructor(
    readonly kind: TroubleKind,
    message: string,
  ) {
    super(message);
  }
}

/** The part of `fetch` that is used. */
export type Fetch = (
  url: string,
  init: { headers: Record<string, string>; signal: AbortSignal; cache: RequestCache },
) => Promise<Response>;

/** The file at an address. */
export class RangeSource {
  /** Length of the file in bytes, once a reply told it. */
  size: number | undefined;
  fetched = 0;
  requests = 0;
  onWaiting: (waiting: boolean) => void = () => {};

  constructor(
    public url: string,
    private readonly fetcher: Fetch = (url, init) => fetch(url, init),
    private readonly sleep: (ms: number, signal: AbortSignal) => Promise<void> = pause,
    private readonly now: () => number = () => performance.now(),
    readonly patience = new Patience(now),
  ) {}

  /** The body of a reply to `bytes=from-…`. `undefined` at and beyond the end of the file. */
  async part(
    from: number,
    to: number,
    signal: AbortSignal,
  ): Promise<ReadableStreamDefaultReader<Uint8Array> | undefined> {
    const since = this.now();
    for (let delay = FIRST_DELAY_MS; ; delay = Math.min(delay * 2, MOST_DELAY_MS)) {
      signal.throwIfAborted();
      if (this.size !== undefined && from >= this.size) return undefined;
      let wait = delay;
      let trouble = new Trouble("unreachable", "no answer from the daemon");
      try {
        this.requests += 1;
        const reply = await this.fetcher(this.url, {
          headers: { Range: `bytes=${from}-${to - 1}` },
          signal,
          cache: "no-store",
        });
        const body = this.accepted(reply, from);
        if (!(body instanceof Trouble)) return body;
        trouble = body;
        wait = Math.max(delay, Math.min(Number(reply.headers.get("Retry-After")) || 0, 10) * 1000);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof Trouble) throw error;
      }
      if (!this.patience.lasts(since, trouble.kind === "gone" ? GONE_MS : UNREACHABLE_MS))
        throw trouble;
      this.onWaiting(true);
      await this.sleep(wait, signal);
    }
  }

  /**
   * Waits after `count` replies in a row without data. `since` is the time of the first request.
   */
  async retry(count: number, since: number, signal: AbortSignal): Promise<void> {
    if (!this.patience.lasts(since, UNREACHABLE_MS))
      throw new Trouble("unreachable", "empty replies");
    this.onWaiting(true);
    await this.sleep(Math.min(FIRST_DELAY_MS * 2 ** Math.min(count, 8), MOST_DELAY_MS), signal);
  }

  /** The clock of the retries, in ms. */
  time(): number {
    return this.now();
  }

  private accepted(
    reply: Response,
    from: number,
  ): ReadableStreamDefaultReader<Uint8Array> | undefined | Trouble {
    try {
      return this.accept(reply, from);
    } catch (error) {
      void reply.body?.cancel().catch(() => {});
      throw error;
    }
  }

  /**
   * Checks a reply. Returns its body, `undefined` at the file's end, or a temporary trouble. Throws
   * a final one.
   */
  private accept(
    reply: Response,
    from: number,
  ): ReadableStreamDefaultReader<Uint8Array> | undefined | Trouble {
    if (reply.status === 206) {
      const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(reply.headers.get("Content-Range") ?? "");
      if (range && Number(range[1]) !== from)
        throw new Trouble("gone", "the reply begins at another offset");
      if (range && range[2] !== "*") this.learn(Number(range[2]));
    } else if (reply.status === 200) {
      if (from !== 0) throw new Trouble("gone", "the server does not support ranges");
      const length = reply.headers.get("Content-Length");
      if (length !== null) this.learn(Number(length));
    } else if (reply.status === 416) {
      const range = /^bytes \*\/(\d+)$/.exec(reply.headers.get("Content-Range") ?? "");
      this.learn(range ? Number(range[1]) : from);
    }
    if (reply.ok && reply.body)
      return reply.body.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    void reply.body?.cancel().catch(() => {});
    if (reply.status === 416 || reply.status === 204 || reply.ok) return undefined;
    const isBusy =
      reply.status === 429 || reply.status === 500 || reply.status === 503 || reply.status === 504;
    return new Trouble(
      isBusy ? "unreachable" : "gone",
      `the server replied with status ${reply.status}`,
    );
  }

  private learn(size: number): void {
    if (this.size !== undefined && this.size !== size)
      throw new Trouble("gone", "the file's length has changed");
    this.size = size;
  }
}

/** Reads a file forward from a place. */
export class Cursor {
  private readonly held = new Growing();
  private body: ReadableStreamDefaultReader<Uint8Array> | undefined;
  private bodyEnd = 0;
  /**
   * Whether the current request has brought nothing yet; how many in a row brought nothing, and
   * since when.
   */
  private isFresh = true;
  private empties = 0;
  private emptySince: number | undefined;
  private readonly abort = new AbortController();

  constructor(
    private readonly source: RangeSource,
    /** Offset in the file of the next byte to read. */
    public at: number,
    /** Bytes at or beyond this offset are never requested. */
    private readonly end = Infinity,
  ) {}

  /** How many bytes can be read without waiting. */
  get ready(): number {
    return this.held.length;
  }

  /** Aborts the request. All later reads fail. */
  cancel(): void {
    this.abort.abort();
    this.drop();
  }

  /** Aborts the request but keeps the received bytes. A later read makes a new request. */
  rest(): void {
    this.drop();
  }

  /** Waits until `count` bytes are there. Returns false if the file ends before. */
  async need(count: number): Promise<boolean> {
    if (this.ready >= count) return true;
    if (count > MOST_AT_ONCE)
      throw new Trouble("broken", `an element of ${count} bytes is too large`);
    while (this.ready < count) {
      if (!(await this.more())) return false;
    }
    return true;
  }

  /** The next `count` bytes, which must be there. Valid until the next read. */
  peek(count: number): Uint8Array {
    return this.held.bytes.subarray(0, count);
  }

  /** A copy of the next `count` bytes, which must be there. */
  take(count: number): Uint8Array<ArrayBuffer> {
    const bytes = this.held.take(count);
    this.at += bytes.length;
    return bytes;
  }

  /** Skips `count` bytes, also those that have not arrived. */
  async skip(count: number): Promise<void> {
    if (count <= this.ready) return this.pass(count);
    const missing = count - this.ready;
    if (missing > FAR) {
      this.at += count;
      this.held.drop(this.ready);
      this.drop();
      return;
    }
    let left = missing;
    this.pass(this.ready);
    while (left > 0) {
      if (!(await this.more())) {
        this.at += left;
        return;
      }
      const now = Math.min(left, this.ready);
      this.pass(now);
      left -= now;
    }
  }

  private pass(count: number): void {
    this.held.drop(count);
    this.at += count;
  }

  private drop(): void {
    void this.body?.cancel().catch(() => {});
    this.body = undefined;
  }

  /** Waits for the next bytes. Returns false at the end of the file. */
  private async more(): Promise<boolean> {
    for (;;) {
      this.abort.signal.throwIfAborted();
      const place = this.at + this.ready;
      if (this.body === undefined) {
        if (place >= this.end) return false;
        this.bodyEnd = Math.min(place + PART, this.end);
        this.body = await this.source.part(place, this.bodyEnd, this.abort.signal);
        if (this.body === undefined) return false;
      }
      const chunk = await this.body.read().catch((error: unknown) => {
        this.abort.signal.throwIfAborted();
        // An interrupted reply is continued where it ended.
        if (error instanceof Trouble) throw error;
        return { done: true as const, value: undefined };
      });
      this.abort.signal.throwIfAborted();
      if (chunk.done) {
        this.body = undefined;
        // Replies may be shorter than requested. After an empty one, wait before the next request.
        if (this.isFresh)
          await this.source.retry(
            this.empties++,
            (this.emptySince ??= this.source.time()),
            this.abort.signal,
          );
        this.isFresh = true;
        continue;
      }
      if (chunk.value.length === 0) continue;
      this.empties = 0;
      this.emptySince = undefined;
      this.isFresh = false;
      this.source.fetched += chunk.value.length;
      this.source.onWaiting(false);
      this.held.push(chunk.value);
      return true;
    }
  }
}

/** Reads a part of the file into memory. Shorter where the file ends. */
export async function readAll(
  source: RangeSource,
  at: number,
  size: number,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const cursor = new Cursor(source, at, at + size);
  const stop = () => cursor.cancel();
  signal?.addEventListener("abort", stop, { once: true });
  try {
    if (await cursor.need(size)) return cursor.take(size);
    return cursor.take(cursor.ready);
  } finally {
    signal?.removeEventListener("abort", stop);
    cursor.cancel();
  }
}

/** Resolves after `ms` milliseconds. Rejects when `signal` is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      signal.removeEventListener("abort", gone);
      resolve();
    }
    function gone(): void {
      clearTimeout(timer);
      reject(signal.reason as Error);
    }
    signal.addEventListener("abort", gone, { once: true });
  });
}
