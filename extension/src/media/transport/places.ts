// Finds where to begin in a transport stream for a time: reckons where its key picture lies, looks
// there, and goes on reading from what it looked at.
//
// Each look costs a request, and of a torrent a piece, so one that comes near enough is read on
// instead of looking again, and nothing is read twice.

import { Cursor, type RangeSource } from "../reader";
import type { Known, Place } from "./known";
import { beginsSequence, type Layout, type Packet, packets, since, timeOf } from "./packets";

/** It is aimed this much before a key picture, seconds: reckoning is not exact. */
const MARGIN_S = 0.15;
/** What is left to read up to the place that was aimed at, at most, bytes: beyond it another look is sooner there. */
const MOST_LEFT = 384 << 10;
const MOST_LOOKS = 14;
/** Two places this close are near enough, bytes. */
const CLOSE = 64 << 10;
/** How much is read for a time, bytes. */
const MOST_FOR_TIME = 1 << 20;
/** The same for a key picture. */
const MOST_FOR_KEY = 32 << 20;
/** Pictures lie in the file in another order than they are shown, by at most this much, seconds. */
const ORDER_S = 0.2;
/** A key picture this much before the wanted time is near, seconds. */
const NEAR_S = 5;
/** How far back a key picture is looked for next, bytes: at first and at most. */
const FIRST_BACK = 96 << 10;
const MOST_BACK = 2 << 20;
/** How far back it is looked for at all, bytes. */
const FURTHEST_BACK = 64 << 20;

export interface Ground {
  source: RangeSource;
  layout: Layout;
  /** The first time in it, seconds. */
  origin: number;
  /** Its length, seconds, where that is known. */
  duration: number | undefined;
  known: Known;
  /** The stream by which places are found. */
  pid: number;
  isVideo: boolean;
  /** Is told of each cursor, so that it can be ended. */
  opened(cursor: Cursor): void;
}

/**
 * Cursors from a key picture on, at or before `target` (seconds from the first time). The first one stands at it; each ends where the next one stands.
 * Where there is none so early, they stand at the file's beginning.
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
    // No key picture in time: further back, and what has come is kept.
    cursor.rest();
    chain.unshift(cursor);
    if (cursor.at === 0) return chain;
    const aimed = chain.at(-1)!;
    if (aimed.at - cursor.at > FURTHEST_BACK) {
      // A film without key pictures that are marked as such: the picture comes together where it
      // was to begin.
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

/** A cursor shortly before `aim`. If it stands a little behind `latest` already, `back` tells by how many bytes. */
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
    // What is left up to there is read on.
    if ((aim - low.time) * bytesPerSecond < CLOSE) break;
    // Where the rate differs from stretch to stretch, halving gets nearer than reckoning.
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

/** Packets at a cursor, which stays where it stands; their places are counted from there. */
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

/** The first time behind a cursor. */
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
 * How far behind a cursor a key picture begins that is shown at `target` or before: the first one that is so near that decoding from there takes no
 * time, or else the last one.
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

/** Whether what begins in a packet can be entered, as far as its first bytes show; sound can always. */
export function canEnter({ random, payload }: Packet, isVideo: boolean): boolean {
  return !isVideo || random || beginsSequence(payload);
}
