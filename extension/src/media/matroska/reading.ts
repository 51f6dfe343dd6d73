// Reads packets from clusters, in file order.
//
// Elements of the segment and its clusters are read as one flat sequence, so a cluster of unknown
// size needs no end. After damaged bytes, it searches the next cluster and continues there.

import type { Packet, Reading } from "../film";
import { Cursor, MOST_AT_ONCE, type RangeSource, Trouble } from "../reader";
import { groupFacts, parseBlock, trackOf } from "./blocks";
import { children, header, peekHeader, uint, UNKNOWN } from "./ebml";
import { ID, type TrackEntry } from "./head";

/** How many bytes are searched for the next cluster. */
const MOST_SEARCHED = 32 << 20;
/** Largest size of an inflated subtitle in bytes. */
const MOST_INFLATED = 8 << 20;

interface Tracks {
  readonly entries: ReadonlyMap<number, TrackEntry>;
  readonly streams: readonly { id: number; frameDuration: number }[];
  us(ticks: number): number;
}

/** One reading of a Matroska file. */
export class MatroskaReading implements Reading {
  private clusterTime = 0;
  private readonly queue: Packet[] = [];
  private readonly durations: Map<number, number>;

  constructor(
    private readonly cursor: Cursor,
    private readonly tracks: Tracks,
    private readonly wanted: ReadonlySet<number>,
  ) {
    this.durations = new Map(tracks.streams.map(({ id, frameDuration }) => [id, frameDuration]));
  }

  get ready(): boolean {
    return this.queue.length > 0 || this.cursor.ready > 16 << 10;
  }

  cancel(): void {
    this.cursor.cancel();
  }

  async next(): Promise<Packet | undefined> {
    while (this.queue.length === 0) if (!(await this.step())) return undefined;
    return this.queue.shift();
  }

  /** Reads one element. Returns false at the end of the file. */
  private async step(): Promise<boolean> {
    const head = await peekHeader(this.cursor);
    if (head === undefined) return false;
    if (head === "invalid") return this.resync();
    const at = this.cursor.at;
    if (head.id === ID.Cluster || head.id === ID.Segment) {
      await this.cursor.skip(head.length);
      return true;
    }
    if (head.size === UNKNOWN) return this.resync();
    if (head.id === ID.EncryptedBlock) throw new Trouble("broken", "the blocks are encrypted");
    if (head.id !== ID.Timestamp && head.id !== ID.SimpleBlock && head.id !== ID.BlockGroup) {
      // Only top-level elements may be large; anything else is damage.
      if (head.size > MOST_AT_ONCE && head.id < 0x10000000) return this.resync();
      await this.cursor.skip(head.length + head.size);
      return true;
    }
    if (head.size > MOST_AT_ONCE) return this.resync();
    if (head.id === ID.SimpleBlock && head.size > 4) {
      if (!(await this.cursor.need(head.length + 4))) return false;
      const track = trackOf(this.cursor.peek(head.length + 4).subarray(head.length));
      if (track !== undefined && !this.wanted.has(track)) {
        await this.cursor.skip(head.length + head.size);
        return true;
      }
    }
    if (!(await this.cursor.need(head.length + head.size))) return false;
    const body = this.cursor.take(head.length + head.size).subarray(head.length);
    if (head.id === ID.Timestamp) this.clusterTime = uint(body);
    else if (head.id === ID.SimpleBlock) await this.block(body, at, undefined);
    else await this.group(body, at);
    return true;
  }

  private async group(body: Uint8Array, at: number): Promise<void> {
    const { block, duration, key } = groupFacts(children(body));
    if (block) await this.block(block, at, { duration, key });
  }

  private async block(
    bytes: Uint8Array,
    at: number,
    group: { duration: number | undefined; key: boolean } | undefined,
  ): Promise<void> {
    const block = parseBlock(bytes);
    const entry =
      block && this.wanted.has(block.track) ? this.tracks.entries.get(block.track) : undefined;
    if (!block || !entry) return;
    const start =
      this.tracks.us(this.clusterTime + block.time) - Math.round(entry.codecDelay / 1000);
    const whole = group?.duration === undefined ? undefined : this.tracks.us(group.duration);
    const each =
      block.frames.length === 1
        ? 0
        : this.durations.get(block.track) || (whole ?? 0) / block.frames.length;
    for (const [index, frame] of block.frames.entries()) {
      const data = await unpack(frame, entry);
      if (!data) continue;
      this.queue.push({
        track: block.track,
        pts: Math.round(start + index * each),
        duration: block.frames.length === 1 ? whole : Math.round(each) || undefined,
        key: group?.key ?? block.key,
        data,
        order: at * 256 + index,
      });
    }
  }

