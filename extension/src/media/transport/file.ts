// An MPEG transport stream: its streams, its length, and reading from any place.

import type { Demuxed, Reading, Stream } from "../film";
import { nameOf } from "../names";
import type { Chapter, Font } from "../protocol";
import { type Cursor, type RangeSource, readAll } from "../reader";
import type { TransportHead } from "./head";
import { Known } from "./known";
import { lastTime, packets, since, timeOf } from "./packets";
import { canEnter, placeFor } from "./places";
import { Cutting, TransportReading } from "./reading";

/** How many bytes at the end are searched for the last time: first, and at most. */
const TAIL = 24 << 10;
const MOST_TAIL = 1 << 20;
/**
 * How many bytes are read until each stream can be described. A stream that can't be by then is not
 * played.
 */
const MOST_TOLD = { video: 4 << 20, audio: 1 << 20, subtitle: 0 };
const STEP = 16 << 10;

/** Opens a file whose head was read. `cursor` is still at the file's start. */
export async function openTransport(
  source: RangeSource,
  cursor: Cursor,
  head: TransportHead,
): Promise<Demuxed> {
  const file = new TransportFile(source, cursor, head);
  await file.open();
  return file;
}

/** Finds the length (µs) from the last times in the file. */
export async function measureTransport(
  source: RangeSource,
  { layout, origin }: TransportHead,
): Promise<number | undefined> {
  const { size = 0 } = source;
  for (let tail = TAIL; size > 0; tail *= 4) {
    const from = Math.max(0, Math.floor((size - tail) / layout.stride) * layout.stride);
    const last = lastTime(await readAll(source, from, size - from), layout, origin);
    if (last !== undefined) return Math.round(last * 1e6);
    if (from === 0 || tail >= MOST_TAIL) break;
  }
  return undefined;
}

class TransportFile implements Demuxed {
  readonly container = "mpegts";
  readonly duration = undefined;
  readonly origin: number;
  streams: Stream[] = [];
  readonly chapters: Chapter[] = [];
  private readonly known = new Known();
  private measured: Promise<number | undefined> | undefined;
  /** Cursors that search for a place. */
  private searching: Cursor[] = [];

  constructor(
    private readonly source: RangeSource,
    /** At the file's start after opening. The first reading continues with it. */
    private cursor: Cursor | undefined,
    private readonly head: TransportHead,
  ) {
    this.origin = head.origin * 1e6;
  }

  async open(): Promise<void> {
    const { streams, layout, origin } = this.head;
    const read = streams.filter(({ isRead }) => isRead);
    const cutting = new Cutting(
      read.map(({ stream }) => stream),
      origin,
    );
    const cursor = this.cursor!;
    for (
      let seen = 0;
      read.some(({ pid, stream: { type } }) => seen < MOST_TOLD[type] && !cutting.known(pid));
    ) {
      const isMore = await cursor.need(seen + STEP);
      const before = seen;
      for (const packet of packets(cursor.peek(cursor.ready).subarray(before), layout)) {
        cutting.take(packet);
        seen = before + packet.at + layout.stride;
      }
      if (!isMore) {
        cutting.finish();
        break;
      }
      seen = Math.max(seen, cursor.ready - 3 * layout.stride);
    }
    this.streams = streams.map(({ pid, isRead, stream }) => {
      const known = cutting.known(pid);
      if (known) return { ...known, language: stream.language };
      // The codec is supported, but not in the form of this stream.
      return isRead ? { ...stream, codec: "other", name: nameOf(stream) } : stream;
    });
  }

  fonts(): Promise<Font[]> {
    return Promise.resolve([]);
  }

  before(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  abandon(): void {
    for (const cursor of this.searching) cursor.cancel();
    this.searching = [];
  }

  close(): void {
    this.abandon();
    this.cursor?.cancel();
  }

  measure(): Promise<number | undefined> {
    return (this.measured ??= measureTransport(this.source, this.head).catch((error: unknown) => {
      this.measured = undefined;
      throw error;
    }));
  }

  async read(
    pts: number,
    video: number | undefined,
    wanted: ReadonlySet<number>,
  ): Promise<Reading> {
    const opened = this.cursor;
    this.cursor = undefined;
    const pid = video ?? [...wanted][0]!;
    const isVideo = video !== undefined;
    let cursors = opened ? [opened] : [];
    if (pts > 0 || !opened) {
      opened?.cancel();
      cursors = await this.place(pts / 1e6, pid, isVideo);
    }
    const { layout, origin } = this.head;
    const pass = this.known.walk();
    return new TransportReading(
      cursors,
      layout,
      this.streams.filter(({ id }) => wanted.has(id)),
      origin,
      (packet) => {
        const time = packet.pid === pid && packet.starts ? timeOf(packet.payload) : undefined;
        if (time !== undefined)
          pass({ at: packet.at, time: since(origin, time) }, canEnter(packet, isVideo));
      },
    );
  }

  private async place(seconds: number, pid: number, isVideo: boolean): Promise<Cursor[]> {
    const duration = seconds > 0 ? await this.measure().catch(() => undefined) : undefined;
    const cursors: Cursor[] = [];
    this.searching = cursors;
    const { source, known } = this;
    const { layout, origin } = this.head;
    const found = await placeFor(
      {
        source,
        layout,
        origin,
        duration: duration === undefined ? undefined : duration / 1e6,
        known,
        pid,
        isVideo,
        opened: (cursor) => cursors.push(cursor),
      },
      seconds,
    );
    if (this.searching === cursors) this.searching = [];
    return found;
  }
}
