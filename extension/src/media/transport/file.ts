// An MPEG transport stream. Packets are taken apart by mediabunny, which sees a file that begins with tables of our own and goes on at the place that is wanted.

import { CustomSource, EncodedPacketSink, Input, type InputTrack, MPEG_TS } from "mediabunny";
import { avcConfig } from "../annexb";
import type { BlockReader } from "../blocks";
import { codecString } from "../codecs";
import { ContainerReading, describe, type Feed } from "../containers";
import type { Demuxed, Reading, Stream } from "../film";
import type { Chapter, Font } from "../protocol";
import { type RangeSource, readAll } from "../reader";
import { type Elementary, tablesFor, type TransportHead } from "./head";
import { lastTime } from "./packets";
import { placeFor } from "./places";

/** How much of the end is searched for the last time, bytes: first this much, then up to that. */
const TAIL = 48 << 10;
const MOST_TAIL = 1 << 20;
/** How many pictures are looked through for the parameters of their stream. */
const MOST_PICTURES = 300;

/** Opens a file whose head was read. */
export async function openTransport(source: RangeSource, blocks: BlockReader, head: TransportHead): Promise<Demuxed> {
  const file = new TransportFile(source, blocks, head);
  await file.open();
  return file;
}

/** Finds the length (µs), which only the last times tell. */
export async function measureTransport(source: RangeSource, { layout, origin }: TransportHead): Promise<number | undefined> {
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
  private wasRead = false;
  private measured: Promise<number | undefined> | undefined;

  constructor(
    private readonly source: RangeSource,
    private readonly blocks: BlockReader,
    private readonly head: TransportHead,
  ) {
    this.origin = head.origin * 1e6;
  }

  async open(): Promise<void> {
    const { input } = this.from(0, this.head.streams);
    try {
      const tracks = await input.getTracks();
      for (const { pid, stream } of this.head.streams) {
        const track = tracks.find(({ id }) => id === pid);
        this.streams.push(track && (track.isVideoTrack() || track.isAudioTrack()) ? await this.known(track, stream) : stream);
      }
    } finally {
      input.dispose();
    }
  }

  fonts(): Promise<Font[]> {
    return Promise.resolve([]);
  }

  before(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  close(): void {
    this.blocks.cancel();
  }

  measure(): Promise<number | undefined> {
    return (this.measured ??= measureTransport(this.source, this.head).catch((error: unknown) => {
      this.measured = undefined;
      throw error;
    }));
  }

  async read(pts: number, video: number | undefined, wanted: ReadonlySet<number>): Promise<Reading> {
    // The first reading goes on with what was opened.
    if (this.wasRead || pts > 0) this.blocks.cancel();
    this.wasRead = true;
    const place = pts <= 0 ? 0 : await this.place(pts / 1e6, video ?? [...wanted][0]!, video !== undefined);
    const { input, tables } = this.from(
      place,
      this.head.streams.filter(({ pid }) => wanted.has(pid)),
    );
    const feeds: Feed[] = [];
    for (const track of await input.getTracks()) {
      const sink = new EncodedPacketSink(track);
      const stream = this.streams.find(({ id }) => id === track.id);
      if (stream) feeds.push({ sink, packet: await sink.getFirstPacket(), stream, reached: -Infinity });
    }
    return new ContainerReading(feeds, input, this.blocks, this.head.origin, place - tables);
  }

  private async place(seconds: number, pid: number, isVideo: boolean): Promise<number> {
    const size = await this.blocks.size();
    const duration = await this.measure().catch(() => undefined);
    return placeFor(
      {
        layout: this.head.layout,
        size,
        origin: this.head.origin,
        duration: duration === undefined ? undefined : duration / 1e6,
        probe: (at, count) => readAll(this.source, at, count),
        read: (from, to) => this.blocks.read(from, to),
        stop: () => this.blocks.cancel(),
      },
      pid,
      isVideo,
      seconds,
    );
  }

  /** A file of tables that name these streams, and of what follows from a place on. */
  private from(place: number, streams: readonly Elementary[]): { input: Input; tables: number } {
    const tables = tablesFor(
      this.head,
      streams.filter(({ isRead }) => isRead),
    );
    const read = async (start: number, end: number): Promise<Uint8Array<ArrayBuffer>> => {
      const own = tables.subarray(start, Math.min(end, tables.length));
      if (end <= tables.length) return own;
      const rest = await this.blocks.read(place + Math.max(0, start - tables.length), place + end - tables.length);
      if (own.length === 0) return rest;
      const whole = new Uint8Array(own.length + rest.length);
      whole.set(own);
      whole.set(rest, own.length);
      return whole;
    };
    const source = new CustomSource({
      getSize: async () => tables.length + (await this.blocks.size()) - place,
      read,
      maxCacheSize: 1 << 20,
      handleUnhandledError: () => {},
    });
    return { input: new Input({ source, formats: [MPEG_TS] }), tables: tables.length };
  }

  /** What mediabunny knows more of a stream. Of pictures, the parameter sets that they carry are looked for. */
  private async known(track: InputTrack, told: Stream): Promise<Stream> {
    if (!track.isVideoTrack() && !track.isAudioTrack()) return told;
    const stream = { ...(await describe(track)), language: told.language };
    if (stream.type === "audio") return stream;
    stream.annexB = true;
    const sink = new EncodedPacketSink(track);
    let packet = await sink.getFirstPacket();
    for (let count = 0; packet && stream.config === undefined && count < MOST_PICTURES; count += 1) {
      stream.config = avcConfig(packet.data);
      packet = await sink.getNextPacket(packet);
    }
    if (stream.config) stream.codecString = codecString("h264", stream.config, "");
    else stream.codec = "other";
    return stream;
  }
}
