// Parses Info, Tracks, SeekHead, Cues, Chapters and Attachments (RFC 9559, 5.1).
//
// All are parsed from memory, with limits on how many items are kept.

import { children, float, text, uint } from "./ebml";
import type { Chapter, Font } from "../protocol";

/** The ids of Matroska's elements. */
export const ID = {
  EBML: 0x1a45dfa3,
  DocType: 0x4282,
  Segment: 0x18538067,
  SeekHead: 0x114d9b74,
  Info: 0x1549a966,
  Tracks: 0x1654ae6b,
  Cues: 0x1c53bb6b,
  Chapters: 0x1043a770,
  Attachments: 0x1941a469,
  Tags: 0x1254c367,
  Cluster: 0x1f43b675,
  Timestamp: 0xe7,
  SimpleBlock: 0xa3,
  BlockGroup: 0xa0,
  EncryptedBlock: 0xaf,
  Void: 0xec,
  Crc32: 0xbf,
} as const;

const MOST_TRACKS = 128;
const MOST_CUES = 1 << 18;
const MOST_CHAPTERS = 1000;

/** A track as its TrackEntry describes it. */
export interface TrackEntry {
  number: number;
  type: "video" | "audio" | "subtitle" | "other";
  codecId: string;
  codecPrivate: Uint8Array | undefined;
  language: string | undefined;
  title: string | undefined;
  isDefault: boolean;
  forced: boolean;
  enabled: boolean;
  /** Nanoseconds between frames. 0 if unknown. */
  defaultDuration: number;
  /** Nanoseconds that a decoder has to discard at the start. */
  codecDelay: number;
  width: number;
  height: number;
  bits: number;
  sampleRate: number;
  outputRate: number;
  channels: number;
  bitDepth: number;
  /** Frame compression: `strip` bytes are prepended to each frame, or each frame is inflated. */
  strip: Uint8Array | undefined;
  deflated: boolean;
  encrypted: boolean;
  /** The frames use an unknown compression or encryption. */
  strange: boolean;
}

/** The segment's Info. */
export interface Info {
  /** Nanoseconds of one tick. */
  scale: number;
  /** In ticks. */
  duration: number | undefined;
}

/** Parses the body of Info. */
export function parseInfo(body: Uint8Array): Info {
  const info: Info = { scale: 1_000_000, duration: undefined };
  for (const { id, data } of children(body)) {
    if (id === 0x2ad7b1) info.scale = uint(data) || 1_000_000;
    else if (id === 0x4489) info.duration = float(data);
  }
  if (!(info.duration !== undefined && info.duration > 0 && Number.isFinite(info.duration)))
    info.duration = undefined;
  return info;
}

/** Parses the body of Tracks. */
export function parseTracks(body: Uint8Array): TrackEntry[] {
  const tracks: TrackEntry[] = [];
  const numbers = new Set<number>();
  for (const { id, data } of children(body)) {
    if (id !== 0xae) continue;
    const track = parseTrack(data);
    if (track.number === 0 || numbers.has(track.number)) continue;
    numbers.add(track.number);
    tracks.push(track);
    if (tracks.length === MOST_TRACKS) break;
  }
  return tracks;
}

const TYPES: Record<number, TrackEntry["type"]> = { 1: "video", 2: "audio", 17: "subtitle" };

function parseTrack(body: Uint8Array): TrackEntry {
  const track: TrackEntry = {
    number: 0,
    type: "other",
    codecId: "",
    codecPrivate: undefined,
    language: undefined,
    title: undefined,
    isDefault: true,
    forced: false,
    enabled: true,
    defaultDuration: 0,
    codecDelay: 0,
    width: 0,
    height: 0,
    bits: 0,
    sampleRate: 8000,
    outputRate: 0,
    channels: 1,
    bitDepth: 0,
    strip: undefined,
    deflated: false,
    encrypted: false,
    strange: false,
  };
  let bcp47: string | undefined;
  for (const { id, data } of children(body)) {
    switch (id) {
      case 0xd7:
        track.number = uint(data);
        break;
      case 0x83:
        track.type = TYPES[uint(data)] ?? "other";
        break;
      case 0x86:
        track.codecId = text(data);
        break;
      case 0x63a2:
        track.codecPrivate = data.slice();
        break;
      case 0x22b59c:
        track.language = text(data);
        break;
      case 0x22b59d:
        bcp47 = text(data);
        break;
      case 0x536e:
        track.title = text(data);
        break;
      case 0x88:
        track.isDefault = uint(data) !== 0;
        break;
      case 0x55aa:
        track.forced = uint(data) !== 0;
        break;
      case 0xb9:
        track.enabled = uint(data) !== 0;
        break;
      case 0x23e383:
        track.defaultDuration = uint(data);
        break;
      case 0x56aa:
        track.codecDelay = uint(data);
        break;
      case 0xe0:
        video(data, track);
        break;
      case 0xe1:
        audio(data, track);
        break;
      case 0x6d80:
        encodings(data, track);
        break;
    }
  }
  track.language = bcp47 ?? (track.language === "und" ? undefined : (track.language ?? "eng"));
  return track;
}

