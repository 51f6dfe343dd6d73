// Packets of an MPEG transport stream (ISO/IEC 13818-1, 2.4.3): 188 bytes, or 192 with a clock
// (M2TS).

const SYNC = 0x47;
/** When time stamps wrap around, in seconds. */
export const WRAP_S = 2 ** 33 / 90_000;

/** How packets are arranged in the file. */
export interface Layout {
  /** Bytes from one packet to the next, and how many of them come before the sync byte. */
  stride: 188 | 192;
  lead: 0 | 4;
}

/** The layout of a file, from its first bytes. */
export function layoutOf(bytes: Uint8Array): Layout | undefined {
  const holds = (lead: number, stride: number): boolean =>
    [0, 1, 2].every((index) => bytes[lead + index * stride] === SYNC);
  if (holds(0, 188)) return { stride: 188, lead: 0 };
  return holds(4, 192) ? { stride: 192, lead: 4 } : undefined;
}

/** One packet. */
export interface Packet {
  /** Offset of the packet, including bytes before its sync byte. */
  at: number;
  pid: number;
  /** Whether a section, or a PES packet, begins in it. */
  starts: boolean;
  /** The packet says that the stream can be entered here. */
  random: boolean;
  payload: Uint8Array;
}

/**
 * The packets in a stretch, from the first whole one on. After damaged bytes, it continues at the
 * next packet.
 */
export function* packets(bytes: Uint8Array, { stride, lead }: Layout): Generator<Packet> {
  let at = synced(bytes, stride, lead, 0);
  while (at !== undefined && at + lead + 188 <= bytes.length) {
    if (bytes[at + lead] !== SYNC) {
      at = synced(bytes, stride, lead, at + 1);
      continue;
    }
    const packet = bytes.subarray(at + lead, at + lead + 188);
    const control = packet[3]!;
    const adaptation = control & 0x20 ? 1 + packet[4]! : 0;
    const payload =
      control & 0x10 ? packet.subarray(Math.min(188, 4 + adaptation)) : packet.subarray(188);
    yield {
      at,
      pid: ((packet[1]! & 31) << 8) | packet[2]!,
      starts: (packet[1]! & 0x40) !== 0,
      random: adaptation > 1 && (packet[5]! & 0x40) !== 0,
      payload,
    };
    at += stride;
  }
}

/** Offset of the next packet: three sync bytes in a row, or as many as there are. */
function synced(bytes: Uint8Array, stride: number, lead: number, from: number): number | undefined {
  for (let at = from; at + lead < bytes.length; at += 1) {
    if ([0, 1, 2].every((index) => (bytes[at + lead + index * stride] ?? SYNC) === SYNC)) return at;
  }
  return undefined;
}

/** The presentation time in a PES head, in seconds. */
export function timeOf(payload: Uint8Array): number | undefined {
  if (payload.length < 14) return undefined;
  const stream = payload[3]!;
  if (
    payload[0] !== 0 ||
    payload[1] !== 0 ||
    payload[2] !== 1 ||
    !(stream >= 0xc0 || stream === 0xbd) ||
    (payload[7]! & 0x80) === 0
  )
    return undefined;
  const high = (payload[9]! >> 1) & 7;
  const low =
    (payload[10]! << 22) | ((payload[11]! >> 1) << 15) | (payload[12]! << 7) | (payload[13]! >> 1);
  return (high * 2 ** 30 + low) / 90_000;
}

/** The last time in a stretch, in seconds from `origin`. `undefined` if there is none. */
export function lastTime(bytes: Uint8Array, layout: Layout, origin: number): number | undefined {
  let last: number | undefined;
  for (const { starts, payload } of packets(bytes, layout)) {
    const time = starts ? timeOf(payload) : undefined;
    if (time !== undefined) last = Math.max(last ?? -Infinity, since(origin, time));
  }
  return last;
}

/** Seconds from one time to another, across the wrap of the clock. */
export function since(origin: number, time: number): number {
  const seconds = time - origin;
  return seconds < -WRAP_S / 2 ? seconds + WRAP_S : seconds;
}

/**
 * Whether an H.264 picture in this payload can be decoded by itself, as far as its first bytes
 * show.
 */
export function beginsSequence(payload: Uint8Array): boolean {
  for (let at = 9 + (payload[8] ?? 0); at + 3 < payload.length; at += 1) {
    if (payload[at] !== 0 || payload[at + 1] !== 0 || payload[at + 2] !== 1) continue;
    const unit = payload[at + 3]! & 31;
    if (unit === 5 || unit === 7) return true;
  }
  return false;
}
