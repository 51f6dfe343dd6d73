// Parses sound frame heads in transport streams: where a frame begins, its length and format.

import { aacConfig } from "../codecs";
import type { Codec } from "../film";

/** What a sound frame's head says. */
export interface Frame {
  /** In bytes, with its head. */
  length: number;
  /** Bytes at its start that a decoder does not get. */
  head: number;
  /**
   * Samples per channel. 0 for a frame to skip: an extension for some decoders, or another
   * programme.
   */
  samples: number;
  sampleRate: number;
  channels: number;
  codec: Codec;
  config?: Uint8Array;
}

/** Parses a frame head at an offset. `undefined` if there is none, "more" if bytes are missing. */
export type FrameReader = (bytes: Uint8Array, at: number) => Frame | "more" | undefined;

/** The frame reader for a codec. */
export function frameReader(codec: Codec): FrameReader | undefined {
  switch (codec) {
    case "aac":
      return adts;
    case "mp3":
      return layer3;
    case "ac3":
    case "eac3":
      return dolby;
    case "dts":
      return dts;
    default:
      return undefined;
  }
}

const AAC_RATES = [
  96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
];

/** ISO/IEC 14496-3, 1.A.2. */
function adts(bytes: Uint8Array, at: number): Frame | "more" | undefined {
  if (bytes[at] !== 0xff) return undefined;
  if (at + 7 > bytes.length) return "more";
  if ((bytes[at + 1]! & 0xf6) !== 0xf0) return undefined;
  const sampleRate = AAC_RATES[(bytes[at + 2]! >> 2) & 15];
  const head = bytes[at + 1]! & 1 ? 7 : 9;
  const length = ((bytes[at + 3]! & 3) << 11) | (bytes[at + 4]! << 3) | (bytes[at + 5]! >> 5);
  if (sampleRate === undefined || length <= head) return undefined;
  const layoutCode = ((bytes[at + 2]! & 1) << 2) | (bytes[at + 3]! >> 6);
  const config = aacConfig(sampleRate, layoutCode);
  config[0] = ((((bytes[at + 2]! >> 6) & 3) + 1) << 3) | (config[0]! & 7);
  return {
    length,
    head,
    samples: 1024,
    sampleRate,
    channels: layoutCode === 7 ? 8 : layoutCode || 2,
    codec: "aac",
    config,
  };
}