function video(body: Uint8Array, track: TrackEntry): void {
  for (const { id, data } of children(body)) {
    if (id === 0xb0) track.width = uint(data);
    else if (id === 0xba) track.height = uint(data);
    else if (id === 0x55b0)
      for (const colour of children(data)) if (colour.id === 0x55b2) track.bits = uint(colour.data);
  }
}

function audio(body: Uint8Array, track: TrackEntry): void {
  for (const { id, data } of children(body)) {
    if (id === 0xb5) track.sampleRate = float(data) || 8000;
    else if (id === 0x78b5) track.outputRate = float(data);
    else if (id === 0x9f) track.channels = uint(data) || 1;
    else if (id === 0x6264) track.bitDepth = uint(data);
  }
}

/** ContentEncodings. One compression is supported, encryption never is. */
function encodings(body: Uint8Array, track: TrackEntry): void {
  let count = 0;
  for (const encoding of children(body)) {
    if (encoding.id !== 0x6240) continue;
    count += 1;
    let scope = 1;
    let type = 0;
    let algorithm = 0;
    let settings = new Uint8Array(0) as Uint8Array;
    for (const { id, data } of children(encoding.data)) {
      if (id === 0x5032) scope = uint(data);
      else if (id === 0x5033) type = uint(data);
      else if (id === 0x5035) type = 1;
      else if (id === 0x5034) {
        for (const part of children(data)) {
          if (part.id === 0x4254) algorithm = uint(part.data);
          else if (part.id === 0x4255) settings = part.data.slice();
        }
      }
    }
    if (type === 1) track.encrypted = true;
    else if (scope !== 1 || count > 1) track.strange = true;
    else if (algorithm === 3) track.strip = settings;
    else if (algorithm === 0) track.deflated = true;
    else track.strange = true;
  }
}

/** Adds the SeekHead's entries: element id → offset in the segment's body. */
export function parseSeekHead(body: Uint8Array, into: Map<number, number>): void {
  for (const seek of children(body)) {
    if (seek.id !== 0x4dbb) continue;
    let target: number | undefined;
    let position: number | undefined;
    for (const { id, data } of children(seek.data)) {
      if (id === 0x53ab) target = uint(data);
      else if (id === 0x53ac) position = uint(data);
    }
    if (target !== undefined && position !== undefined && !into.has(target) && into.size < 64)
      into.set(target, position);
  }
}

/** An entry of the index. */
export interface CuePoint {
  /** In ticks. */
  time: number;
  track: number;
  /** Position of the cluster in the segment's body. */
  position: number;
  /** In ticks, if the index tells it: mkvmerge's does for subtitles. */
  duration: number | undefined;
}

/** Cue points in order of time. */
export function parseCues(body: Uint8Array): CuePoint[] {
  const cues: CuePoint[] = [];
  for (const point of children(body)) {
    if (point.id !== 0xbb) continue;
    let time = 0;
    for (const { id, data } of children(point.data)) {
      if (id === 0xb3) time = uint(data);
      if (id !== 0xb7) continue;
      const cue: CuePoint = { time, track: 0, position: -1, duration: undefined };
      for (const part of children(data)) {
        if (part.id === 0xf7) cue.track = uint(part.data);
        else if (part.id === 0xf1) cue.position = uint(part.data);
        else if (part.id === 0xb2) cue.duration = uint(part.data);
      }
      if (cue.position >= 0 && cues.length < MOST_CUES) cues.push(cue);
    }
  }
  return cues.sort((a, b) => a.time - b.time);
}

/** The top-level chapters of the first edition. */
export function parseChapters(body: Uint8Array): Chapter[] {
  const chapters: Chapter[] = [];
  for (const edition of children(body)) {
    if (edition.id !== 0x45b9) continue;
    for (const atom of children(edition.data)) {
      if (atom.id !== 0xb6 || chapters.length === MOST_CHAPTERS) continue;
      const chapter: Chapter = { start: 0, title: "" };
      let hidden = false;
      for (const { id, data } of children(atom.data)) {
        if (id === 0x91) chapter.start = uint(data) / 1e9;
        else if (id === 0x98) hidden = uint(data) !== 0;
        else if (id === 0x80 && chapter.title === "")
          for (const part of children(data)) if (part.id === 0x85) chapter.title = text(part.data);
      }
      if (!hidden) chapters.push(chapter);
    }
    break;
  }
  return chapters.sort((a, b) => a.start - b.start);
}

/** Whether an attachment is a font, by its type or its name. */
export function isFont({ name, mime }: Pick<Font, "name" | "mime">): boolean {
  return /font|opentype|truetype/i.test(mime) || /\.(ttf|otf|ttc|woff2?)$/i.test(name);
}
