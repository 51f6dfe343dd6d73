// Decodes Presentation Graphic Streams (PGS), the subtitles of Blu-ray discs.
//
// A display set defines the screen from its time on. It may use objects and palettes of earlier
// sets, back to the last one that starts afresh. So sets are stored in order of time, and a picture
// is composed when it is shown. Windows, which help hardware players to clear the screen, are
// ignored. Malformed bytes never throw, and never exceed the limits below.

import { joined } from "../../model/bytes";

/** Largest plane in px. Ultra HD discs have 3840 × 2160. */
const MOST_WIDTH = 4096;
const MOST_HEIGHT = 2304;
/** Most objects shown together, and most known objects. */
const MOST_SHOWN = 16;
const MOST_OBJECTS = 256;
/** Most pixels of all objects of a picture. */
const MOST_PIXELS = MOST_WIDTH * MOST_HEIGHT * 2;
/** Most bytes of stored segments. The sets farthest from the newest are dropped first. */
const MOST_KEPT = 96 << 20;
/** How long a set without an end is shown at most, in seconds. */
const ENDLESS_S = 30;

const PALETTE = 0x14;
const OBJECT = 0x15;
const COMPOSITION = 0x16;
const END = 0x80;

/** An object on the plane. Its pixels are not premultiplied with alpha. */
export interface Placed {
  x: number;
  y: number;
  width: number;
  height: number;
  rgba: Uint8ClampedArray<ArrayBuffer>;
}

/** The objects shown at a time, with their places. */
export interface Screen {
  /** The plane's size, which positions refer to. */
  width: number;
  height: number;
  placed: Placed[];
}

interface Shown {
  object: number;
  x: number;
  y: number;
  crop: { x: number; y: number; width: number; height: number } | undefined;
}

interface Composition {
  width: number;
  height: number;
  /** Whether the set needs nothing from earlier sets. */
  fresh: boolean;
  palette: number;
  shown: Shown[];
}

interface DisplaySet {
  start: number;
  end: number | undefined;
  bytes: Uint8Array;
  composition: Composition | undefined;
}

interface ObjectData {
  width: number;
  height: number;
  parts: Uint8Array[];
}

/** The display sets of one track. */
export class PgsSets {
  private readonly sets: DisplaySet[] = [];
  private kept = 0;

  get size(): number {
    return this.sets.length;
  }

  /** Adds a block of segments. Returns whether it was new. */
  add(start: number, end: number | undefined, bytes: Uint8Array): boolean {
    let at = this.sets.length;
    while (at > 0 && this.sets[at - 1]!.start > start) at -= 1;
    for (let same = at - 1; same >= 0 && this.sets[same]!.start === start; same -= 1)
      if (equal(this.sets[same]!.bytes, bytes)) return false;
    this.sets.splice(at, 0, { start, end, bytes, composition: compositionIn(bytes) });
    this.kept += bytes.length;
    while (this.kept > MOST_KEPT && this.sets.length > 1) {
      const first = this.sets[0]!;
      const last = this.sets.at(-1)!;
      const gone = start - first.start > last.start - start ? this.sets.shift()! : this.sets.pop()!;
      this.kept -= gone.bytes.length;
    }
    return true;
  }

  /**
   * A number for what is shown at a time, which changes with the picture. `undefined` when nothing
   * is.
   */
  indexAt(time: number): number | undefined {
    const index = this.sets.findLastIndex(
      ({ start, composition }) => start <= time && composition !== undefined,
    );
    if (index < 0) return undefined;
    const { start, end, composition } = this.sets[index]!;
    return composition!.shown.length > 0 && time < (end ?? start + ENDLESS_S) ? index : undefined;
  }

