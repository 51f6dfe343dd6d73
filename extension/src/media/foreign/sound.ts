// Parses sound files and Ogg: what they contain, and whether a `<video>` plays them.

import type { Stream } from "../film";
import { type Named, waveFormat } from "../names";
import { type Bytes, type Head, lasting, track } from "./head";

const RATES = [44100, 48000, 32000];

/** RIFF WAVE. */
export function readWave(bytes: Bytes, size: number | undefined): Head {
  let stream: Stream | undefined;
  let perSecond = 0;
  let duration: number | undefined;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = bytes.u32(at + 4);
    if (bytes.ascii(at, 4) === "fmt ") {
      const tag = bytes.u16(at + 8) === 0xfffe ? bytes.u16(at + 32) : bytes.u16(at + 8);
      stream = track(0, "audio", waveFormat(tag), `0x${tag.toString(16)}`, {
        channels: bytes.u16(at + 10),
        sampleRate: bytes.u32(at + 12),
        bitDepth: bytes.u16(at + 22),
      });
      perSecond = bytes.u32(at + 16);
    } else if (bytes.ascii(at, 4) === "data") {
      // Writers that could not seek back leave the length open.
      const dataSize = length === 0 || length === 0xffffffff ? (size ?? 0) - at - 8 : length;
      if (perSecond > 0) duration = lasting(dataSize / perSecond);
      break;
    }
    at += 8 + length + (length & 1);
  }
  return { container: "wav", duration, streams: stream ? [stream] : [] };
}

/** A FLAC file (RFC 9639). */
export function readFlac(bytes: Bytes): Head {
  const rate = bytes.u24(18) >> 4;
  const samples = (bytes.u8(21) & 15) * 2 ** 32 + bytes.u32(22, false);
  const stream = track(0, "audio", { codec: "flac" }, "fLaC", {
    sampleRate: rate,
    channels: ((bytes.u8(20) >> 1) & 7) + 1,
    bitDepth: (((bytes.u8(20) & 1) << 4) | (bytes.u8(21) >> 4)) + 1,
  });
  return {
    container: "flac",
    duration: rate > 0 ? lasting(samples / rate) : undefined,
    streams: [stream],
  };
}

/** The first pages of an Ogg file, each of which begins a stream (RFC 3533). */
export function readOgg(bytes: Bytes): Head {
  const streams: Stream[] = [];
  for (
    let at = 0;
    bytes.ascii(at, 4) === "OggS" && (bytes.u8(at + 5) & 2) !== 0 && streams.length < 16;
  ) {
    const segments = bytes.u8(at + 26);
    const body = at + 27 + segments;
    const begin = bytes.ascii(body, 8);
    const id = streams.length;
    if (begin === "OpusHead")
      streams.push(
        track(id, "audio", { codec: "opus" }, "opus", {
          channels: bytes.u8(body + 9),
          sampleRate: 48_000,
        }),
      );
    else if (begin.startsWith("\x01vorbis"))
      streams.push(
        track(id, "audio", { codec: "vorbis" }, "vorbis", {
          channels: bytes.u8(body + 11),
          sampleRate: bytes.u32(body + 12),
        }),
      );
    else if (begin.startsWith("\x7fFLAC"))
      streams.push(track(id, "audio", { codec: "flac" }, "flac"));
    else if (begin.startsWith("Speex"))
      streams.push(
        track(id, "audio", { codec: "other", name: "Speex" }, "speex", {
          sampleRate: bytes.u32(body + 36),
        }),
      );
    else if (begin.startsWith("\x80theora"))
      streams.push(
        track(id, "video", { codec: "other", name: "Theora" }, "theora", {
          width: bytes.u16(body + 10, false) << 4,
          height: bytes.u16(body + 12, false) << 4,
        }),
      );
    at = body;
    for (let index = 0; index < segments; index += 1) at += bytes.u8(body - segments + index);
  }
  return { container: "ogg", duration: undefined, streams };
}

/** Parses the head of an MPEG audio frame (ISO/IEC 11172-3, 2.4.1.3). */
export function mpegAudio(
  bytes: Bytes,
  at: number,
): { named: Named; sampleRate: number; channels: number } {
  const version = (bytes.u8(at + 1) >> 3) & 3;
  const sampleRate = Math.round(
    (RATES[(bytes.u8(at + 2) >> 2) & 3] ?? 0) / (version === 3 ? 1 : version === 2 ? 2 : 4),
  );
  return {
    named: { codec: (bytes.u8(at + 1) & 6) === 2 ? "mp3" : "mp2" },
    sampleRate,
    channels: bytes.u8(at + 3) >> 6 === 3 ? 1 : 2,
  };
}

/** MPEG audio or ADTS, perhaps after an ID3 tag. `size` is the file's size in bytes. */
export function readFrames(bytes: Bytes, size: number | undefined): Head {
  const tagged = bytes.ascii(0, 3) === "ID3";
  const tag = tagged
    ? 10 +
      (((bytes.u8(6) & 127) << 21) |
        ((bytes.u8(7) & 127) << 14) |
        ((bytes.u8(8) & 127) << 7) |
        (bytes.u8(9) & 127))
    : 0;
  let at = tag;
  while (at + 4 <= bytes.length && !(bytes.u8(at) === 0xff && (bytes.u8(at + 1) & 0xe0) === 0xe0))
    at += 1;
  // After a large picture in its tag: almost always MP3.
  if (at + 4 > bytes.length)
    return {
      container: "mp3",
      duration: undefined,
      streams: [track(0, "audio", { codec: "mp3" }, "mp3")],
    };
  const [second, third] = [bytes.u8(at + 1), bytes.u8(at + 2)];
  if ((second & 6) === 0) {
    const rates = [
      96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
    ];
    return {
      container: "aac",
      duration: undefined,
      streams: [
        track(0, "audio", { codec: "aac" }, "aac", {
          sampleRate: rates[(third >> 2) & 15] ?? 0,
          channels: ((third & 1) << 2) | (bytes.u8(at + 3) >> 6),
        }),
      ],
    };
  }
  const version = (second >> 3) & 3;
  const { named, sampleRate: rate, channels } = mpegAudio(bytes, at);
  const xing = at + 4 + (version === 3 ? (channels === 1 ? 17 : 32) : channels === 1 ? 9 : 17);
  let duration: number | undefined;
  if (/^(Xing|Info)$/.test(bytes.ascii(xing, 4)) && bytes.u32(xing + 4, false) & 1 && rate > 0)
    duration = lasting((bytes.u32(xing + 8, false) * (version === 3 ? 1152 : 576)) / rate);
  else if (version === 3 && named.codec === "mp3" && size !== undefined) {
    const kbits =
      [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320][third >> 4] ?? 0;
    if (kbits > 0) duration = lasting(((size - at) * 8) / (kbits * 1000));
  }
  return {
    container: "mp3",
    duration,
    streams: [track(0, "audio", named, named.codec, { sampleRate: rate, channels })],
  };
}
