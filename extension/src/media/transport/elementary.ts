// Splits an elementary stream into pictures or sound frames with times.
//
// Units may begin and end anywhere in the payloads. The first unit after a PES head gets its time;
// the following ones continue from there.

import { avcConfig, lengthPrefixed } from "../annexb";
import { codecString, frameDuration } from "../codecs";
import type { Stream } from "../film";
import { Growing } from "../growing";
import { parseSequence } from "../sps";
import { type Frame, type FrameReader, frameReader } from "./frames";

/** The PES head of a packet. */
export interface Mark {
  /** Offset of the packet in the file. */
  at: number;
  /** Presentation time in µs. */
  pts: number;
  /** The packet says that the stream can be entered here. */
  random: boolean;
}

/** A picture or sound frame. */
export interface Unit {
  pts: number;
  duration: number | undefined;
  key: boolean;
  data: Uint8Array;
  order: number;
}

/** Splits one elementary stream. */
export interface Cutter {
  /** The stream as described by its units so far. `undefined` until that is enough to play it. */
  readonly known: Stream | undefined;
  /** Takes a packet's payload. `mark` is the PES head before it. Returns complete units. */
  push(payload: Uint8Array, mark: Mark | undefined): Unit[];
  /** The last unit. */
  finish(): Unit[];
}

/** Makes the cutter for a stream. */
export function cutterFor(stream: Stream): Cutter | undefined {
  if (stream.type === "video")
    return stream.codec === "h264" ? new PictureCutter(stream) : undefined;
  const read = frameReader(stream.codec);
  return read && new FrameCutter(stream, read);
}

/** Largest picture or frame in bytes. */
const MOST_UNIT = 16 << 20;

/** Bytes that are not split yet, with the PES heads among them. */
class Held {
  readonly bytes = new Growing();
  /** How many bytes were removed. */
  private gone = 0;
  private marks: (Mark & { from: number })[] = [];
  private last: { mark: Mark; from: number } | undefined;

  /** Returns true if everything had to be dropped, because no picture or frame is that large. */
  push(payload: Uint8Array, mark: Mark | undefined): boolean {
    if (mark) this.marks.push({ ...mark, from: this.gone + this.bytes.length });
    this.bytes.push(payload);
    if (this.bytes.length <= MOST_UNIT) return false;
    this.drop(this.bytes.length);
    return true;
  }

  drop(count: number): void {
    this.gone += count;
    this.bytes.drop(count);
  }

  take(count: number): Uint8Array<ArrayBuffer> {
    this.gone += count;
    return this.bytes.take(count);
  }

  /** Whether a PES head is just before the byte at `at`. */
  begins(at: number): boolean {
    return this.marks.some(({ from }) => from === this.gone + at);
  }

  /**
   * The order of a unit at `at`, and its mark if it is the first after one. Earlier marks are
   * dropped.
   */
  unit(at: number): { mark: Mark | undefined; order: number } {
    const begin = this.gone + at;
    let mark: Mark | undefined;
    while (this.marks[0] && this.marks[0].from <= begin) {
      this.last = { mark: this.marks[0], from: this.marks[0].from };
      mark = this.marks.shift();
    }
    // Packets are 188 bytes apart, so units between two packets get fractions of that.
    return {
      mark,
      order: this.last ? this.last.mark.at + Math.min(1, (begin - this.last.from) / MOST_UNIT) : -1,
    };
  }
}

class FrameCutter implements Cutter {
  known: Stream | undefined;
  private readonly held = new Held();
  private next: number | undefined;
  /** Whether a frame ended exactly where the held bytes begin, so that the next one is expected. */
  private inStep = false;

  constructor(
    private readonly stream: Stream,
    private readonly read: FrameReader,
  ) {}

  push(payload: Uint8Array, mark: Mark | undefined): Unit[] {
    if (this.held.push(payload, mark)) this.inStep = false;
    return this.cut(false);
  }

  finish(): Unit[] {
    return this.cut(true);
  }

  private cut(isLast: boolean): Unit[] {
    const out: Unit[] = [];
    for (
      let frame = this.frame(isLast);
      frame && frame.length <= this.held.bytes.length;
      frame = this.frame(isLast)
    ) {
      const { mark, order } = this.held.unit(0);
      const data = this.held.take(frame.length);
      this.inStep = true;
      if (frame.samples === 0) {
        // The next frame gets the time of the previous head.
        if (mark) this.next = mark.pts;
        continue;
      }
      this.learn(frame);
      const pts = mark?.pts ?? this.next;
      const duration = (frame.samples / frame.sampleRate) * 1e6;
      if (pts === undefined) continue;
      this.next = pts + duration;
      out.push({
        pts: Math.round(pts),
        duration: Math.round(duration),
        key: true,
        data: data.subarray(frame.head),
        order,
      });
    }
    return out;
  }

  /** The frame at the start of the held bytes. Bytes before it are dropped. */
  private frame(isLast: boolean): Frame | undefined {
    const { bytes } = this.held.bytes;
    for (let at = 0; ; at += 1) {
      const frame = this.look(bytes, at);
      if (frame === undefined) continue;
      const isExpected = (at === 0 && this.inStep) || this.held.begins(at) || isLast;
      // If no frame is expected here, another one must follow: otherwise it may only look like one.
      const next = frame === "more" || isExpected ? frame : this.look(bytes, at + frame.length);
      if (next === undefined) continue;
      if (at > 0) this.inStep = false;
      this.held.drop(at);
      return frame === "more" || next === "more" ? undefined : frame;
    }
  }

