// Parses MPEG program streams, as on DVDs (ISO/IEC 13818-1, 2.5), and bare MPEG video.

import type { Stream } from "../film";
import type { Named } from "../names";
import { type Bytes, type Head, track } from "./head";
import { mpegAudio } from "./sound";
import { WRAP_S } from "../transport/packets";

interface Pes {
  id: number;
  /** Of a private stream: the first byte of its payload. */
  sub: number;
  payload: number;
  end: number;
  /** In seconds. */
  time: number | undefined;
}

/** Reads the first packets of an MPEG program stream. */
export function readProgram(bytes: Bytes): Head {
  const streams = new Map<number, Stream>();
  if (bytes.u8(3) === 0xb3) {
    const picture = pictureAt(bytes, 0, bytes.length);
    return { container: "mpegps", duration: undefined, streams: picture ? [picture] : [] };
  }
  for (const { id, sub, payload, end } of packets(bytes)) {
    const key = id === 0xbd ? 0xbd00 | sub : id;
    if (streams.has(key) || streams.size >= 32) continue;
    let stream: Stream | undefined;
    if ((id & 0xf0) === 0xe0) stream = pictureAt(bytes, payload, end);
    else if ((id & 0xe0) === 0xc0) stream = soundAt(bytes, key, payload, end);
    else if (id === 0xbd) {
      const named = privateSound(sub);
      if (named) stream = track(key, "audio", named, `private ${sub.toString(16)}`);
    }
    if (stream) streams.set(key, stream);
  }
  const found = [...streams.values()];
  const origin = beginning(times(bytes));
  return {
    container: "mpegps",
    duration: undefined,
    origin: Number.isFinite(origin) ? origin * 1e6 : 0,
    streams: [
      ...found.filter(({ type }) => type === "video"),
      ...found.filter(({ type }) => type === "audio"),
    ],
  };
}

/**
 * Seconds from the first time stamp in `first` to the last in `last`. `undefined` if one has none.
 */
export function programDuration(first: Bytes, last: Bytes): number | undefined {
  const begin = beginning(times(first));
  const end = Math.max(...times(last));
  if (!Number.isFinite(begin) || !Number.isFinite(end)) return undefined;
  return end >= begin ? end - begin : end - begin + WRAP_S;
}

const times = (bytes: Bytes): number[] =>
  [...packets(bytes)].flatMap(({ time }) => (time === undefined ? [] : [time]));

/** Packets are slightly out of order: the smallest of the first few times. */
const beginning = (all: number[]): number => Math.min(...all.slice(0, 20));

/** The packets of a stretch, from the first complete one on. */
function* packets(bytes: Bytes): Generator<Pes> {
  for (let at = 0; ; ) {
    while (at + 9 <= bytes.length && !(bytes.u24(at) === 1 && bytes.u8(at + 3) >= 0xba)) at += 1;
    if (at + 9 > bytes.length) return;
    const id = bytes.u8(at + 3);
    if (id === 0xba) {
      at += (bytes.u8(at + 4) & 0xc0) === 0x40 ? 14 + (bytes.u8(at + 13) & 7) : 12;
      continue;
    }
    const end = at + 6 + bytes.u16(at + 4, false);
    if (id === 0xbd || (id >= 0xc0 && id <= 0xef)) {
      const { payload, time } = header(bytes, at + 6);
      yield {
        id,
        sub: bytes.u8(payload),
        payload: id === 0xbd ? payload + 1 : payload,
        end: Math.min(end, bytes.length),
        time,
      };
    }
    at = end;
  }
}

function header(bytes: Bytes, from: number): { payload: number; time: number | undefined } {
  if ((bytes.u8(from) & 0xc0) === 0x80) {
    const payload = from + 3 + bytes.u8(from + 2);
    return { payload, time: bytes.u8(from + 1) & 0x80 ? stamp(bytes, from + 3) : undefined };
  }
  // MPEG-1: stuffing, buffer size, then the times.
  let at = from;
  while (bytes.u8(at) === 0xff && at < from + 16) at += 1;
  if ((bytes.u8(at) & 0xc0) === 0x40) at += 2;
  const kind = bytes.u8(at) >> 4;
  if (kind === 2) return { payload: at + 5, time: stamp(bytes, at) };
  if (kind === 3) return { payload: at + 10, time: stamp(bytes, at) };
  return { payload: at + 1, time: undefined };
}

function stamp(bytes: Bytes, at: number): number {
  const high = (bytes.u8(at) >> 1) & 7;
  const low =
    (bytes.u8(at + 1) << 22) |
    ((bytes.u8(at + 2) >> 1) << 15) |
    (bytes.u8(at + 3) << 7) |
    (bytes.u8(at + 4) >> 1);
  return (high * 2 ** 30 + low) / 90_000;
}

/** A sequence header has the size. The extension after it tells MPEG-2 from MPEG-1. */
function pictureAt(bytes: Bytes, from: number, to: number): Stream | undefined {
  for (let at = from; at + 12 <= to; at += 1) {
    if (bytes.u24(at) !== 1 || bytes.u8(at + 3) !== 0xb3) continue;
    const [width, height] = [
      (bytes.u8(at + 4) << 4) | (bytes.u8(at + 5) >> 4),
      ((bytes.u8(at + 5) & 15) << 8) | bytes.u8(at + 6),
    ];
    let next = at + 12;
    while (next + 4 <= to && !(bytes.u24(next) === 1)) next += 1;
    const named: Named =
      next + 4 <= to && bytes.u8(next + 3) === 0xb5
        ? { codec: "mpeg2" }
        : { codec: "other", name: "MPEG-1" };
    return track(0xe0, "video", named, "MPEG video", { width, height });
  }
  return undefined;
}

function soundAt(bytes: Bytes, key: number, from: number, to: number): Stream {
  for (let at = from; at + 4 <= to; at += 1) {
    if (bytes.u8(at) !== 0xff || (bytes.u8(at + 1) & 0xe0) !== 0xe0 || (bytes.u8(at + 1) & 6) === 0)
      continue;
    const { named, sampleRate, channels } = mpegAudio(bytes, at);
    return track(key, "audio", named, "MPEG audio", { sampleRate, channels });
  }
  return track(key, "audio", { codec: "mp2" }, "MPEG audio");
}

/** The sound formats of DVDs in private stream 1. */
function privateSound(sub: number): Named | undefined {
  if (sub >= 0x80 && sub <= 0x87) return { codec: "ac3" };
  if (sub >= 0x88 && sub <= 0x8f) return { codec: "dts" };
  return sub >= 0xa0 && sub <= 0xaf ? { codec: "pcm" } : undefined;
}