  /** The picture of a set. */
  screen(index: number): Screen | undefined {
    const composition = this.sets[index]?.composition;
    if (!composition) return undefined;
    let first = index;
    while (first > 0 && !this.sets[first]!.composition?.fresh) first -= 1;
    const state = new State();
    for (let at = first; at <= index; at += 1) state.take(this.sets[at]!.bytes);
    // Some files have a block for each segment.
    for (let at = index + 1; at < this.sets.length && !this.sets[at]!.composition; at += 1)
      state.take(this.sets[at]!.bytes);
    return state.compose(composition);
  }
}

/** Objects and palettes since the last set that started afresh. */
class State {
  private readonly palettes = new Map<number, Uint8Array[]>();
  private readonly objects = new Map<number, ObjectData>();
  private unfinished: ObjectData | undefined;

  take(bytes: Uint8Array): void {
    for (const { type, body } of segments(bytes)) {
      if (type === PALETTE && body.length >= 2) this.palette(body);
      else if (type === OBJECT && body.length >= 4) this.object(body);
    }
  }

  private palette(body: Uint8Array): void {
    const id = body[0]!;
    const parts = this.palettes.get(id) ?? [];
    // Later versions of a palette replace single entries.
    if (parts.length < 64) parts.push(body.subarray(2));
    this.palettes.set(id, parts);
  }

  private object(body: Uint8Array): void {
    const id = (body[0]! << 8) | body[1]!;
    const order = body[3]!;
    if (order & 0x80) {
      if (body.length < 11) return;
      const width = (body[7]! << 8) | body[8]!;
      const height = (body[9]! << 8) | body[10]!;
      if (width === 0 || height === 0 || width > MOST_WIDTH || height > MOST_HEIGHT) return;
      if (this.objects.size >= MOST_OBJECTS && !this.objects.has(id)) return;
      this.unfinished = { width, height, parts: [body.subarray(11)] };
      this.objects.set(id, this.unfinished);
    } else if (this.objects.get(id) === this.unfinished) {
      this.unfinished?.parts.push(body.subarray(4));
    }
    if (order & 0x40) this.unfinished = undefined;
  }

  compose({ width, height, palette, shown }: Composition): Screen {
    const colours = this.colours(palette, height);
    const placed: Placed[] = [];
    let pixelsLeft = MOST_PIXELS;
    for (const { object, x, y, crop } of shown) {
      const data = this.objects.get(object);
      if (!data || (pixelsLeft -= data.width * data.height) < 0) continue;
      const indexes = decodeRuns(data);
      const from = crop ?? { x: 0, y: 0, width: data.width, height: data.height };
      const cut = {
        width: Math.min(from.width, data.width - from.x, width - x),
        height: Math.min(from.height, data.height - from.y, height - y),
      };
      if (cut.width <= 0 || cut.height <= 0) continue;
      const pixels = new Uint32Array(cut.width * cut.height);
      for (let row = 0; row < cut.height; row += 1) {
        const line = (from.y + row) * data.width + from.x;
        for (let column = 0; column < cut.width; column += 1)
          pixels[row * cut.width + column] = colours[indexes[line + column]!]!;
      }
      placed.push({ x, y, ...cut, rgba: new Uint8ClampedArray(pixels.buffer) });
    }
    return { width, height, placed };
  }

  /** 256 colours as bytes R, G, B, A. Missing entries are transparent. */
  private colours(id: number, height: number): Uint32Array {
    const colours = new Uint32Array(256);
    const bytes = new Uint8ClampedArray(colours.buffer);
    // BT.709 for HD, BT.601 for smaller planes; 16–235 in both.
    const [kr, kb] = height > 576 ? [0.2126, 0.0722] : [0.299, 0.114];
    const kg = 1 - kr - kb;
    for (const entries of this.palettes.get(id) ?? []) {
      for (let at = 0; at + 5 <= entries.length; at += 5) {
        const luma = ((entries[at + 1]! - 16) * 255) / 219;
        const red = ((entries[at + 2]! - 128) * 255) / 224;
        const blue = ((entries[at + 3]! - 128) * 255) / 224;
        const to = entries[at]! * 4;
        bytes[to] = luma + 2 * (1 - kr) * red;
        bytes[to + 1] = luma - (2 * kr * (1 - kr) * red + 2 * kb * (1 - kb) * blue) / kg;
        bytes[to + 2] = luma + 2 * (1 - kb) * blue;
        bytes[to + 3] = entries[at + 4]!;
      }
    }
    return colours;
  }
}

