// A byte buffer that grows at its end and shrinks at its start, without a copy per addition.

/** A byte buffer that grows at its end. */
export class Growing {
  private buffer = new Uint8Array(0);
  private from = 0;
  private to = 0;

  get length(): number {
    return this.to - this.from;
  }

  /** The current bytes. Valid until the next `push`. */
  get bytes(): Uint8Array {
    return this.buffer.subarray(this.from, this.to);
  }

  push(chunk: Uint8Array): void {
    const held = this.length;
    if (this.to + chunk.length > this.buffer.length) {
      const room = held + chunk.length;
      const target =
        room > this.buffer.length ? new Uint8Array(Math.max(room * 2, 16 << 10)) : this.buffer;
      target.set(this.buffer.subarray(this.from, this.to), 0);
      this.buffer = target;
      this.from = 0;
      this.to = held;
    }
    this.buffer.set(chunk, this.to);
    this.to += chunk.length;
  }

  /** Removes `count` bytes at the start and returns a copy. */
  take(count: number): Uint8Array<ArrayBuffer> {
    const bytes = this.buffer.slice(this.from, this.from + count);
    this.from += bytes.length;
    return bytes;
  }

  /** Removes `count` bytes at the start. */
  drop(count: number): void {
    this.from = Math.min(this.to, this.from + count);
  }
}
