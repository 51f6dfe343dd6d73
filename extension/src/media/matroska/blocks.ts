// Parses SimpleBlocks and Blocks: their head, and frames with all three lacings (RFC 9559, 10).

import { uint, UNKNOWN, vint } from "./ebml";

/** The head of a block, and its frames. */
export interface Block {
  track: number;
  /** Relative to the cluster, in ticks. */
  time: number;
  /** For a SimpleBlock. A Block's group tells whether it is a key frame. */
  key: boolean;
  frames: Uint8Array[];
}

/** The track of a block, from its first bytes. `undefined` if they make no sense. */
export function trackOf(bytes: Uint8Array): number | undefined {
  const track = vint(bytes, 0);
  return typeof track === "string" || track.value === UNKNOWN ? undefined : track.value;
}

/**
 * Splits a block into frames, which are views of `bytes`. `undefined` if its sizes are
 * contradictory.
 */
export function parseBlock(bytes: Uint8Array): Block | undefined {
  const track = vint(bytes, 0);
  if (typeof track === "string" || bytes.length < track.length + 3) return undefined;
  const at = track.length;
  const time = ((bytes[at]! << 24) >> 16) | bytes[at + 1]!;
  const flags = bytes[at + 2]!;
  const frames = unlace(bytes.subarray(at + 3), (flags >> 1) & 3);
  return frames && { track: track.value, time, key: (flags & 0x80) !== 0, frames };
}

function unlace(body: Uint8Array, lacing: number): Uint8Array[] | undefined {
  if (lacing === 0) return [body];
  const count = (body[0] ?? -1) + 1;
  if (count === 0) return undefined;
  if (lacing === 2) {
    const size = (body.length - 1) / count;
    return Number.isInteger(size)
      ? cut(
          body,
          1,
          Array.from({ length: count }, () => size),
        )
      : undefined;
  }
  const head = lacing === 1 ? xiph(body, count) : ebml(body, count);
  if (!head) return undefined;
  const used = head.sizes.reduce((sum, size) => sum + size, 0);
  head.sizes.push(body.length - head.at - used);
  return cut(body, head.at, head.sizes);
}

function cut(body: Uint8Array, from: number, sizes: number[]): Uint8Array[] | undefined {
  const frames: Uint8Array[] = [];
  let at = from;
  for (const size of sizes) {
    if (size < 0 || at + size > body.length) return undefined;
    frames.push(body.subarray(at, at + size));
    at += size;
  }
  return frames;
}

/** Sizes as sums of bytes, all 255 but the last. */
function xiph(body: Uint8Array, count: number): { sizes: number[]; at: number } | undefined {
  const sizes: number[] = [];
  let at = 1;
  while (sizes.length < count - 1) {
    let size = 0;
    for (;;) {
      const byte = body[at];
      if (byte === undefined) return undefined;
      at += 1;
      size += byte;
      if (byte !== 255) break;
    }
    sizes.push(size);
  }
  return { sizes, at };
}

/** The first size, then signed differences. */
function ebml(body: Uint8Array, count: number): { sizes: number[]; at: number } | undefined {
  const sizes: number[] = [];
  let at = 1;
  let size = 0;
  while (sizes.length < count - 1) {
    const number = vint(body, at);
    if (typeof number === "string") return undefined;
    // All ones never occur as a size, and mean the largest value as a difference.
    const value = number.value === UNKNOWN ? 2 ** (7 * number.length) - 1 : number.value;
    size = sizes.length === 0 ? value : size + value - (2 ** (7 * number.length - 1) - 1);
    if (size < 0 || size > body.length) return undefined;
    at += number.length;
    sizes.push(size);
  }
  return { sizes, at };
}

/** The duration of a block group, and whether it refers to no other frame. */
export function groupFacts(elements: Iterable<{ id: number; data: Uint8Array }>): {
  block: Uint8Array | undefined;
  duration: number | undefined;
  key: boolean;
} {
  let block: Uint8Array | undefined;
  let duration: number | undefined;
  let key = true;
  for (const { id, data } of elements) {
    if (id === 0xa1) block = data;
    else if (id === 0x9b) duration = uint(data);
    else if (id === 0xfb) key = false;
  }
  return { block, duration, key };
}
