// Codec strings, and the facts in codec configurations.

import type { Codec } from "./film";

const MATROSKA: [RegExp, Codec][] = [
  [/^V_MPEG4\/ISO\/AVC/, "h264"],
  [/^V_MPEGH\/ISO\/HEVC/, "hevc"],
  [/^V_VP8/, "vp8"],
  [/^V_VP9/, "vp9"],
  [/^V_AV1/, "av1"],
  [/^V_MPEG[12]$/, "mpeg2"],
  [/^V_MPEG4\/ISO/, "mpeg4"],
  [/^A_AAC/, "aac"],
  [/^A_MPEG\/L3/, "mp3"],
  [/^A_MPEG\/L[12]/, "mp2"],
  [/^A_AC3/, "ac3"],
  [/^A_EAC3/, "eac3"],
  [/^A_DTS/, "dts"],
  [/^A_TRUEHD|^A_MLP/, "truehd"],
  [/^A_OPUS/, "opus"],
  [/^A_VORBIS/, "vorbis"],
  [/^A_FLAC/, "flac"],
  [/^A_PCM/, "pcm"],
  [/^S_TEXT\/(UTF8|ASCII|WEBVTT)/, "srt"],
  [/^S_(TEXT\/)?(ASS|SSA)/, "ass"],
  [/^S_HDMV\/PGS/, "pgs"],
];

/** The codec of a Matroska track, by its CodecID. */
export function matroskaCodec(id: string): Codec {
  return MATROSKA.find(([pattern]) => pattern.test(id))?.[1] ?? "other";
}

const bare = (value: number): string => value.toString(16);
const hex = (value: number): string => bare(value).padStart(2, "0");
const two = (value: number): string => value.toString().padStart(2, "0");

/** The RFC 6381 string of a codec and its configuration. `fallback` if there is none. */
export function codecString(
  codec: Codec,
  config: Uint8Array | undefined,
  fallback: string,
  bits = 8,
): string {
  switch (codec) {
    case "h264":
      return config && config.length >= 4
        ? `avc1.${hex(config[1]!)}${hex(config[2]!)}${hex(config[3]!)}`
        : "avc1.640028";
    case "hevc":
      return hevcString(config);
    case "vp8":
      return "vp8";
    case "vp9":
      return `vp09.${bits > 8 ? "02" : "00"}.10.${two(bits || 8)}`;
    case "av1":
      return av1String(config);
    case "aac":
      return `mp4a.40.${aacObjectType(config)}`;
    case "mp3":
      return "mp4a.6B";
    case "ac3":
      return "ac-3";
    case "eac3":
      return "ec-3";
    case "dts":
      return "dtsc";
    case "opus":
    case "flac":
    case "vorbis":
      return codec;
    default:
      return fallback;
  }
}

/** ISO/IEC 14496-15, annex E.3. */
function hevcString(config: Uint8Array | undefined): string {
  if (!config || config.length < 13) return "hvc1.1.6.L93.B0";
  const first = config[1]!;
  let compatibility = 0;
  const view = new DataView(config.buffer, config.byteOffset, config.length);
  const flags = view.getUint32(2);
  for (let bit = 0; bit < 32; bit += 1) if (flags & (1 << bit)) compatibility |= 1 << (31 - bit);
  const constraints = Array.from(config.subarray(6, 12));
  while (constraints.length > 1 && constraints.at(-1) === 0) constraints.pop();
  const space = ["", "A", "B", "C"][first >> 6]!;
  const profile = `${space}${first & 31}.${bare(compatibility >>> 0)}`;
  const level = `${first & 32 ? "H" : "L"}${config[12]}`;
  return `hvc1.${profile}.${level}.${constraints.map(bare).join(".")}`;
}

/** AV1 Codec ISO Media File Format Binding, section 5. */
function av1String(config: Uint8Array | undefined): string {
  if (!config || config.length < 4) return "av01.0.08M.08";
  const bits = config[2]! & 0x40 ? (config[2]! & 0x20 ? 12 : 10) : 8;
  const tier = config[2]! & 0x80 ? "H" : "M";
  return `av01.${config[1]! >> 5}.${two(config[1]! & 31)}${tier}.${two(bits)}`;
}

function aacObjectType(config: Uint8Array | undefined): number {
  if (!config || config.length < 2) return 2;
  const type = config[0]! >> 3;
  return type === 31 ? 32 + (((config[0]! & 7) << 3) | (config[1]! >> 5)) : type;
}

/** An AudioSpecificConfig of AAC-LC, for files without one (ISO/IEC 14496-3, 1.6.2). */
export function aacConfig(sampleRate: number, channels: number): Uint8Array<ArrayBuffer> {
  const rates = [
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
  ];
  const index = Math.max(0, rates.indexOf(sampleRate));
  return Uint8Array.of((2 << 3) | (index >> 1), ((index & 1) << 7) | (Math.min(channels, 7) << 3));
}

/** Duration of one frame in µs. 0 where frames differ. */
export function frameDuration(codec: Codec, sampleRate: number): number {
  const samples = {
    aac: 1024,
    mp3: sampleRate < 32000 ? 576 : 1152,
    ac3: 1536,
    eac3: 1536,
    mp2: 1152,
  }[codec as string];
  return samples && sampleRate > 0 ? (samples / sampleRate) * 1e6 : 0;
}

/** The `type` for `MediaSource.isTypeSupported` and `addSourceBuffer`. */
export function mseType(type: "video" | "audio", codec: string): string {
  return `${type}/mp4; codecs="${codec}"`;
}

/** The codec string of a VP9 key frame (VP9 bitstream, 6.2), such as "vp09.00.10.08". */
export function vp9String(frame: Uint8Array, width: number, height: number): string {
  const first = frame[0] ?? 0x80;
  const profile = ((first >> 5) & 1) | ((first >> 3) & 2);
  // In profiles 2 and 3, a bit after the start code tells 10 from 12 bits.
  const bits = profile < 2 ? 8 : (frame[profile === 3 ? 4 : 4]! & 0x80) !== 0 ? 12 : 10;
  const pixels = width * height;
  const level = pixels <= 552_960 ? 30 : pixels <= 2_228_224 ? 40 : pixels <= 8_912_896 ? 50 : 60;
  return `vp09.${two(profile)}.${two(level)}.${two(bits)}`;
}
