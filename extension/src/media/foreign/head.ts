// The results of readers of foreign containers, and bytes with bounds checks.
//
// These containers are not played here. Their heads are parsed only to tell the user what a film
// contains. A reader gets the first bytes of a file and returns what it found before they stop
// making sense.

import { codecString } from "../codecs";
import type { Stream } from "../film";
import type { Named } from "../names";
import type { Container } from "../protocol";

/** What a reader found in a file's first bytes. */
export interface Head {
  container: Container;
  /** In µs. */
  duration: number | undefined;
  /** Offset of the file's time stamps in µs. */
  origin?: number;
  streams: Stream[];
}

/** Most tracks of a file. */
export const MOST_TRACKS = 64;

/** A file's first bytes, read with bounds checks. */
export class Bytes {
  private readonly view: DataView;

  constructor(readonly data: Uint8Array) {
    this.view = new DataView(data.buffer, data.byteOffset, data.length);
  }

  get length(): number {
    return this.data.length;
  }

  /** Reads give 0 where bytes are missing. */
  u8(at: number): number {
    return this.data[at] ?? 0;
  }

  u16(at: number, little = true): number {
    return this.has(at, 2) ? this.view.getUint16(at, little) : 0;
  }

  u24(at: number): number {
    return (this.u8(at) << 16) | (this.u8(at + 1) << 8) | this.u8(at + 2);
  }

  u32(at: number, little = true): number {
    return this.has(at, 4) ? this.view.getUint32(at, little) : 0;
  }

  i32(at: number, little = true): number {
    return this.has(at, 4) ? this.view.getInt32(at, little) : 0;
  }

  /** Not exact above 2^53. */
  u64(at: number, little = true): number {
    return this.has(at, 8) ? Number(this.view.getBigUint64(at, little)) : 0;
  }

  f64(at: number): number {
    return this.has(at, 8) ? this.view.getFloat64(at) : 0;
  }

  ascii(at: number, length: number): string {
    return String.fromCharCode(...this.data.subarray(at, at + length));
  }

  hex(at: number, length: number): string {
    return Array.from(this.data.subarray(at, at + length), (byte) =>
      byte.toString(16).padStart(2, "0"),
    ).join("");
  }

  has(at: number, count: number): boolean {
    return at >= 0 && at + count <= this.data.length;
  }
}

/** A track. `written` is the container's name of its codec. */
export function track(
  id: number,
  type: Stream["type"],
  { codec, name }: Named,
  written: string,
  more: Partial<Stream> = {},
): Stream {
  return {
    id,
    type,
    codec,
    name,
    codecString: codecString(codec, more.config, written),
    config: undefined,
    width: 0,
    height: 0,
    sampleRate: 0,
    channels: 0,
    bitDepth: 0,
    language: undefined,
    title: undefined,
    isDefault: true,
    forced: false,
    frameDuration: 0,
    encrypted: false,
    subtitle: undefined,
    ...more,
  };
}

/** Converts seconds to µs. `undefined` for an implausible length. */
export function lasting(seconds: number): number | undefined {
  return Number.isFinite(seconds) && seconds > 0 && seconds < 360_000
    ? Math.round(seconds * 1e6)
    : undefined;
}
