// Writes fragmented MP4 for Media Source Extensions (ISO/IEC 14496-12), one track per file.
//
// All times are in µs. Samples are written as they come, without reordering.

import { joined } from "../model/bytes";
import type { Stream } from "./film";

/** Ticks per second in everything written. */
const TIMESCALE = 1_000_000;

/** One frame to write. */
export interface Sample {
  /** Decoding time in µs. Not negative and growing. */
  dts: number;
  /** Presentation time in µs. */
  pts: number;
  /** In µs. */
  duration: number;
  key: boolean;
  data: Uint8Array;
}

type Part = Uint8Array | number[];

function box(type: string, ...parts: Part[]): Uint8Array<ArrayBuffer> {
  const size = parts.reduce((sum, part) => sum + part.length, 8);
  const bytes = new Uint8Array(size);
  bytes.set(u32(size));
  for (let i = 0; i < 4; i += 1) bytes[4 + i] = type.charCodeAt(i);
  let at = 8;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const u16 = (value: number): number[] => [(value >>> 8) & 255, value & 255];
const u24 = (value: number): number[] => [(value >>> 16) & 255, (value >>> 8) & 255, value & 255];
const u32 = (value: number): number[] => [
  (value >>> 24) & 255,
  (value >>> 16) & 255,
  (value >>> 8) & 255,
  value & 255,
];
const u64 = (value: number): number[] => [
  ...u32(Math.floor(value / 2 ** 32)),
  ...u32((value % 2 ** 32) | 0),
];
const zeros = (count: number): number[] => new Array<number>(count).fill(0);
const MATRIX = [...u32(0x10000), ...zeros(12), ...u32(0x10000), ...zeros(12), ...u32(0x40000000)];

/** The init segment of one track: `ftyp` and `moov`. */
export function initSegment(stream: Stream): Uint8Array<ArrayBuffer> {
  const video = stream.type === "video";
  const name = [...(video ? "vide" : "soun")].map((char) => char.charCodeAt(0));
  const ftyp = box("ftyp", [...ascii("iso6"), ...u32(0), ...ascii("iso6"), ...ascii("mp41")]);
  const mvhd = box(
    "mvhd",
    zeros(12),
    u32(TIMESCALE),
    u32(0),
    u32(0x10000),
    u16(0x100),
    zeros(10),
    MATRIX,
    zeros(24),
    u32(2),
  );
  const tkhd = box(
    "tkhd",
    u32(7),
    zeros(8),
    u32(1),
    zeros(8),
    zeros(12),
    u16(video ? 0 : 0x100),
    zeros(2),
    MATRIX,
    u32(stream.width << 16),
    u32(stream.height << 16),
  );
  const mdhd = box("mdhd", zeros(12), u32(TIMESCALE), u32(0), u16(0x55c4), u16(0));
  const hdlr = box("hdlr", zeros(8), name, zeros(13));
  const header = video ? box("vmhd", u32(1), zeros(8)) : box("smhd", zeros(8));
  const dinf = box("dinf", box("dref", u32(0), u32(1), box("url ", u32(1))));
  const stbl = box(
    "stbl",
    box("stsd", u32(0), u32(1), video ? videoEntry(stream) : audioEntry(stream)),
    box("stts", zeros(8)),
    box("stsc", zeros(8)),
    box("stsz", zeros(12)),
    box("stco", zeros(8)),
  );
  const trak = box("trak", tkhd, box("mdia", mdhd, hdlr, box("minf", header, dinf, stbl)));
  const mvex = box("mvex", box("trex", u32(0), u32(1), u32(1), zeros(12)));
  return joined([ftyp, box("moov", mvhd, trak, mvex)]);
}

const ascii = (text: string): number[] => [...text].map((char) => char.charCodeAt(0));

function videoEntry(stream: Stream): Uint8Array {
  const config = stream.config ?? new Uint8Array(0);
  const head = [
    ...zeros(6),
    ...u16(1),
    ...zeros(16),
    ...u16(stream.width),
    ...u16(stream.height),
    ...u32(0x480000),
    ...u32(0x480000),
    ...u32(0),
    ...u16(1),
    ...zeros(32),
    ...u16(0x18),
    ...u16(0xffff),
  ];
  switch (stream.codec) {
    case "h264":
      return box("avc1", head, box("avcC", config));
    case "hevc":
      return box("hvc1", head, box("hvcC", config));
    case "av1":
      return box("av01", head, box("av1C", config));
    case "vp9": {
      const [, profile, level, bits] = stream.codecString.split(".").map(Number);
      // 4:2:0, unspecified colours (VP Codec ISO Media File Format Binding, 2.2).
      return box(
        "vp09",
        head,
        box("vpcC", u32(0x1000000), [
          profile ?? 0,
          level ?? 10,
          ((bits ?? 8) << 4) | (1 << 1),
          2,
          2,
          2,
          0,
          0,
        ]),
      );
    }
    default:
      throw new Error(`no sample entry for ${stream.codec}`);
  }
}

function audioEntry(stream: Stream): Uint8Array {
  const config = stream.config ?? new Uint8Array(0);
  const rate = Math.round(stream.sampleRate);
  // Chrome compares the sample size with the one in FLAC's head.
  const bits = stream.codec === "flac" ? flacBits(config) : 16;
  // The rate is a 16.16 number. Larger rates are only in the codec's configuration.
  const head = [
    ...zeros(6),
    ...u16(1),
    ...zeros(8),
    ...u16(stream.channels),
    ...u16(bits),
    ...zeros(4),
    ...u16(rate > 65535 ? 0 : rate),
    ...u16(0),
  ];
  switch (stream.codec) {
    case "aac":
      return box("mp4a", head, esds(0x40, config));
    case "mp3":
      return box("mp4a", head, esds(0x6b, new Uint8Array(0)));
    case "opus":
      return box("Opus", head, box("dOps", opusBox(config, stream.channels)));
    case "flac":
      return box("fLaC", head, box("dfLa", u32(0), flacBlocks(config)));
    default:
      throw new Error(`no sample entry for ${stream.codec}`);
  }
}

/** FLAC's STREAMINFO alone, marked as the last metadata block (RFC 9639, 8). */
function flacBlocks(config: Uint8Array): Uint8Array {
  const blocks = config.subarray(String.fromCharCode(...config.subarray(0, 4)) === "fLaC" ? 4 : 0);
  const info = blocks.slice(0, 4 + 34);
  if (info.length > 0) info[0] = 0x80;
  return info;
}

function flacBits(config: Uint8Array): number {
  const info = flacBlocks(config).subarray(4);
  return info.length < 14 ? 16 : (((info[12]! & 1) << 4) | (info[13]! >> 4)) + 1;
}

/** ISO/IEC 14496-1, 7.2.6.5. */
function esds(objectType: number, config: Uint8Array): Uint8Array {
  const sized = (tag: number, body: number[]): number[] => [
    tag,
    0x80 | ((body.length >> 21) & 127),
    0x80 | ((body.length >> 14) & 127),
    0x80 | ((body.length >> 7) & 127),
    body.length & 127,
    ...body,
  ];
  const specific = config.length > 0 ? sized(5, [...config]) : [];
  const decoder = sized(4, [objectType, 0x15, ...u24(0), ...u32(0), ...u32(0), ...specific]);
  return box("esds", u32(0), sized(3, [...u16(1), 0, ...decoder, ...sized(6, [2])]));
}

/** Converts an OpusHead (RFC 7845, little endian) to `dOps` (big endian). */
function opusBox(head: Uint8Array, channels: number): number[] {
  if (head.length < 19) return [0, channels, ...u16(312), ...u32(48000), 0, 0, 0];
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  return [
    0,
    head[9]!,
    ...u16(view.getUint16(10, true)),
    ...u32(view.getUint32(12, true)),
    ...u16(view.getUint16(16, true)),
    ...head.subarray(18),
  ];
}

const KEY = 0x02000000;
const NOT_KEY = 0x01010000;

/** A `moof` with its `mdat`. Durations and composition offsets are clamped to 32 bits. */
export function fragment(sequence: number, samples: readonly Sample[]): Uint8Array<ArrayBuffer> {
  const first = samples[0];
  if (!first) throw new Error("a fragment needs at least one sample");
  const table = new Uint8Array(samples.length * 16);
  const view = new DataView(table.buffer);
  let size = 8;
  for (const [index, sample] of samples.entries()) {
    const at = index * 16;
    view.setUint32(at, Math.min(Math.max(0, Math.round(sample.duration)), 0xffffffff));
    view.setUint32(at + 4, sample.data.length);
    view.setUint32(at + 8, sample.key ? KEY : NOT_KEY);
    view.setInt32(
      at + 12,
      Math.min(Math.max(Math.round(sample.pts - sample.dts), -0x80000000), 0x7fffffff),
    );
    size += sample.data.length;
  }
  const mfhd = box("mfhd", u32(0), u32(sequence));
  const tfhd = box("tfhd", u32(0x020000), u32(1));
  const tfdt = box("tfdt", u32(0x1000000), u64(Math.max(0, Math.round(first.dts))));
  // trun, version 1: data offset; then per sample duration, size, flags, signed composition offset.
  const moofSize = 8 + mfhd.length + 8 + tfhd.length + tfdt.length + 20 + table.length;
  const trun = box("trun", u32(0x1000f01), u32(samples.length), u32(moofSize + 8), table);
  const moof = box("moof", mfhd, box("traf", tfhd, tfdt, trun));
  const whole = new Uint8Array(moof.length + size);
  whole.set(moof);
  whole.set([...u32(size), ...ascii("mdat")], moof.length);
  let at = moof.length + 8;
  for (const sample of samples) {
    whole.set(sample.data, at);
    at += sample.data.length;
  }
  return whole;
}
