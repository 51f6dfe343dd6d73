// Reads packets of a program's streams, in file order.
//
// Bytes are split as soon as they arrive, so complete units never wait. Bytes that make no sense
// are skipped.

import type { Packet, Reading, Stream } from "../film";
import type { Cursor } from "../reader";
import { type Cutter, cutterFor, type Unit } from "./elementary";
import { type Layout, type Packet as TransportPacket, packets, since, timeOf } from "./packets";

/** How many bytes are split at a time. */
const MOST_AT_ONCE = 256 << 10;

/** Splits the packets of some streams. */
export class Cutting {
  private readonly cutters = new Map<number, Cutter>();

  constructor(
    streams: readonly Stream[],
    private readonly origin: number,
  ) {
    for (const stream of streams) {
      const cutter = cutterFor(stream);
      if (cutter) this.cutters.set(stream.id, cutter);
    }
  }

  /** The description of a stream, once it is enough to play it. */
  known(id: number): Stream | undefined {
    return this.cutters.get(id)?.known;
  }

  take({ pid, at, starts, random, payload }: TransportPacket): Packet[] {
    const cutter = this.cutters.get(pid);
    if (!cutter) return [];
    if (!starts) return this.packets(pid, cutter.push(payload, undefined));
    const time = timeOf(payload);
    const mark =
      time === undefined ? undefined : { at, pts: since(this.origin, time) * 1e6, random };
    return this.packets(pid, cutter.push(payload.subarray(9 + (payload[8] ?? 0)), mark));
  }

  /** The last packet of each stream. */
  finish(): Packet[] {
    return [...this.cutters].flatMap(([pid, cutter]) => this.packets(pid, cutter.finish()));
  }

  private packets(track: number, units: Unit[]): Packet[] {
    return units.map((unit) => ({ track, ...unit }));
  }
}

/** One reading of a transport stream. */
export class TransportReading implements Reading {
  private queue: Packet[] = [];
  private given = 0;
  private readonly cutting: Cutting;

  constructor(
    /** Each ends where the next one is. */
    private readonly cursors: Cursor[],
    private readonly layout: Layout,
    streams: readonly Stream[],
    origin: number,
    /** Called with every packet that is read. */
    private readonly passed: (packet: TransportPacket) => void,
  ) {
    this.cutting = new Cutting(streams, origin);
  }

  get ready(): boolean {
    return this.given < this.queue.length;
  }

  cancel(): void {
    for (const cursor of this.cursors) cursor.cancel();
  }

  async next(): Promise<Packet | undefined> {
    while (!this.ready) {
      this.queue = [];
      this.given = 0;
      if (!(await this.step())) return undefined;
    }
    return this.queue[this.given++];
  }

  /** Splits what has arrived. Returns false at the end of the file. */
  private async step(): Promise<boolean> {
    const [cursor] = this.cursors;
    if (!cursor) return false;
    const { stride } = this.layout;
    // After damage, three packets are needed to find the next one.
    const isEnd = !(await cursor.need(stride * 3));
    const bytes = cursor.peek(Math.min(cursor.ready, MOST_AT_ONCE));
    let used = isEnd ? bytes.length : 0;
    for (const packet of packets(bytes, this.layout)) {
      this.passed({ ...packet, at: cursor.at + packet.at });
      this.queue.push(...this.cutting.take({ ...packet, at: cursor.at + packet.at }));
      used = Math.max(used, packet.at + stride);
    }
    await cursor.skip(used || bytes.length - 2 * stride);
    if (!isEnd) return true;
    this.cursors.shift();
    if (this.cursors.length === 0) this.queue.push(...this.cutting.finish());
    return true;
  }
}
