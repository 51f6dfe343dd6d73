// Sample times: decoding times for pictures, an even beat for sound, and silence.

import type { Sample } from "./fmp4";

/** How many pictures are looked ahead if the film does not tell how far it reorders. */
const LOOK_AHEAD = 5;

interface Picture {
  pts: number;
  duration: number | undefined;
  key: boolean;
  data: Uint8Array;
}

/**
 * Assigns decoding times to pictures: the sorted presentation times of the look-ahead. A picture
 * before its decoding time gets a negative composition offset.
 */
export class PictureClock {
  private readonly waiting: Picture[] = [];
  private readonly times: number[] = [];
  private held: Sample | undefined;
  private last = -1;

  constructor(private readonly lookAhead = LOOK_AHEAD) {}

  /** Takes a picture in decoding order. Returns those whose times are known now. */
  push(picture: Picture): Sample[] {
    this.waiting.push(picture);
    this.insert(picture.pts);
    const out: Sample[] = [];
    while (this.waiting.length > this.lookAhead) this.emit(out);
    return out;
  }

  /** The remaining pictures, at the end of the film. */
  flush(): Sample[] {
    const out: Sample[] = [];
    while (this.waiting.length > 0) this.emit(out);
    if (this.held) out.push(this.held);
    this.held = undefined;
    return out;
  }

  private insert(pts: number): void {
    let at = this.times.length;
    while (at > 0 && this.times[at - 1]! > pts) at -= 1;
    this.times.splice(at, 0, pts);
  }

  private emit(out: Sample[]): void {
    const picture = this.waiting.shift()!;
    const dts = Math.max(this.times.shift()!, this.last + 1, 0);
    this.last = dts;
    if (this.held) {
      this.held.duration = dts - this.held.dts;
      out.push(this.held);
    }
    this.held = {
      dts,
      pts: picture.pts,
      duration: picture.duration || 40_000,
      key: picture.key,
      data: picture.data,
    };
  }
}

/** Gaps and overlaps up to this size are rounding of the container's ticks, in µs. */
const JITTER_US = 15_000;

/** Spaces sound frames evenly, without drifting from the container's times. */
export class SoundClock {
  private next: number | undefined;

  /** `duration` is in µs, or 0 if only the container's times tell it. */
  place(pts: number, duration: number): { pts: number; duration: number } {
    const even = this.next !== undefined && duration > 0 && Math.abs(pts - this.next) <= JITTER_US;
    const at = even ? this.next! : pts;
    this.next = at + duration;
    return { pts: at, duration };
  }

  reset(): void {
    this.next = undefined;
  }
}

/** An Opus packet of 20 ms of silence, and its head: fullband, stereo. */
const SILENCE = Uint8Array.of(0xfc, 0xff, 0xfe);
/** Duration of one packet of silence in µs. */
export const SILENCE_US = 20_000;

/** An OpusHead (RFC 7845, 5.1). */
export function opusHead(
  channels: number,
  preSkip: number,
  sampleRate = 48_000,
): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(19);
  head.set([..."OpusHead"].map((char) => char.charCodeAt(0)));
  const view = new DataView(head.buffer);
  head[8] = 1;
  head[9] = channels;
  view.setUint16(10, preSkip, true);
  view.setUint32(12, sampleRate, true);
  return head;
}

/** Packets of silence from `from` to `to` (µs). The last one may be cut short. */
export function silence(from: number, to: number): Sample[] {
  const out: Sample[] = [];
  for (let at = from; at < to; at += SILENCE_US)
    out.push({
      dts: at,
      pts: at,
      duration: Math.min(SILENCE_US, to - at),
      key: true,
      data: SILENCE,
    });
  return out;
}
