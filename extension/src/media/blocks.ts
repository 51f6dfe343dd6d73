// Random access to a file for demuxers that jump: cached blocks of 16 KiB.
//
// A read waits only for the bytes that it needs of a block. The rest of the block is fetched on
// demand.

import { joined } from "../model/bytes";
import { Cursor, FAR, type RangeSource } from "./reader";

const BLOCK = 16 << 10;
/** Most cached blocks. */
const MOST_BLOCKS = 512;
/** Two tracks may be read alternately at two places. */
const MOST_CURSORS = 2;

/** Reads a file at any place, through cached blocks. */
export class BlockReader {
  /** Whether the last read needed no new bytes. */
  hot = false;
  private readonly blocks = new Map<number, Uint8Array>();
  private cursors: Cursor[] = [];
  private tail: Promise<unknown> = Promise.resolve();
  private epoch = 0;

  /** `first` is a cursor that has read already. Its bytes are not fetched again. */
  constructor(
    private readonly source: RangeSource,
    first?: Cursor,
  ) {
    if (first) this.cursors.push(first);
  }

  /** The file's length, from the first reply. */
  async size(): Promise<number> {
    if (this.source.size === undefined) await this.read(0, 1);
    return this.source.size ?? 0;
  }

  /** The bytes from `start` to `end`, or fewer at the file's end. */
  read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const { epoch } = this;
    const result = this.tail.then(() => this.readNow(start, end, epoch));
    this.tail = result.catch(() => {});
    return result;
  }

  /** Aborts all requests. Waiting reads fail. */
  cancel(): void {
    this.epoch += 1;
    for (const cursor of this.cursors) cursor.cancel();
    this.cursors = [];
  }

  private async readNow(
    start: number,
    end: number,
    epoch: number,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const out = new Uint8Array(Math.max(0, Math.min(end, this.source.size ?? end) - start));
    let filled = 0;
    this.hot = true;
    for (let index = Math.floor(start / BLOCK); index * BLOCK < end; index += 1) {
      const from = Math.max(start - index * BLOCK, 0);
      const until = Math.min(end - index * BLOCK, BLOCK);
      const block = await this.block(index, until, epoch);
      const piece = block.subarray(from, until).subarray(0, out.length - filled);
      out.set(piece, filled);
      filled += piece.length;
      if (block.length < until) break;
    }
    return out.subarray(0, filled);
  }

  /** A block with at least `needed` bytes, unless the file ends. */
  private async block(index: number, needed: number, epoch: number): Promise<Uint8Array> {
    const kept = this.blocks.get(index);
    if (kept && (kept.length >= needed || this.atEnd(index, kept))) {
      this.blocks.delete(index);
      this.blocks.set(index, kept);
      return kept;
    }
    if (epoch !== this.epoch) throw new DOMException("cancelled", "AbortError");
    this.hot = false;
    const begun = kept ?? new Uint8Array(0);
    const cursor = await this.cursorAt(index * BLOCK + begun.length);
    await cursor.need(needed - begun.length);
    if (epoch !== this.epoch) throw new DOMException("cancelled", "AbortError");
    // Takes further bytes that have arrived, too.
    const block = joined([begun, cursor.take(Math.min(cursor.ready, BLOCK - begun.length))]);
    this.blocks.delete(index);
    this.blocks.set(index, block);
    if (this.blocks.size > MOST_BLOCKS) this.blocks.delete(this.blocks.keys().next().value!);
    return block;
  }

  private atEnd(index: number, block: Uint8Array): boolean {
    return this.source.size !== undefined && index * BLOCK + block.length >= this.source.size;
  }

  private async cursorAt(at: number): Promise<Cursor> {
    const near = this.cursors.find((cursor) => cursor.at <= at && at - cursor.at <= FAR);
    if (near) {
      this.cursors = [...this.cursors.filter((cursor) => cursor !== near), near];
      await near.skip(at - near.at);
      return near;
    }
    const cursor = new Cursor(this.source, at);
    this.cursors.push(cursor);
    if (this.cursors.length > MOST_CURSORS) this.cursors.shift()!.cancel();
    return cursor;
  }
}
