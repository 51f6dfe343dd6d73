// Finds where to start reading a transport stream for a time.
//
// It estimates where the key frame is, reads there, and corrects the estimate. Each try costs a
// request, and often a piece of the torrent. So a try that comes close enough is read on, and
// nothing is read twice.

import { Cursor, type RangeSource } from "../reader";
import type { Known, Place } from "./known";
import { beginsSequence, type Layout, type Packet, packets, since, timeOf } from "./packets";

/** How far before a key frame it aims, in seconds, because estimates are not exact. */
const MARGIN_S = 0.15;
/** Most bytes to read on to the aimed place. Beyond it, another try is faster. */
const MOST_LEFT = 384 << 10;
const MOST_LOOKS = 14;
/** Two places this close are close enough, in bytes. */
const CLOSE = 64 << 10;
/** How many bytes are read to find a time. */
const MOST_FOR_TIME = 1 << 20;
/** How many bytes are read to find a key frame. */
const MOST_FOR_KEY = 32 << 20;
/** Pictures in the file are out of order by at most this, in seconds. */
const ORDER_S = 0.2;
/** A key frame this much before the wanted time is near, in seconds. */
const NEAR_S = 5;
/** How far back the search for a key frame goes: first, and per step at most, in bytes. */
const FIRST_BACK = 96 << 10;
const MOST_BACK = 2 << 20;
/** How far back the search goes in total, in bytes. */
const FURTHEST_BACK = 64 << 20;

/** What the search for a place needs. */
export interface Ground {
  source: RangeSource;
  layout: Layout;
  /** The first time in the file, in seconds. */
  origin: number;
  /** The file's length in seconds, if known. */
  duration: number | undefined;
  known: Known;
  /** The stream that is used to find places. */
  pid: number;
  isVideo: boolean;
  /** Called with each new cursor, so that the owner can cancel it. */
  opened(cursor: Cursor): void;
}

/**
 * Cursors from a key frame at or before `target` (seconds from the first time). The first one is at
 * the key frame; each ends where the next one is. Without a key frame that early, they start at the
 * file's start.
 */
export async function placeFor(ground: Ground, target: number): Promise<Cursor[]> {
  const exact = ground.known.enter(target);
  if (exact !== undefined) return [open(ground, exact)];
  const expected = ground.isVideo ? ground.known.expected(target) : target;
  const aim = Math.max(0, (expected ?? target - ground.known.distance) - MARGIN_S);
  let { cursor, back } = await near(ground, aim, expected ?? target);
  const chain: Cursor[] = [];
  for (;;) {
    const key = back === 0 ? await keyBehind(ground, cursor, target) : undefined;
    if (key !== undefined) {
      await cursor.skip(key);
      return [cursor, ...chain];
    }
    // No key frame in time: search further back, and keep what was read.
    cursor.rest();
    chain.unshift(cursor);
    if (cursor.at === 0) return chain;
    const aimed = chain.at(-1)!;
    if (aimed.at - cursor.at > FURTHEST_BACK) {
      // The film has no marked key frames: start at the aimed place, where the picture builds up.
      for (const other of chain.slice(0, -1)) other.cancel();
      return [aimed];
    }
    const step = back || Math.min(FIRST_BACK * 2 ** (chain.length - 1), MOST_BACK);
    back = 0;
    cursor = open(ground, aligned(ground, cursor.at - step), cursor.at);
  }
}

const aligned = ({ layout: { stride } }: Ground, at: number): number =>
  Math.max(0, Math.floor(at / stride) * stride);

function open(ground: Ground, at: number, end?: number): Cursor {
  const cursor = new Cursor(ground.source, at, end);
  ground.opened(cursor);
  return cursor;
}

