// The output of demuxers: tracks with what an init segment needs, and packets in file order.

import type { Chapter, Container, Font, SubtitleFormat } from "./protocol";

/** The codecs that this worker distinguishes. */
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
  /** An RFC 6381 string, or the container's own name if there is none. */
  codecString: string;
  /** A display name, if the codec's usual name is not precise enough. */
  name?: string | undefined;
  /** avcC, hvcC, av1C, AudioSpecificConfig, OpusHead, FLAC's blocks, or an ASS script's head. */
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
  /** Duration of a sound frame in µs. 0 if it varies or is unknown. */
  frameDuration: number;
  encrypted: boolean;
  subtitle: SubtitleFormat | undefined;
}

/** One frame of a track, or one subtitle block. */
export interface Packet {
  track: number;
  /** Presentation time in µs. */
  pts: number;
  /** In µs, if the container tells it. */
  duration: number | undefined;
  key: boolean;
  data: Uint8Array;
  /**
   * Grows with the position in the file, per track. Identifies packets that were seen before a
   * seek.
   */
  order: number;
}

/** Reads packets forward from a place. */
export interface Reading {
  /** The next packet in file order. `undefined` at the end. */
  next(): Promise<Packet | undefined>;
  /** Whether the next packet probably needs no wait for bytes. */
  readonly ready: boolean;
  /** Stops reading and aborts its requests. */
  cancel(): void;
}

/** An opened file. */
export interface Demuxed {
  container: Container;
  /** In µs. */
  duration: number | undefined;
  /** Difference between the file's time stamps and the reported ones, in µs. */
  origin?: number;
  streams: Stream[];
  chapters: Chapter[];
  fonts(): Promise<Font[]>;
  /** Finds the duration (µs) elsewhere in the file, if the head does not tell it. */
  measure?(): Promise<number | undefined>;
  /** Reads the tracks in `wanted` from a key frame of `video` at or before `pts` (µs). */
  read(pts: number, video: number | undefined, wanted: ReadonlySet<number>): Promise<Reading>;
  /** Makes a `read` that is still searching its place fail. */
  abandon?(): void;
  /**
   * Reads what is just before the place where `read(pts)` would begin, for subtitles that began
   * earlier.
   */
  before(
    pts: number,
    video: number | undefined,
    wanted: ReadonlySet<number>,
  ): Promise<Reading | undefined>;
  /** Ends the request that opening left, until something is read. */
  rest?(): void;
  close(): void;
}
