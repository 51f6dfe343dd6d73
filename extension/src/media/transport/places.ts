// Finds the place in a transport stream at which to begin for a time: by bisection with small reads, then by looking for a key picture.

import { beginsSequence, type Layout, packets, since, timeOf } from "./packets";

/** How much one probe reads at first, bytes, and at most. */
const PROBE = 32 << 10;
const MOST_PROBE = 1 << 20;
const MOST_PROBES = 14;
/** A place this much before the wanted time is near enough, seconds. */
const NEAR_S = 2;
/** Pictures lie in the file in another order than they are shown, by at most this much, seconds. */
const ORDER_S = 0.2;
/** How much is read at a time while looking for a key picture: 64 KiB of whole packets, about. */
const STEP_PACKETS = 348;

/** How far back the next stretch lies that is searched for a key picture, bytes: at first and at most. */
const FIRST_BACK = 96 << 10;
const MOST_BACK = 2 << 20;

export interface Ground {
  layout: Layout;
  /** Length of the file, bytes. */
  size: number;
  /** The first time in it, seconds. */
  origin: number;
  /** Its length, seconds, where that is known. */
  duration: number | undefined;
  /** A few bytes from anywhere. */
  probe(at: number, size: number): Promise<Uint8Array>;
  /** Bytes that will be wanted again. */
  read(from: number, to: number): Promise<Uint8Array>;
  /** Ends what `read` has under way. */
  stop(): void;
}

/** The offset of the packet at which to begin reading for `target` (seconds from the first time): of the last key picture of `pid` that is not later. */
export async function placeFor(ground: Ground, pid: number, isVideo: boolean, target: number): Promise<number> {
  const { size, layout } = ground;
  const align = (at: number): number => Math.max(0, Math.floor(at / layout.stride) * layout.stride);
  let low = { at: 0, time: 0 };
  let high = { at: size, time: ground.duration ?? Infinity };
  let halve = false;
  for (let count = 0; count < MOST_PROBES && target - low.time > NEAR_S && high.at - low.at > PROBE * 4; count += 1) {
    const aim = target - NEAR_S / 2;
    const width = high.at - low.at;
    // Where the rate differs from stretch to stretch, halving gets nearer than reckoning.
    const share = Number.isFinite(high.time) && !halve ? Math.min(0.98, Math.max(0.02, (aim - low.time) / (high.time - low.time))) : 0.5;
    const at = align(low.at + (high.at - low.at) * share);
    const found = await firstTime(ground, pid, at, high.at);
    if (!found) high = { at, time: high.time };
    else if (found.time <= target) low = found;
    else high = { at, time: found.time };
    halve = !halve && high.at - low.at > width / 2;
  }
  let found = await lastKey(ground, pid, isVideo, low.at, size, target);
  if (found !== undefined) return found;
  // No key picture since: further back, in stretches each of which is twice as long. What is read beyond them by then is not waited for.
  for (let back = FIRST_BACK, to = low.at; found === undefined && to > 0; back = Math.min(back * 2, MOST_BACK)) {
    ground.stop();
    const from = align(to - back);
    found = await lastKey(ground, pid, isVideo, from, to, target);
    to = from;
  }
  ground.stop();
  return found ?? 0;
}

/** The first time of a stream behind a place. */
async function firstTime(ground: Ground, pid: number, at: number, to: number): Promise<{ at: number; time: number } | undefined> {
  for (let size = PROBE; ; size *= 4) {
    const bytes = await ground.probe(at, Math.min(size, to - at));
    for (const packet of packets(bytes, ground.layout)) {
      const time = packet.pid === pid && packet.starts ? timeOf(packet.payload) : undefined;
      if (time !== undefined) return { at: at + packet.at, time: since(ground.origin, time) };
    }
    if (size >= MOST_PROBE || at + size >= to) return undefined;
  }
}

/** The last key picture between two places that is shown at `target` or before. */
async function lastKey(
  { layout, origin, read }: Ground,
  pid: number,
  isVideo: boolean,
  from: number,
  to: number,
  target: number,
): Promise<number | undefined> {
  let last: number | undefined;
  const step = STEP_PACKETS * layout.stride;
  for (let at = from; at < to; at += step) {
    const bytes = await read(at, Math.min(at + step, to));
    if (bytes.length === 0) break;
    for (const packet of packets(bytes, layout)) {
      if (packet.pid !== pid || !packet.starts) continue;
      const time = timeOf(packet.payload);
      if (time === undefined) continue;
      const seconds = since(origin, time);
      if (seconds > target + ORDER_S) return last;
      if (seconds <= target && (!isVideo || packet.random || beginsSequence(packet.payload))) last = at + packet.at;
    }
  }
  return last;
}
