// A SourceBuffer with a queue of operations, and eviction when it is full.
//
// A ledger of times and bytes of what was appended drives read-ahead and eviction.

import { Trouble } from "./reader";

/** The part of a SourceBuffer that is used. */
export interface MediaBuffer extends EventTarget {
  readonly updating: boolean;
  /** Seconds added to all times. */
  timestampOffset?: number;
  readonly buffered: {
    readonly length: number;
    start(index: number): number;
    end(index: number): number;
  };
  appendBuffer(data: BufferSource): void;
  remove(start: number, end: number): void;
  abort(): void;
  changeType(type: string): void;
}

interface Entry {
  start: number;
  end: number;
  bytes: number;
  /** Time of the first key frame in the entry, if any. */
  key: number | undefined;
}

/** A time this much before a range still plays from it, in seconds: one frame. */
const NEAR_S = 0.04;
/** `remove` extends to the next key frame, so it ends this much before a known one, in seconds. */
const BEFORE_KEY_S = 0.05;

/** One SourceBuffer with its queue and its ledger. */
export class Lane {
  private tail: Promise<unknown> = Promise.resolve();
  private entries: Entry[] = [];
  private epoch = 0;
  appended = 0;

  constructor(
    private readonly buffer: MediaBuffer,
    /** The element's current time in seconds. */
    private readonly position: () => number,
    private readonly keepBehind: number,
  ) {}

  /** Bytes in the buffer. */
  get bytes(): number {
    return this.entries.reduce((sum, entry) => sum + entry.bytes, 0);
  }

  /** The end of the gapless buffered range that contains `at`; `at` itself if there is none. */
  coveredTo(at: number): number {
    const { buffered } = this.buffer;
    for (let i = 0; i < buffered.length; i += 1) {
      if (buffered.start(i) <= at + NEAR_S && at < buffered.end(i)) return buffered.end(i);
    }
    return at;
  }

  get starts(): number | undefined {
    return this.buffer.buffered.length > 0 ? this.buffer.buffered.start(0) : undefined;
  }

  /** Appends data. Waits for space when the buffer is full. */
  append(data: Uint8Array<ArrayBuffer>, times?: Omit<Entry, "bytes">): Promise<void> {
    const epoch = this.epoch;
    return this.queue(async () => {
      if (epoch !== this.epoch) return;
      await this.appendNow(data, epoch);
      this.appended += data.length;
      if (times && epoch === this.epoch) this.entries.push({ ...times, bytes: data.length });
    });
  }

  /** Cancels everything that is queued or waits for space. */
  discard(): void {
    this.epoch += 1;
  }

  /** Drops everything that is queued or buffered. */
  clear(): Promise<void> {
    this.discard();
    this.entries = [];
    return this.queue(async () => {
      // A removal reopens an ended MediaSource, in which `abort` would throw.
      if (this.buffer.buffered.length > 0) {
        this.buffer.remove(0, Infinity);
        await this.settled();
      }
      this.abortParser();
    });
  }

  changeType(type: string): Promise<void> {
    return this.queue(async () => {
      this.buffer.changeType(type);
    });
  }

  /** Drops an incomplete fragment. */
  private abortParser(): void {
    try {
      this.buffer.abort();
    } catch {
      // The MediaSource has ended: nothing is being parsed.
    }
  }

  /** Removes what is far behind the element. */
  evict(): Promise<void> {
    const until = this.evictable(this.position() - this.keepBehind);
    return until === undefined ? Promise.resolve() : this.queue(() => this.removeUntil(until));
  }

  /** Resolves when everything queued so far is done. */
  idle(): Promise<void> {
    return this.queue(async () => {});
  }

  /** Runs `what` while the buffer is idle. */
  exclusive(what: () => Promise<void>): Promise<void> {
    return this.queue(what);
  }

  private async appendNow(data: Uint8Array<ArrayBuffer>, epoch: number): Promise<void> {
    for (let behind = this.keepBehind; epoch === this.epoch; behind = Math.max(0.5, behind / 2)) {
      try {
        this.buffer.appendBuffer(data);
        return await this.settled();
      } catch (error) {
        if (!(error instanceof DOMException && error.name === "QuotaExceededError")) throw error;
        const until = this.evictable(this.position() - behind);
        if (until !== undefined) await this.removeUntil(until);
        // Nothing can be removed: the element has to play on first.
        else if (behind <= 0.5) await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
  }

  private evictable(before: number): number | undefined {
    const key = this.entries.findLast(
      (entry) => entry.key !== undefined && entry.key <= before,
    )?.key;
    const first = this.starts;
    if (key === undefined || first === undefined || key - BEFORE_KEY_S <= first + 1)
      return undefined;
    return key - BEFORE_KEY_S;
  }

  private async removeUntil(until: number): Promise<void> {
    this.buffer.remove(0, until);
    await this.settled();
    this.entries = this.entries.filter((entry) => entry.end > until);
  }

  private settled(): Promise<void> {
    if (!this.buffer.updating) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const done = new AbortController();
      this.buffer.addEventListener(
        "error",
        () => reject(new Trouble("unplayable", "the browser rejected a fragment")),
        {
          signal: done.signal,
        },
      );
      this.buffer.addEventListener(
        "updateend",
        () => {
          done.abort();
          resolve();
        },
        { signal: done.signal },
      );
    });
  }

  private queue<T>(operation: () => Promise<T>): Promise<T> {
    const result = this.tail.then(operation);
    this.tail = result.catch(() => {});
    return result;
  }
}
