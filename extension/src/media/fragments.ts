// Parses fragmented MP4 from a converter: boxes of a stream, codecs, and fragment times.

import { codecString, mseType } from "./codecs";
import { joined } from "../model/bytes";
import { Trouble } from "./reader";

/** Largest box in bytes. */
const MOST_BOX = 64 << 20;
const MOST_SAMPLES = 1 << 16;

/** One box of MP4. */
export interface Box {
  type: string;
  /** The whole box with its head. */
  bytes: Uint8Array<ArrayBuffer>;
}

/** Splits a stream of bytes into boxes. */
export class Boxes {
  private parts: Uint8Array[] = [];
  private held = 0;

  /** Returns the boxes that are complete now. */
  push(chunk: Uint8Array): Box[] {
    this.parts.push(chunk);
    this.held += chunk.length;
    const out: Box[] = [];
    for (let size = this.size(); size !== undefined && this.held >= size; size = this.size()) {
      const all = joined(this.parts);
      const bytes = all.slice(0, size);
      this.parts = all.length > size ? [all.subarray(size)] : [];
      this.held = all.length - size;
      out.push({ type: name(bytes, 4), bytes });
    }
    return out;
  }

  /** Size of the first box. `undefined` until it is known. */
  private size(): number | undefined {
    if (this.held < 8) return undefined;
    if (this.parts[0]!.length < 16 && this.parts.length > 1) this.parts = [joined(this.parts)];
    const first = this.parts[0]!;
    let size = u32(first, 0);
    if (size === 1) {
      if (first.length < 16) return undefined;
      size = u32(first, 8) * 2 ** 32 + u32(first, 12);
    }
    if (size < 8 || size > MOST_BOX)
      throw new Trouble("broken", `invalid box size of ${size} bytes`);
    return size;
  }
}

/** What a `moov` says about its tracks. */
export interface Described {
  /** The type for `addSourceBuffer`. */
  type: string;
  tracks: ReadonlyMap<number, { timescale: number; isVideo: boolean }>;
}

/** Describes the tracks of a `moov`. */
export function describe(moov: Uint8Array): Described {
  const tracks = new Map<number, { timescale: number; isVideo: boolean }>();
  const codecs: string[] = [];
  let hasVideo = false;
  for (const trak of inside(moov, "trak")) {
    const [tkhd] = inside(trak, "tkhd");
    const [mdia] = inside(trak, "mdia");
    const [mdhd] = mdia ? inside(mdia, "mdhd") : [];
    const stsd =
      mdia &&
      ["minf", "stbl", "stsd"].reduce<Uint8Array | undefined>(
        (box, type) => box && inside(box, type)[0],
        mdia,
      );
    if (!tkhd || !mdhd || !stsd || stsd.length < 24) continue;
    const id = u32(tkhd, tkhd[8] === 1 ? 28 : 20);
    const timescale = u32(mdhd, mdhd[8] === 1 ? 28 : 20) || 1;
    const entry = stsd.subarray(16, 16 + u32(stsd, 16));
    const codec = codecOf(entry);
    const isVideo = /^(avc|hvc|hev|vp0|av0)/.test(codec);
    hasVideo ||= isVideo;
    tracks.set(id, { timescale, isVideo });
    codecs.push(codec);
  }
  if (tracks.size === 0) throw new Trouble("broken", "the moov describes no track");
  return { type: mseType(hasVideo ? "video" : "audio", codecs.join(",")), tracks };
}

function codecOf(entry: Uint8Array): string {
  const type = name(entry, 4);
  const config = (box: string, from: number): Uint8Array | undefined =>
    within(entry, from, box)?.subarray(8);
  switch (type) {
    case "avc1":
    case "avc3":
      return codecString("h264", config("avcC", 86), "");
    case "hvc1":
    case "hev1":
      return codecString("hevc", config("hvcC", 86), "");
    case "av01":
      return codecString("av1", config("av1C", 86), "");
    case "vp09": {
      const vpcC = config("vpcC", 86);
      const two = (value: number) => value.toString().padStart(2, "0");
      return vpcC && vpcC.length >= 7
        ? `vp09.${two(vpcC[4]!)}.${two(vpcC[5]! || 10)}.${two(vpcC[6]! >> 4)}`
        : "vp09.00.10.08";
    }
    case "mp4a": {
      const esds = config("esds", 36);
      return esds ? aac(esds) : "mp4a.40.2";
    }
    case "Opus":
      return "opus";
    case "fLaC":
      return "flac";
    default:
      return type;
  }
}