/**
 * Decodes an object's runs into palette indexes. Missing pixels are 255, which is transparent by
 * custom.
 */
function decodeRuns({ width, height, parts }: ObjectData): Uint8Array {
  const pixels = new Uint8Array(width * height).fill(255);
  const runs = parts.length === 1 ? parts[0]! : joined(parts);
  let row = 0;
  let column = 0;
  for (let at = 0; at < runs.length && row < height; ) {
    let colour = runs[at++]!;
    let length = 1;
    if (colour === 0) {
      const flags = runs[at++] ?? 0;
      if (flags === 0) {
        row += 1;
        column = 0;
        continue;
      }
      length = flags & 0x3f;
      if (flags & 0x40) length = (length << 8) | (runs[at++] ?? 0);
      if (flags & 0x80) colour = runs[at++] ?? 0;
    }
    const end = Math.min(column + length, width);
    pixels.fill(colour, row * width + column, row * width + end);
    column = end;
  }
  return pixels;
}

function* segments(bytes: Uint8Array): Generator<{ type: number; body: Uint8Array }> {
  for (let at = 0; at + 3 <= bytes.length; ) {
    const type = bytes[at]!;
    const length = (bytes[at + 1]! << 8) | bytes[at + 2]!;
    if (at + 3 + length > bytes.length || type === END) return;
    yield { type, body: bytes.subarray(at + 3, at + 3 + length) };
    at += 3 + length;
  }
}

function compositionIn(bytes: Uint8Array): Composition | undefined {
  for (const { type, body } of segments(bytes)) {
    if (type !== COMPOSITION || body.length < 11) continue;
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    const width = view.getUint16(0);
    const height = view.getUint16(2);
    if (width === 0 || height === 0 || width > MOST_WIDTH || height > MOST_HEIGHT) return undefined;
    const composition: Composition = {
      width,
      height,
      fresh: (body[7]! & 0xc0) !== 0,
      palette: body[9]!,
      shown: [],
    };
    for (
      let count = Math.min(body[10]!, MOST_SHOWN), at = 11;
      count > 0 && at + 8 <= body.length;
      count -= 1
    ) {
      const shown: Shown = {
        object: view.getUint16(at),
        x: view.getUint16(at + 4),
        y: view.getUint16(at + 6),
        crop: undefined,
      };
      const cropped = (body[at + 3]! & 0x80) !== 0;
      at += 8;
      if (cropped && at + 8 <= body.length) {
        shown.crop = {
          x: view.getUint16(at),
          y: view.getUint16(at + 2),
          width: view.getUint16(at + 4),
          height: view.getUint16(at + 6),
        };
        at += 8;
      }
      composition.shown.push(shown);
    }
    return composition;
  }
  return undefined;
}

/**
 * Parses a .sup file: each segment follows "PG" and two 90 kHz times. `undefined` if it is none.
 */
export function parseSup(bytes: Uint8Array): PgsSets | undefined {
  if (bytes[0] !== 0x50 || bytes[1] !== 0x47) return undefined;
  const sets = new PgsSets();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let parts: Uint8Array[] = [];
  let start = 0;
  for (let at = 0; at + 13 <= bytes.length && bytes[at] === 0x50 && bytes[at + 1] === 0x47; ) {
    const type = bytes[at + 10]!;
    const length = view.getUint16(at + 11);
    const segment = bytes.subarray(at + 10, at + 13 + length);
    if (segment.length < 3 + length) break;
    if (type === COMPOSITION) {
      start = view.getUint32(at + 2) / 90_000;
      parts = [];
    }
    parts.push(segment);
    if (type === END) sets.add(start, undefined, joined(parts));
    at += 13 + length;
  }
  return sets;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
