// The last presentation time in a stretch of an MPEG transport stream (ISO/IEC 13818-1, 2.4.3).

const SYNC = 0x47;

/** Seconds; `undefined` when no packet with a time is found. */
export function lastTime(bytes: Uint8Array): number | undefined {
  for (const size of [188, 192]) {
    const first = synced(bytes, size);
    if (first === undefined) continue;
    let last: number | undefined;
    for (let at = first; at + 188 <= bytes.length; at += size) {
      const time = bytes[at] === SYNC ? timeOf(bytes.subarray(at, at + 188)) : undefined;
      if (time !== undefined && (last === undefined || time > last)) last = time;
    }
    return last;
  }
  return undefined;
}

function synced(bytes: Uint8Array, size: number): number | undefined {
  for (let at = 0; at < size && at + 4 * size < bytes.length; at += 1) {
    if ([0, 1, 2, 3, 4].every((index) => bytes[at + index * size] === SYNC)) return at;
  }
  return undefined;
}

/** The PTS in the PES header that begins in this packet, if one of picture or sound does. */
function timeOf(packet: Uint8Array): number | undefined {
  if ((packet[1]! & 0x40) === 0 || (packet[3]! & 0x10) === 0) return undefined;
  const at = 4 + (packet[3]! & 0x20 ? 1 + packet[4]! : 0);
  if (at + 14 > packet.length) return undefined;
  const pes = packet.subarray(at);
  const stream = pes[3]!;
  if (pes[0] !== 0 || pes[1] !== 0 || pes[2] !== 1 || !(stream >= 0xc0 || stream === 0xbd) || (pes[7]! & 0x80) === 0) return undefined;
  const high = (pes[9]! >> 1) & 7;
  const low = (pes[10]! << 22) | ((pes[11]! >> 1) << 15) | (pes[12]! << 7) | (pes[13]! >> 1);
  return (high * 2 ** 30 + low) / 90_000;
}