/** The AudioSpecificConfig in an esds, after tag 5. */
function aac(esds: Uint8Array): string {
  const at = esds.findIndex((byte, index) => index > 12 && byte === 5 && index + 2 < esds.length);
  if (at < 0) return "mp4a.40.2";
  let from = at + 1;
  while (from < esds.length && esds[from]! & 0x80) from += 1;
  return codecString("aac", esds.subarray(from + 1), "");
}

/** The times of a fragment. */
export interface Span {
  /** In seconds, over all tracks. */
  start: number;
  end: number;
  /**
   * Presentation time of the first key frame in seconds. Without a picture, the fragment's start.
   */
  key: number | undefined;
}

/** The times in a `moof`. `undefined` when it has no samples. */
export function span(moof: Uint8Array, { tracks }: Pick<Described, "tracks">): Span | undefined {
  let start = Infinity;
  let end = -Infinity;
  let key: number | undefined;
  const hasVideo = [...tracks.values()].some(({ isVideo }) => isVideo);
  for (const traf of inside(moof, "traf")) {
    const [tfhd] = inside(traf, "tfhd");
    const [tfdt] = inside(traf, "tfdt");
    const track = tfhd && tracks.get(u32(tfhd, 12));
    if (!tfhd || !tfdt || !track) continue;
    const defaults = tfhdDefaults(tfhd);
    // ffmpeg starts AAC before 0, because of its encoder's delay.
    let dts = tfdt[8] === 1 ? (u32(tfdt, 12) | 0) * 2 ** 32 + u32(tfdt, 16) : u32(tfdt, 12) | 0;
    for (const trun of inside(traf, "trun")) {
      for (const sample of samples(trun, defaults)) {
        const pts = (dts + sample.offset) / track.timescale;
        start = Math.min(start, pts);
        end = Math.max(end, pts + sample.duration / track.timescale);
        if (sample.key && (track.isVideo || !hasVideo)) key = Math.min(key ?? Infinity, pts);
        dts += sample.duration;
      }
    }
  }
  return end > start ? { start, end, key } : undefined;
}

interface Defaults {
  duration: number;
  flags: number;
}

function tfhdDefaults(tfhd: Uint8Array): Defaults {
  const flags = u32(tfhd, 8) & 0xffffff;
  let at = 16;
  if (flags & 1) at += 8;
  if (flags & 2) at += 4;
  const duration = flags & 8 ? u32(tfhd, at) : 0;
  if (flags & 8) at += 4;
  if (flags & 16) at += 4;
  return { duration, flags: flags & 32 ? u32(tfhd, at) : 0 };
}

function* samples(
  trun: Uint8Array,
  defaults: Defaults,
): Generator<{ duration: number; offset: number; key: boolean }> {
  const flags = u32(trun, 8) & 0xffffff;
  const count = Math.min(u32(trun, 12), MOST_SAMPLES);
  let at = 16;
  if (flags & 1) at += 4;
  const first = flags & 4 ? u32(trun, at) : undefined;
  if (flags & 4) at += 4;
  for (let index = 0; index < count; index += 1) {
    let { duration, flags: own } = defaults;
    let offset = 0;
    if (flags & 0x100) duration = u32(trun, (at += 4) - 4);
    if (flags & 0x200) at += 4;
    if (flags & 0x400) own = u32(trun, (at += 4) - 4);
    else if (index === 0 && first !== undefined) own = first;
    if (flags & 0x800) offset = u32(trun, (at += 4) - 4) | 0;
    if (at > trun.length) return;
    yield { duration, offset, key: (own & 0x10000) === 0 };
  }
}

/** The boxes of a type inside another box. */
function inside(box: Uint8Array, type: string): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 8; at + 8 <= box.length; ) {
    const size = u32(box, at);
    if (size < 8 || at + size > box.length) break;
    if (name(box, at + 4) === type) out.push(box.subarray(at, at + size));
    at += size;
  }
  return out;
}

/** The first box of a type after the fixed part of a sample entry. */
function within(entry: Uint8Array, from: number, type: string): Uint8Array | undefined {
  for (let at = from; at + 8 <= entry.length; ) {
    const size = u32(entry, at);
    if (size < 8) return undefined;
    if (name(entry, at + 4) === type) return entry.subarray(at, at + size);
    at += size;
  }
  return undefined;
}

const name = (bytes: Uint8Array, at: number): string =>
  String.fromCharCode(...bytes.subarray(at, at + 4));
const u32 = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] ?? 0) << 24) |
    ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0)) >>>
  0;
