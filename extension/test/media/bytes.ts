// Test helpers: files in memory behind a `RangeSource`, an EBML writer, seeded random numbers.

import { readFileSync } from "node:fs";
import type { Packet, Reading } from "../../src/media/film";
import { type Fetch, RangeSource } from "../../src/media/reader";

export function sample(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(`samples/${name}`, import.meta.url)));
}

export interface Served {
  source: RangeSource;
  /** The requested ranges. */
  asked: string[];
  /** The abort signals of the requests. */
  signals: AbortSignal[];
}

/** Serves bytes in chunks of `chunk`, in replies of at most `part` bytes. */
export function served(
  bytes: Uint8Array,
  { chunk = 4096, part = Infinity }: { chunk?: number; part?: number } = {},
): Served {
  const asked: string[] = [];
  const signals: AbortSignal[] = [];
  const fetcher: Fetch = (_url, { headers, signal }) => {
    asked.push(headers["Range"]!);
    signals.push(signal);
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers["Range"]!)!.map(Number) as [
      number,
      number,
      number,
    ];
    if (from >= bytes.length)
      return Promise.resolve(
        new Response(null, {
          status: 416,
          headers: { "Content-Range": `bytes */${bytes.length}` },
        }),
      );
    const end = Math.min(to + 1, bytes.length, from + part);
    return Promise.resolve(
      new Response(body(bytes.subarray(from, end), chunk, signal), {
        status: 206,
        headers: { "Content-Range": `bytes ${from}-${end - 1}/${bytes.length}` },
      }),
    );
  };
  return {
    source: new RangeSource("http://127.0.0.1/stream", fetcher, () => Promise.resolve()),
    asked,
    signals,
  };
}

export function body(
  bytes: Uint8Array,
  chunk: number,
  signal?: AbortSignal,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream(
    {
      pull(controller) {
        if (signal?.aborted) return controller.error(signal.reason);
        if (at >= bytes.length) return controller.close();
        controller.enqueue(bytes.slice(at, at + chunk));
        at += chunk;
      },
    },
    { highWaterMark: 0 },
  );
}

export async function all(reading: Reading, most = 100_000): Promise<Packet[]> {
  const packets: Packet[] = [];
  for (let packet = await reading.next(); packet; packet = await reading.next()) {
    packets.push(packet);
    if (packets.length > most) throw new Error("it does not end");
  }
  return packets;
}

/** Random numbers from 0 to 1 (mulberry32). The same seed gives the same numbers. */
export function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

// An EBML writer, independent of the tested parser.

type Body = number[] | Uint8Array;

export function concat(...parts: Body[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function idBytes(id: number): number[] {
  return (id.toString(16).length % 2 ? `0${id.toString(16)}` : id.toString(16))
    .match(/../g)!
    .map((pair) => Number.parseInt(pair, 16));
}

/** A size in `length` bytes. */
export function sizeBytes(size: number, length = 4): number[] {
  const bytes = Array.from(
    { length },
    (_, index) => Math.floor(size / 2 ** (8 * (length - 1 - index))) % 256,
  );
  bytes[0]! |= 1 << (8 - length);
  return bytes;
}

export const UNKNOWN_SIZE = [0x01, 255, 255, 255, 255, 255, 255, 255];

export function el(id: number, ...parts: Body[]): Uint8Array<ArrayBuffer> {
  const whole = concat(...parts);
  return concat(idBytes(id), sizeBytes(whole.length), whole);
}

export function num(value: number, length = 4): number[] {
  return Array.from(
    { length },
    (_, index) => Math.floor(value / 2 ** (8 * (length - 1 - index))) % 256,
  );
}

export const str = (text: string): number[] => [...new TextEncoder().encode(text)];

export const EBML_HEAD = el(0x1a45dfa3, el(0x4282, str("matroska")));

/** A sound track with number 1, with further elements in its entry. */
export function audioTrack(...more: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return el(
    0xae,
    el(0xd7, [1]),
    el(0x83, [2]),
    el(0x86, str("A_AC3")),
    el(0xe1, el(0xb5, [0x47, 0x3b, 0x80, 0]), el(0x9f, [2])),
    ...more,
  );
}

/** A SimpleBlock of track 1. */
export function simple(time: number, frame: Body, flags = 0x80): Uint8Array<ArrayBuffer> {
  return el(0xa3, [0x81, (time >> 8) & 255, time & 255, flags], frame);
}
