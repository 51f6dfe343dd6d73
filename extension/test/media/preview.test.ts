// Finding key frames for the pictures over the seek bar.

import { expect, test } from "vitest";
import { decoderConfig, KeyFrames } from "../../src/media/preview";
import type { Fetch } from "../../src/media/reader";
import { body, sample } from "./bytes";

/** A daemon that has only some bytes of a film on disk. */
function daemon(bytes: Uint8Array, has: (at: number) => boolean = () => true) {
  const asked: string[] = [];
  const fetcher: Fetch = (url, { headers, signal }) => {
    asked.push(url);
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers["Range"]!)!.map(Number) as [
      number,
      number,
      number,
    ];
    if (from >= bytes.length)
      return Promise.resolve(
        new Response(null, {
          status: 416,
          headers: { "Content-Range": `bytes */${bytes.length}` },
        }),
      );
    if (!has(from)) return Promise.resolve(new Response(null, { status: 409 }));
    let end = from;
    while (end <= to && end < bytes.length && has(end)) end += 1;
    const range = { "Content-Range": `bytes ${from}-${end - 1}/${bytes.length}` };
    return Promise.resolve(
      new Response(body(bytes.subarray(from, end), 4096, signal), { status: 206, headers: range }),
    );
  };
  return { asked, frames: new KeyFrames("http://127.0.0.1:1/stream/f?key=k", fetcher) };
}

for (const [name, codec] of [
  ["ffmpeg.mkv", "avc1"],
  ["film.mp4", "avc1"],
  ["tracks.mpegts", "avc1"],
] as const) {
  test(`${name}: the key frame at or before a time is found, for times in any order`, async () => {
    const { frames, asked } = daemon(sample(name));
    for (const at of [0, 1.7, 0.2]) {
      const found = await frames.near(at);
      expect(found?.packet.key).toBe(true);
      expect(found!.packet.pts / 1e6).toBeLessThanOrEqual(at + 0.1);
      const config = decoderConfig(found!);
      expect(config?.codec).toContain(codec);
      expect(config?.description).toBeDefined();
    }
    expect(new Set(asked)).toEqual(new Set(["http://127.0.0.1:1/stream/f?key=k&wait=0"]));
  });
}

test("there is no picture without bytes on disk, and one once they are on disk", async () => {
  const bytes = sample("ffmpeg.mkv");
  let there = 10;
  const { frames, asked } = daemon(bytes, (at) => at < there);
  expect(await frames.near(0)).toBeUndefined();
  expect(asked.length).toBeLessThan(4);
  there = bytes.length;
  expect((await frames.near(0))?.packet.key).toBe(true);
});

test("a file that is not a supported film has no picture", async () => {
  for (const name of ["head.avi", "head.flac", "old.m2ts", "ac3.wav"])
    expect(await daemon(sample(name)).frames.near(1)).toBeUndefined();
});