  private async resync(): Promise<boolean> {
    await this.cursor.skip(1);
    for (let searched = 0; searched < MOST_SEARCHED; ) {
      if (!(await this.cursor.need(16))) return false;
      const bytes = this.cursor.peek(this.cursor.ready);
      const found = clusterIn(bytes);
      if (found !== undefined) {
        await this.cursor.skip(found);
        return true;
      }
      searched += bytes.length - 15;
      await this.cursor.skip(bytes.length - 15);
    }
    throw new Trouble("broken", "no further cluster found");
  }
}

async function unpack(frame: Uint8Array, entry: TrackEntry): Promise<Uint8Array | undefined> {
  if (entry.strip) {
    const whole = new Uint8Array(entry.strip.length + frame.length);
    whole.set(entry.strip);
    whole.set(frame, entry.strip.length);
    return whole;
  }
  return entry.deflated ? inflate(frame) : frame;
}

async function inflate(frame: Uint8Array): Promise<Uint8Array | undefined> {
  const stream = new Blob([frame as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new DecompressionStream("deflate"));
  const reader = stream.getReader();
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      if (size > MOST_INFLATED) return undefined;
      parts.push(value);
    }
  } catch {
    return undefined;
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Offset in `bytes` of a cluster whose timestamp is among its first three elements. */
function clusterIn(bytes: Uint8Array): number | undefined {
  for (
    let at = bytes.indexOf(0x1f);
    at >= 0 && at + 16 <= bytes.length;
    at = bytes.indexOf(0x1f, at + 1)
  ) {
    if (bytes[at + 1] !== 0x43 || bytes[at + 2] !== 0xb6 || bytes[at + 3] !== 0x75) continue;
    const head = header(bytes, at);
    if (typeof head === "string") continue;
    const first = bytes[at + head.length];
    if (
      first === ID.Timestamp ||
      first === ID.Crc32 ||
      first === ID.Void ||
      first === 0xa7 ||
      first === 0xab
    )
      return at;
  }
  return undefined;
}

/**
 * The first cluster at or after `from`, with its time in ticks. `undefined` if there is none before
 * `to`.
 */
export async function findCluster(
  source: RangeSource,
  from: number,
  to: number,
  signal: AbortSignal,
): Promise<{ at: number; time: number } | undefined> {
  const cursor = new Cursor(source, from, Math.min(to, from + MOST_SEARCHED));
  const stop = () => cursor.cancel();
  signal.addEventListener("abort", stop);
  try {
    for (;;) {
      if (!(await cursor.need(16))) return undefined;
      const bytes = cursor.peek(cursor.ready);
      const found = clusterIn(bytes);
      if (found === undefined) {
        await cursor.skip(bytes.length - 15);
        continue;
      }
      await cursor.skip(found);
      const at = cursor.at;
      const time = await clusterTime(cursor);
      if (time !== undefined) return { at, time };
    }
  } finally {
    signal.removeEventListener("abort", stop);
    cursor.cancel();
  }
}

/** The timestamp among the first elements of the cluster at the cursor. */
async function clusterTime(cursor: Cursor): Promise<number | undefined> {
  const cluster = await peekHeader(cursor);
  if (cluster === undefined || cluster === "invalid") return undefined;
  await cursor.skip(cluster.length);
  for (let count = 0; count < 4; count += 1) {
    const head = await peekHeader(cursor);
    if (head === undefined || head === "invalid" || head.size === UNKNOWN || head.size > 1024)
      return undefined;
    if (!(await cursor.need(head.length + head.size))) return undefined;
    const body = cursor.peek(head.length + head.size).subarray(head.length);
    if (head.id === ID.Timestamp) return uint(body);
    await cursor.skip(head.length + head.size);
  }
  return undefined;
}