const MP3_RATES = [44100, 48000, 32000];
const MP3_KBITS = [
  [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/** ISO/IEC 11172-3, 2.4.1.3. */
function layer3(bytes: Uint8Array, at: number): Frame | "more" | undefined {
  if (bytes[at] !== 0xff) return undefined;
  if (at + 4 > bytes.length) return "more";
  const [second, third] = [bytes[at + 1]!, bytes[at + 2]!];
  const version = (second >> 3) & 3;
  const rate = MP3_RATES[(third >> 2) & 3];
  const kbits = MP3_KBITS[version === 3 ? 0 : 1]![third >> 4];
  if ((second & 0xe6) !== 0xe2 || version === 1 || !rate || !kbits) return undefined;
  const sampleRate = rate / (version === 3 ? 1 : version === 2 ? 2 : 4);
  const samples = version === 3 ? 1152 : 576;
  const length = Math.floor((samples * kbits * 125) / sampleRate) + ((third >> 1) & 1);
  return {
    length,
    head: 0,
    samples,
    sampleRate,
    channels: bytes[at + 3]! >> 6 === 3 ? 1 : 2,
    codec: "mp3",
  };
}

const DOLBY_RATES = [48000, 44100, 32000];
const AC3_KBITS = [
  32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640,
];
const CHANNELS = [2, 1, 2, 3, 3, 4, 4, 5];

/** ETSI TS 102 366, 4.3 and annex E. */
function dolby(bytes: Uint8Array, at: number): Frame | "more" | undefined {
  if (bytes[at] !== 0x0b) return undefined;
  if (at + 7 > bytes.length) return "more";
  if (bytes[at + 1] !== 0x77) return undefined;
  const fourth = bytes[at + 4]!;
  if (bytes[at + 5]! >> 3 > 10) {
    const length = (((bytes[at + 2]! & 7) << 8) | bytes[at + 3]!) * 2 + 2;
    const isHalf = fourth >> 6 === 3;
    const rate = DOLBY_RATES[isHalf ? (fourth >> 4) & 3 : fourth >> 6];
    if (rate === undefined || length < 8) return undefined;
    const channels = CHANNELS[(fourth >> 1) & 7]! + (fourth & 1);
    // A dependent substream adds channels that a stereo mix does not need.
    const isOwn = bytes[at + 2]! >> 3 === 0 || bytes[at + 2]! >> 6 === 2;
    const samples = isOwn ? (isHalf ? 6 : [1, 2, 3, 6][(fourth >> 4) & 3]!) * 256 : 0;
    return {
      length,
      head: 0,
      samples,
      sampleRate: isHalf ? rate / 2 : rate,
      channels,
      codec: "eac3",
    };
  }
  const sampleRate = DOLBY_RATES[fourth >> 6];
  const kbits = AC3_KBITS[(fourth & 63) >> 1];
  if (sampleRate === undefined || kbits === undefined) return undefined;
  const length =
    2 * (Math.floor((kbits * 96_000) / sampleRate) + (sampleRate === 44100 ? fourth & 1 : 0));
  const mode = bytes[at + 6]! >> 5;
  // The mix levels or the surround mode, two bits each, are before the LFE's bit.
  const before = (mode & 1 && mode !== 1 ? 2 : 0) + (mode & 4 ? 2 : 0) + (mode === 2 ? 2 : 0);
  const low = (bytes[at + 6]! >> (4 - before)) & 1;
  return {
    length,
    head: 0,
    samples: 1536,
    sampleRate,
    channels: CHANNELS[mode]! + low,
    codec: "ac3",
  };
}

const DTS_RATES = [0, 8000, 16000, 32000, 0, 0, 11025, 22050, 44100, 0, 0, 12000, 24000, 48000];
const DTS_CHANNELS = [1, 2, 2, 2, 2, 3, 3, 4, 4, 5, 6, 6, 6, 7, 8, 8];

/** ETSI TS 102 114, 5.3 and 7.4. */
function dts(bytes: Uint8Array, at: number): Frame | "more" | undefined {
  const first = bytes[at];
  if (first !== 0x7f && first !== 0x64) return undefined;
  if (at + 11 > bytes.length) return "more";
  const byte = (index: number): number => bytes[at + index]!;
  if (first === 0x64) {
    // An extension of the previous frame.
    if (byte(1) !== 0x58 || byte(2) !== 0x20 || byte(3) !== 0x25) return undefined;
    const isLong = (byte(5) & 0x20) !== 0;
    const length = isLong
      ? ((byte(6) & 1) << 19) | (byte(7) << 11) | (byte(8) << 3) | (byte(9) >> 5)
      : ((byte(6) & 31) << 11) | (byte(7) << 3) | (byte(8) >> 5);
    if (length < 10) return undefined;
    return { length: length + 1, head: 0, samples: 0, sampleRate: 0, channels: 0, codec: "dts" };
  }
  if (byte(1) !== 0xfe || byte(2) !== 0x80 || byte(3) !== 0x01) return undefined;
  const samples = ((((byte(4) & 1) << 6) | (byte(5) >> 2)) + 1) * 32;
  const length = (((byte(5) & 3) << 12) | (byte(6) << 4) | (byte(7) >> 4)) + 1;
  const sampleRate = DTS_RATES[(byte(8) >> 2) & 15];
  const channels = DTS_CHANNELS[((byte(7) & 15) << 2) | (byte(8) >> 6)];
  if (!sampleRate || channels === undefined || length < 96) return undefined;
  const low = ((byte(10) >> 1) & 3) > 0 ? 1 : 0;
  return { length, head: 0, samples, sampleRate, channels: channels + low, codec: "dts" };
}
