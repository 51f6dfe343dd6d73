// Converts H.264 from Annex B (ISO/IEC 14496-10) to MP4's form.

import { joined } from "../model/bytes";

/** The NAL units between start codes. */
function nalUnits(data: Uint8Array): Uint8Array[] {
  const units: Uint8Array[] = [];
  let start = -1;
  for (let at = 0; at + 2 < data.length; at += 1) {
    if (data[at + 2]! > 1) at += 2;
    else if (data[at] === 0 && data[at + 1] === 0 && data[at + 2] === 1) {
      if (start >= 0) units.push(trimmed(data.subarray(start, at)));
      start = at + 3;
      at += 2;
    }
  }
  if (start >= 0) units.push(trimmed(data.subarray(start)));
  return units.filter((unit) => unit.length > 0);
}

/** Zeros at the end belong to the next start code. */
function trimmed(unit: Uint8Array): Uint8Array {
  let end = unit.length;
  while (end > 0 && unit[end - 1] === 0) end -= 1;
  return unit.subarray(0, end);
}

const SPS = 7;
const PPS = 8;
const DELIMITER = 9;

/**
 * Writes a picture with a length before each unit. Parameter sets are kept, for streams that change
 * them.
 */
export function lengthPrefixed(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const units = nalUnits(data).filter((unit) => (unit[0]! & 31) !== DELIMITER);
  return joined(
    units.flatMap((unit) => [
      Uint8Array.of(unit.length >>> 24, unit.length >>> 16, unit.length >>> 8, unit.length),
      unit,
    ]),
  );
}

/**
 * Builds an avcC from a key frame's parameter sets (ISO/IEC 14496-15, 5.3.3). `undefined` if it has
 * none.
 */
export function avcConfig(data: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const units = nalUnits(data);
  const sps = units.find((unit) => (unit[0]! & 31) === SPS && unit.length >= 4);
  const pps = units.find((unit) => (unit[0]! & 31) === PPS);
  if (!sps || !pps || sps.length > 0xffff || pps.length > 0xffff) return undefined;
  return joined([
    Uint8Array.of(1, sps[1]!, sps[2]!, sps[3]!, 0xff, 0xe1, sps.length >> 8, sps.length & 255),
    sps,
    Uint8Array.of(1, pps.length >> 8, pps.length & 255),
    pps,
  ]);
}
