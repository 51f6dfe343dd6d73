// Parses the first tags of a Flash video (Adobe Flash Video File Format 10.1, annex E).

import type { Stream } from "../film";
import { fourcc, type Named } from "../names";
import { type Bytes, type Head, lasting, track } from "./head";

const MOST_TAGS = 400;
const MOST_DEPTH = 4;
const VIDEO: Record<number, Named> = {
  2: { codec: "other", name: "Sorenson H.263" },
  3: { codec: "other", name: "Screen Video" },
  4: { codec: "other", name: "VP6" },
  5: { codec: "other", name: "VP6" },
  7: { codec: "h264" },
  12: { codec: "hevc" },
};
const AUDIO: Record<number, Named> = {
  0: { codec: "pcm" },
  1: { codec: "other", name: "ADPCM" },
  2: { codec: "mp3" },
  3: { codec: "pcm" },
  4: { codec: "other", name: "Nellymoser" },
  5: { codec: "other", name: "Nellymoser" },
  6: { codec: "other", name: "Nellymoser" },
  10: { codec: "aac" },
  11: { codec: "other", name: "Speex" },
  14: { codec: "mp3" },
};
const RATES = [5512, 11025, 22050, 44100];

/** Reads the first tags of a Flash video. */
export function readFlv(bytes: Bytes): Head {
  const facts: Record<string, number> = {};
  let video: Stream | undefined;
  let audio: Stream | undefined;
  const wanted = { video: (bytes.u8(4) & 1) !== 0, audio: (bytes.u8(4) & 4) !== 0 };
  let at = Math.max(9, bytes.u32(5, false)) + 4;
  for (let count = 0; count < MOST_TAGS && bytes.has(at, 12); count += 1) {
    const [type, size, body] = [bytes.u8(at) & 31, bytes.u24(at + 1), at + 11];
    if (type === 18) metadata(bytes, body, Math.min(body + size, bytes.length), facts);
    else if (type === 9) video ??= picture(bytes, body, size);
    else if (type === 8) audio ??= sound(bytes, body);
    at = body + size + 4;
    if ((video || !wanted.video) && (audio || !wanted.audio) && "duration" in facts) break;
  }
  if (video) {
    video.width = whole(facts["width"]);
    video.height = whole(facts["height"]);
  }
  return {
    container: "flv",
    duration: lasting(facts["duration"] ?? 0),
    streams: [video, audio].filter((stream) => stream !== undefined),
  };
}

const whole = (value: number | undefined): number =>
  value !== undefined && value > 0 && value < 65536 ? Math.round(value) : 0;

function picture(bytes: Bytes, at: number, size: number): Stream {
  const first = bytes.u8(at);
  // Enhanced RTMP writes four characters instead of a number.
  if (first & 0x80)
    return track(0, "video", fourcc(bytes.ascii(at + 1, 4)), bytes.ascii(at + 1, 4));
  const id = first & 15;
  const config =
    id === 7 && bytes.u8(at + 1) === 0 && size > 12 && bytes.has(at, size)
      ? bytes.data.slice(at + 5, at + size)
      : undefined;
  return track(0, "video", VIDEO[id] ?? { codec: "other" }, `FLV video ${id}`, { config });
}

function sound(bytes: Bytes, at: number): Stream {
  const first = bytes.u8(at);
  return track(1, "audio", AUDIO[first >> 4] ?? { codec: "other" }, `FLV sound ${first >> 4}`, {
    sampleRate: RATES[(first >> 2) & 3]!,
    channels: (first & 1) + 1,
  });
}

/** Collects the numbers of `onMetaData` (AMF 0). */
function metadata(bytes: Bytes, from: number, to: number, facts: Record<string, number>): void {
  let at = from;
  const text = (): string => {
    const length = bytes.u16(at, false);
    at += 2 + length;
    return bytes.ascii(at - length, Math.min(length, 64));
  };
  /** Reads one value. Returns false if there is none. */
  const value = (key: string, depth: number): boolean => {
    if (at >= to || depth > MOST_DEPTH) return false;
    const type = bytes.u8(at);
    at += 1;
    switch (type) {
      case 0:
        if (depth === 1) facts[key] = bytes.f64(at);
        at += 8;
        return true;
      case 1:
        at += 1;
        return true;
      case 2:
        text();
        return true;
      case 5:
      case 6:
        return true;
      case 11:
        at += 10;
        return true;
      case 3:
      case 8:
        if (type === 8) at += 4;
        while (at < to) {
          const name = text();
          if (name === "") {
            at += 1;
            return true;
          }
          if (!value(name, depth + 1)) return false;
        }
        return false;
      case 10: {
        const count = bytes.u32(at, false);
        at += 4;
        for (let index = 0; index < count && at < to; index += 1)
          if (!value("", depth + 1)) return false;
        return true;
      }
      default:
        return false;
    }
  };
  if (bytes.u8(at) !== 2) return;
  at += 1;
  if (text() === "onMetaData") value("", 0);
}
