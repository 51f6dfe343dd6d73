// Reading the heads of containers that the worker can't play. ffmpeg 5.1 wrote the files: 20 s of
// 64 × 36 video and a tone.

import { describe, expect, test } from "vitest";
import { Bytes } from "../../src/media/foreign/head";
import { measureProgram } from "../../src/media/foreign/read";
import { programDuration } from "../../src/media/foreign/program";
import { type Capabilities, inspect } from "../../src/media/inspect";
import { chance, concat, sample, served } from "./bytes";

const here: Capabilities = {
  mse: (type) => /codecs="(avc1|vp09|av01|mp4a\.40|opus|flac)/.test(type) && type.includes("/mp4"),
  element: (type) =>
    /codecs="(avc1|vp09|av01|mp4a\.40|opus|flac|vp8|vorbis|1)/.test(type) || type === "audio/mpeg",
  encodesOpus: true,
};

async function check(bytes: Uint8Array, expected: string) {
  const { film, verdict } = await inspect(served(bytes).source, here);
  const picture = film.video.map(({ name, width, height }) => `${name} ${width}x${height}`);
  const sound = film.audio.map(
    ({ name, sampleRate, channels }) => `${name} ${sampleRate}/${channels}`,
  );
  const lasts = film.duration === undefined ? "?" : `${film.duration.toFixed(1)} s`;
  expect(
    [film.container, ...picture, ...sound, lasts, verdict.path, verdict.reason].join(" | "),
  ).toBe(expected);
}

describe("heads tell codecs, tracks and lengths", () => {
  test("AVI", () =>
    check(
      sample("head.avi"),
      "avi | MPEG-4 (Xvid) 64x36 | MP3 44100/1 | 20.1 s | ffmpeg | container",
    ));
  test("FLV", () =>
    check(
      sample("head.flv"),
      "flv | Sorenson H.263 64x36 | MP3 44100/1 | 20.0 s | ffmpeg | container",
    ));
  test("WMV", () =>
    check(sample("head.wmv"), "asf | WMV 8 64x36 | WMA 44100/1 | 20.0 s | ffmpeg | container"));
  test("MPEG", () =>
    check(sample("head.mpg"), "mpegps | MPEG-2 64x36 | MP2 44100/1 | ? | ffmpeg | container"));
  // Theora's size is a multiple of its blocks.
  test("Ogg with Theora", () =>
    check(sample("head.ogv"), "ogg | Theora 64x48 | ? | ffmpeg | video_codec"));
  test("MP3 behind a tag", () =>
    check(sample("head.mp3"), "mp3 | MP3 44100/1 | 20.0 s | native | plays_as_is"));
  test("FLAC", () =>
    check(sample("head.flac"), "flac | FLAC 44100/1 | 20.0 s | native | plays_as_is"));
  test("AC-3 in WAV", () =>
    check(sample("ac3.wav"), "wav | AC-3 44100/1 | 20.0 s | ffmpeg | audio_codec"));
  test("PCM in WAV", () =>
    check(
      new TextEncoder().encode(
        "RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0\0\x10\0\0\0\x40\0\0\x04\0\x10\0data\0\0\x02\0",
      ),
      "wav | PCM 4096/2 | 8.0 s | native | plays_as_is",
    ));
  test("RealMedia, whose content stays unknown", () =>
    check(new TextEncoder().encode(".RMF\0\0\0\x12"), "other | ? | ffmpeg | container"));
  test("an MP4 that is encrypted", () => check(sample("locked.mp4"), "mp4 | ? | none | encrypted"));
});

test("the times of an MPEG program stream may begin anywhere", async () => {
  const { film } = await inspect(served(sample("head.mpg")).source, here);
  expect(film.origin).toBeCloseTo(0.5, 1);
});

test("H.264 in AVI is named, and left to ffmpeg", async () => {
  const bytes = sample("head.avi");
  const text = new TextDecoder("latin1").decode(bytes);
  bytes.set(new TextEncoder().encode("H264"), text.indexOf("xvid", text.indexOf("strf")));
  await check(bytes, "avi | H.264 64x36 | MP3 44100/1 | 20.1 s | ffmpeg | container");
});

describe("a program stream's length is read at its end", () => {
  const pack = (seconds: number, id = 0xe0) => {
    const ticks = Math.round(seconds * 90_000) % 2 ** 33;
    const high = Math.floor(ticks / 2 ** 30);
    return Uint8Array.of(
      0,
      0,
      1,
      id,
      0,
      12,
      0x80,
      0x80,
      5,
      0x21 | (high << 1),
      (ticks >> 22) & 255,
      ((ticks >> 14) & 254) | 1,
      (ticks >> 7) & 255,
      ((ticks << 1) & 254) | 1,
      0,
      0,
      0,
      0,
    );
  };
  test("from the first time to the last", async () => {
    const file = concat(
      pack(100.5),
      pack(101, 0xc0),
      new Uint8Array(50_000),
      pack(160.75),
      pack(160.5, 0xc0),
    );
    const { source } = served(file);
    await inspect(source, here);
    expect((await measureProgram(source))! / 1e6).toBeCloseTo(60.25, 3);
  });
  test("across the wrap of its clock", () => {
    expect(programDuration(new Bytes(pack(95_443)), new Bytes(pack(6.28)))).toBeCloseTo(
      6.28 + 2 ** 33 / 90_000 - 95_443,
      2,
    );
    expect(programDuration(new Bytes(new Uint8Array(100)), new Bytes(pack(1)))).toBeUndefined();
  });
});

test("hostile bytes end quickly and without an unexpected error", async () => {
  const random = chance(7);
  const names = [
    "head.avi",
    "head.flv",
    "head.wmv",
    "head.mpg",
    "head.ogv",
    "head.mp3",
    "head.flac",
    "ac3.wav",
  ];
  for (const name of names) {
    const good = sample(name);
    for (let count = 0; count < 60; count += 1) {
      const bytes = good.slice(
        0,
        count % 3 === 0 ? Math.floor(random() * good.length) : good.length,
      );
      for (let flips = 0; flips < 1 + count / 4; flips += 1)
        bytes[12 + Math.floor(random() * Math.min(bytes.length, 600))] =
          count % 2 ? 255 : Math.floor(random() * 256);
      const { film } = await inspect(served(bytes).source, here);
      expect(film.video.length + film.audio.length).toBeLessThanOrEqual(64);
      expect(film.duration ?? 1).toBeGreaterThan(0);
    }
  }
}, 20_000);