/** A cursor shortly before `aim`. If it is after `latest`, `back` tells by how many bytes. */
async function near(
  ground: Ground,
  aim: number,
  latest: number,
): Promise<{ cursor: Cursor; back: number }> {
  const { known, duration = Infinity } = ground;
  const size = await sizeOf(ground);
  const [before, after] = known.around(aim);
  let low: Place = before ?? { at: 0, time: 0 };
  let high: Place = after ?? { at: size, time: Math.max(duration, aim + 0.1) };
  let halve = false;
  for (let looks = 0; looks < MOST_LOOKS && high.at - low.at > CLOSE; looks += 1) {
    const width = high.at - low.at;
    const bytesPerSecond = width / Math.max(0.1, high.time - low.time);
    // The rest of the way is read on.
    if ((aim - low.time) * bytesPerSecond < CLOSE) break;
    // Where the bitrate varies, bisection gets closer than interpolation.
    const share =
      Number.isFinite(high.time) && !halve
        ? Math.min(0.98, Math.max(0.02, (aim - low.time) / (high.time - low.time)))
        : 0.5;
    const cursor = open(ground, aligned(ground, low.at + width * share));
    const found = await firstTime(ground, cursor);
    if (found) known.note(found);
    if (found && found.at < high.at && found.time <= latest) {
      if ((aim - found.time) * bytesPerSecond <= MOST_LEFT) return { cursor, back: 0 };
      low = found;
    } else if (found && found.at < high.at && (found.time - aim) * bytesPerSecond <= MOST_LEFT) {
      return { cursor, back: Math.max(CLOSE / 2, Math.ceil((found.time - aim) * bytesPerSecond)) };
    } else high = { at: cursor.at, time: found && found.at < high.at ? found.time : high.time };
    cursor.cancel();
    halve = !halve && high.at - low.at > width / 2;
  }
  return { cursor: open(ground, low.at), back: 0 };
}

async function sizeOf({ source, opened }: Ground): Promise<number> {
  if (source.size === undefined) {
    const cursor = new Cursor(source, 0, 1);
    opened(cursor);
    await cursor.need(1);
  }
  return source.size ?? 0;
}

/** Packets at a cursor, which does not move. Their offsets count from it. */
async function* looking(cursor: Cursor, layout: Layout, most: number): AsyncGenerator<Packet> {
  const { stride } = layout;
  for (let seen = 0; seen < most; ) {
    const isMore = await cursor.need(seen + stride * 3);
    const bytes = cursor.peek(cursor.ready).subarray(seen);
    let used = 0;
    for (const packet of packets(bytes, layout)) {
      used = packet.at + stride;
      yield { ...packet, at: seen + packet.at };
    }
    seen += used || Math.max(0, bytes.length - 2 * stride);
    if (!isMore) return;
  }
}

/** The first time after a cursor. */
async function firstTime(
  { layout, origin, pid }: Ground,
  cursor: Cursor,
): Promise<Place | undefined> {
  for await (const packet of looking(cursor, layout, MOST_FOR_TIME)) {
    const time = packet.pid === pid && packet.starts ? timeOf(packet.payload) : undefined;
    if (time !== undefined) return { at: cursor.at + packet.at, time: since(origin, time) };
  }
  return undefined;
}

/**
 * The distance from a cursor to a key frame at or before `target`: the first one that is near
 * enough to decode from quickly, or else the last one.
 */
async function keyBehind(
  { layout, origin, pid, isVideo, known }: Ground,
  cursor: Cursor,
  target: number,
): Promise<number | undefined> {
  const pass = known.walk();
  let last: number | undefined;
  for await (const packet of looking(cursor, layout, MOST_FOR_KEY)) {
    const time = packet.pid === pid && packet.starts ? timeOf(packet.payload) : undefined;
    if (time === undefined) continue;
    const seconds = since(origin, time);
    const isKey = canEnter(packet, isVideo);
    pass({ at: cursor.at + packet.at, time: seconds }, isKey);
    if (seconds > target + ORDER_S) break;
    if (isKey && seconds <= target) last = packet.at;
    if (last === packet.at && seconds >= target - NEAR_S) break;
  }
  return last;
}

/**
 * Whether the stream can be entered at a packet, as far as its first bytes show. Sound always can.
 */
export function canEnter({ random, payload }: Packet, isVideo: boolean): boolean {
  return !isVideo || random || beginsSequence(payload);
}