  private look(bytes: Uint8Array, at: number): Frame | "more" | undefined {
    return at < bytes.length ? this.read(bytes, at) : "more";
  }

  private learn({ codec, sampleRate, channels, config, samples }: Frame): void {
    if (
      this.known?.codec === codec &&
      this.known.sampleRate === sampleRate &&
      this.known.channels === channels
    )
      return;
    this.known = {
      ...this.stream,
      codec,
      config,
      codecString: codecString(codec, config, ""),
      sampleRate,
      channels,
      frameDuration: frameDuration(codec, sampleRate) || (samples / sampleRate) * 1e6,
    };
  }
}

/** H.264 unit types. */
const SLICE = 1;
const PARTITION = 2;
const IDR = 5;
const SEQUENCE = 7;
const BEFORE_PICTURE: ReadonlySet<number> = new Set([6, SEQUENCE, 8, 9]);
/** Bytes after a start code that identify the unit: its head, and the slice's first macroblock. */
const TELLING = 6;

class PictureCutter implements Cutter {
  known: Stream | undefined;
  private readonly held = new Held();
  /** Where the search for the next start code continues. */
  private searched = 0;
  /** Where the picture begins, and whether one of its slices was seen. */
  private begin: number | undefined;
  private hasSlice = false;
  private firstBlock = 0;
  private isKey = false;
  private last: { pts: number; step: number } | undefined;

  constructor(private readonly stream: Stream) {}

  push(payload: Uint8Array, mark: Mark | undefined): Unit[] {
    if (this.held.push(payload, mark)) {
      this.begin = undefined;
      this.searched = 0;
    }
    const out: Unit[] = [];
    const { bytes } = this.held.bytes;
    let at = this.searched;
    for (; at + 3 + TELLING <= bytes.length; at += 1) {
      if (bytes[at + 2]! > 1) at += 2;
      else if (bytes[at] === 0 && bytes[at + 1] === 0 && bytes[at + 2] === 1) {
        if (this.begin === undefined || this.isNext(bytes, at + 3)) {
          if (this.begin !== undefined) out.push(...this.unit(bytes, this.begin, at));
          this.begin = at;
          this.hasSlice = this.isKey = false;
        }
        this.note(bytes, at + 3);
        at += 2;
      }
    }
    const begin = this.begin ?? at;
    this.held.drop(Math.min(begin, bytes.length));
    this.searched = Math.max(0, at - begin);
    if (this.begin !== undefined) this.begin = 0;
    return out;
  }

  finish(): Unit[] {
    const { bytes } = this.held.bytes;
    const out =
      this.begin === undefined || !this.hasSlice ? [] : this.unit(bytes, this.begin, bytes.length);
    this.held.drop(bytes.length);
    this.begin = undefined;
    this.searched = 0;
    return out;
  }

  /** Whether the unit at `at` begins another picture (7.4.1.2.3). */
  private isNext(bytes: Uint8Array, at: number): boolean {
    if (!this.hasSlice) return false;
    const type = bytes[at]! & 31;
    if (BEFORE_PICTURE.has(type)) return true;
    return (
      (type === SLICE || type === PARTITION || type === IDR) &&
      firstBlock(bytes, at + 1) <= this.firstBlock
    );
  }

  private note(bytes: Uint8Array, at: number): void {
    const type = bytes[at]! & 31;
    if (type === SLICE || type === PARTITION || type === IDR) {
      this.hasSlice = true;
      this.firstBlock = firstBlock(bytes, at + 1);
    }
    if (type === IDR || type === SEQUENCE) this.isKey = true;
  }

  private unit(bytes: Uint8Array, from: number, to: number): Unit[] {
    const { mark, order } = this.held.unit(from);
    const data = bytes.subarray(from, to);
    const key = this.isKey || mark?.random === true;
    if (key && !this.known) this.learn(data);
    const pts = mark?.pts ?? (this.last && this.last.pts + this.last.step);
    if (pts === undefined) return [];
    const step = this.last ? Math.abs(pts - this.last.pts) : 0;
    this.last = {
      pts,
      step:
        mark && step > 0 && step < 1e6
          ? Math.min(step, this.last?.step || step)
          : (this.last?.step ?? 0),
    };
    return [{ pts: Math.round(pts), duration: undefined, key, data: lengthPrefixed(data), order }];
  }

  private learn(picture: Uint8Array): void {
    const config = avcConfig(picture);
    if (!config) return;
    const sequence = parseSequence(config.subarray(8, 8 + ((config[6]! << 8) | config[7]!)));
    this.known = {
      ...this.stream,
      config,
      codecString: codecString("h264", config, ""),
      width: sequence?.width ?? 0,
      height: sequence?.height ?? 0,
    };
  }
}

/** The number of a slice's first macroblock, an Exp-Golomb number of at most four bytes. */
function firstBlock(bytes: Uint8Array, at: number): number {
  const word =
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  const zeros = Math.clz32(word);
  return zeros > 15 ? 0 : (word >>> (31 - 2 * zeros)) - 1;
}
