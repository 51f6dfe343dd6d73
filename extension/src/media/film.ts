// What a demuxer gives to the rest: tracks with what an init segment needs, and packets in the
// file's order.

import type { Chapter, Container, Font, SubtitleFormat } from "./protocol";

export type Codec =
  | "h264"
  | "hevc"
  | "vp8"
  | "vp9"
  | "av1"
  | "mpeg2"
  | "mpeg4"
  | "aac"
  | "mp3"
  | "mp2"
  | "ac3"
  | "eac3"
  | "dts"
  | "truehd"
  | "opus"
  | "vorbis"
  | "flac"
  | "pcm"
  | "srt"
  | "ass"
  | "pgs"
  | "other";

/** A track as the container describes it. */
export interface Stream {
  id: number;
  type: "video" | "audio" | "subtitle";
  codec: Codec;
  /** A string of RFC 6381, or the container's own name where there is none. */
  codecString: string;
  /** What people call it, where the codec's usual name says too little. */
  name?: string | undefined;
  /** avcC, hvcC, av1C, AudioSpecificConfig, OpusHead, FLAC's blocks, an ASS script's head. */
  config: Uint8Array | undefined;
  width: number;
  height: number;
  sampleRate: number;
  channels: number;
  bitDepth: number;
  language: string | undefined;
  title: string | undefined;
  isDefault: boolean;
  forced: boolean;
  /** µs of one audio frame, 0 where it differs or is unknown. */
  frameDuration: number;
  encrypted: boolean;
  subtitle: SubtitleFormat | undefined;
}

export interface Packet {
  track: number;
  /** Presentation time in µs. */
  pts: number;
  /** µs, where the container says so. */
  duration: number | undefined;
  key: boolean;
  data: Uint8Array;
  /** Grows with the place in the file, per track: what was seen before a repositioning is recognised by it. */
  order: number;
}

/** Reads packets forward from somewhere. */
export interface Reading {
  /** The next packet in the file's order; `undefined` at the end. */
  next(): Promise<Packet | undefined>;
  /** Whether the next packet would probably come without waiting for bytes. */
  readonly ready: boolean;
  /** Ends it and its requests at once. */
  cancel(): void;
}

/** An opened file. */
export interface Demuxed {
  container: Container;
  /** µs. */
  duration: number | undefined;
  /** How far the file's time stamps are ahead of those that are given, µs. */
  origin?: number;
  streams: Stream[];
  chapters: Chapter[];
  fonts(): Promise<Font[]>;
  /** Finds the duration (µs) by reading elsewhere in the file, where the head does not say it. */
  measure?(): Promise<number | undefined>;
  /** Reads from a key frame of `video` at or before `pts` (µs); only the tracks in `wanted` come. */
  read(pts: number, video: number | undefined, wanted: ReadonlySet<number>): Promise<Reading>;
  /** Lets a `read` that still looks for its place fail at once. */
  abandon?(): void;
  /** Reads what lies just before the place that `read(pts)` would begin at, for subtitles that began earlier. */
  before(
    pts: number,
    video: number | undefined,
    wanted: ReadonlySet<number>,
  ): Promise<Reading | undefined>;
  /** Ends the request that opening left, until something is read. */
  rest?(): void;
  close(): void;
}
