// Display names of codecs, from the names in containers.

import type { Codec, Stream } from "./film";

const NAMES: Partial<Record<Codec, string>> = {
  h264: "H.264",
  hevc: "HEVC",
  vp8: "VP8",
  vp9: "VP9",
  av1: "AV1",
  mpeg2: "MPEG-2",
  mpeg4: "MPEG-4",
  aac: "AAC",
  mp3: "MP3",
  mp2: "MP2",
  ac3: "AC-3",
  eac3: "E-AC-3",
  dts: "DTS",
  truehd: "TrueHD",
  opus: "Opus",
  vorbis: "Vorbis",
  flac: "FLAC",
  pcm: "PCM",
};

/** A codec, and its display name if the usual one is not precise enough. */
export interface Named {
  codec: Codec;
  name?: string;
}

/** By the FourCC in AVI and WMV files, in upper case. */
const FOURCC: Record<string, Named> = {
  XVID: { codec: "mpeg4", name: "MPEG-4 (Xvid)" },
  DIVX: { codec: "mpeg4", name: "MPEG-4 (DivX)" },
  DX50: { codec: "mpeg4", name: "MPEG-4 (DivX)" },
  FMP4: { codec: "mpeg4" },
  MP4V: { codec: "mpeg4" },
  M4S2: { codec: "mpeg4" },
  MP4S: { codec: "mpeg4" },
  "3IV2": { codec: "mpeg4", name: "MPEG-4 (3ivx)" },
  DIV3: { codec: "other", name: "DivX 3" },
  DIV4: { codec: "other", name: "DivX 3" },
  MP43: { codec: "other", name: "DivX 3" },
  MP42: { codec: "other", name: "MS MPEG-4" },
  MPG4: { codec: "other", name: "MS MPEG-4" },
  H264: { codec: "h264" },
  X264: { codec: "h264" },
  AVC1: { codec: "h264" },
  HEVC: { codec: "hevc" },
  H265: { codec: "hevc" },
  HVC1: { codec: "hevc" },
  HEV1: { codec: "hevc" },
  VP80: { codec: "vp8" },
  VP90: { codec: "vp9" },
  VP09: { codec: "vp9" },
  AV01: { codec: "av1" },
  MPG2: { codec: "mpeg2" },
  MPEG: { codec: "mpeg2" },
  MPG1: { codec: "other", name: "MPEG-1" },
  WMV1: { codec: "other", name: "WMV 7" },
  WMV2: { codec: "other", name: "WMV 8" },
  WMV3: { codec: "other", name: "WMV 9" },
  WVC1: { codec: "other", name: "VC-1" },
  WMVA: { codec: "other", name: "VC-1" },
  MJPG: { codec: "other", name: "Motion JPEG" },
  DVSD: { codec: "other", name: "DV" },
  FLV1: { codec: "other", name: "Sorenson H.263" },
  CVID: { codec: "other", name: "Cinepak" },
  IV41: { codec: "other", name: "Indeo 4" },
  IV50: { codec: "other", name: "Indeo 5" },
  FFV1: { codec: "other", name: "FFV1" },
  HFYU: { codec: "other", name: "HuffYUV" },
};

/** The codec of a FourCC. */
export function fourcc(text: string): Named {
  return FOURCC[text.toUpperCase()] ?? { codec: "other" };
}

/** By the number in a WAVEFORMATEX. */
const WAVE: Record<number, Named> = {
  0x1: { codec: "pcm" },
  0x3: { codec: "pcm" },
  0x2: { codec: "other", name: "ADPCM" },
  0x11: { codec: "other", name: "ADPCM" },
  0x6: { codec: "other", name: "A-law" },
  0x7: { codec: "other", name: "µ-law" },
  0xa: { codec: "other", name: "WMA Voice" },
  0x50: { codec: "mp2" },
  0x55: { codec: "mp3" },
  0xff: { codec: "aac" },
  0x1610: { codec: "aac" },
  0x706d: { codec: "aac" },
  0x160: { codec: "other", name: "WMA 1" },
  0x161: { codec: "other", name: "WMA" },
  0x162: { codec: "other", name: "WMA Pro" },
  0x163: { codec: "other", name: "WMA Lossless" },
  0x2000: { codec: "ac3" },
  0x2001: { codec: "dts" },
  0x674f: { codec: "vorbis" },
  0x6750: { codec: "vorbis" },
  0x6751: { codec: "vorbis" },
  0x676f: { codec: "vorbis" },
  0x6770: { codec: "vorbis" },
  0x6771: { codec: "vorbis" },
  0xf1ac: { codec: "flac" },
};

/** The codec of a WAVEFORMATEX's number. */
export function waveFormat(tag: number): Named {
  return WAVE[tag] ?? { codec: "other" };
}

/** By Matroska's codec ids and MP4's sample entries, for codecs that are not decoded here. */
const OTHERS: [RegExp, string][] = [
  [/^V_MPEG1$/, "MPEG-1"],
  [/^V_MS\/VFW/, "VfW"],
  [/^V_REAL/, "RealVideo"],
  [/^V_THEORA/, "Theora"],
  [/^V_PRORES|^ap[ch]/, "ProRes"],
  [/^mp4v/, "MPEG-4"],
  [/^dvh[e1]/, "Dolby Vision"],
  [/^A_REAL/, "RealAudio"],
  [/^A_ALAC|^alac/, "ALAC"],
  [/^A_WAVPACK/, "WavPack"],
  [/^A_TTA/, "TTA"],
  [/^A_MS\/ACM/, "ACM"],
  [/^mlpa/, "TrueHD"],
  [/^s263/, "H.263"],
  [/^samr/, "AMR"],
  [/^ac-4/, "AC-4"],
];

/** The display name of a track's codec. */
export function nameOf({
  codec,
  codecString,
  name,
}: Pick<Stream, "codec" | "codecString" | "name">): string {
  return (
    name ??
    NAMES[codec] ??
    OTHERS.find(([pattern]) => pattern.test(codecString))?.[1] ??
    (/^[\x21-\x7e]{1,24}$/.test(codecString) ? codecString : "unknown")
  );
}
