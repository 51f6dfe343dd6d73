// Cutting the streams in MPEG-TS into frames of sound and pictures.

import { expect, test } from "vitest";
import { avcConfig } from "../../src/media/annexb";
import { Cursor } from "../../src/media/reader";
import { parseSequence, sequenceOf } from "../../src/media/sps";
import { openTransport } from "../../src/media/transport/file";
import { frameReader } from "../../src/media/transport/frames";
import { readTransportHead } from "../../src/media/transport/head";
import { all, chance, sample, served } from "./bytes";

async function film(bytes: Uint8Array, chunk = 4096) {
  const { source } = served(bytes, { chunk });
  const cursor = new Cursor(source, 0);
  const file = await openTransport(source, cursor, (await readTransportHead(cursor))!);
  const packets = await all(
    await file.read(0, file.streams[0]!.id, new Set(file.streams.map(({ id }) => id))),
  );
  return {
    file,
    packets,
    of: (index: number) => packets.filter(({ track }) => track === file.streams[index]!.id),
  };
}

test("each kind of sound is cut into the frames and times that ffprobe finds", async () => {
  const { file, of } = await film(sample("tracks.mpegts"));
  const told = file.streams.map(({ codecString, channels, sampleRate }, index) => {
    const packets = of(index);
    const sizes = new Set(packets.map(({ data }) => data.length));
    const lastMs = packets.at(-1)!.pts / 1000;
    const frames = `${packets.length}, ${lastMs} ms${sizes.size <= 2 ? `, ${[...sizes]}` : ""}`;
    return `${codecString} ${channels} ${sampleRate}: ${frames}`;
  });
  expect(told).toEqual([
    "avc1.64000b 0 0: 15, 545.056 ms",
    "ac-3 6 48000: 19, 595.722 ms, 768",
    "ec-3 6 48000: 19, 595.722 ms, 384",
    "dtsc 6 48000: 57, 622.389 ms, 1024",
    "mp4a.6B 1 44100: 24, 600.811 ms, 130,131",
    "mp4a.40.2 1 44100: 27, 605.556 ms",
  ]);
});

test("pictures have a size, key pictures and a depth of reordering", async () => {
  const { file, of } = await film(sample("tracks.mpegts"));
  expect([file.streams[0]!.width, file.streams[0]!.height]).toEqual([160, 90]);
  expect(sequenceOf(file.streams[0]!.config)?.reordered).toBe(2);
  expect(of(0).flatMap(({ key }, index) => (key ? [index] : []))).toEqual([0, 10]);
  expect(new Set(of(0).map(({ pts }) => pts)).size).toBe(15);
  // The output has lengths instead of start codes.
  for (const { data } of of(0)) {
    let at = 0;
    while (at < data.length) at += 4 + new DataView(data.buffer, data.byteOffset).getUint32(at);
    expect(at).toBe(data.length);
  }
});

test("the frames are the same, whatever the sizes of the chunks", async () => {
  const whole = (await film(sample("tracks.mpegts"), 1 << 20)).packets;
  const byTrack = (packets: typeof whole) =>
    packets.toSorted((a, b) => a.track - b.track || a.order - b.order);
  for (const chunk of [1, 187, 1000, 65536])
    expect(byTrack((await film(sample("tracks.mpegts"), chunk)).packets)).toEqual(byTrack(whole));
});

test("damage costs only the frames in it", async () => {
  const bytes = sample("tracks.mpegts");
  const whole = await film(bytes);
  bytes.fill(0, 188 * 100, 188 * 120);
  const { of } = await film(bytes);
  for (const index of [0, 1, 2, 3, 4, 5]) {
    const left = of(index);
    expect(left.length).toBeGreaterThan(whole.of(index).length * 0.6);
    for (const { pts, data } of left.slice(-2))
      expect(whole.of(index).find((other) => other.pts === pts)?.data).toEqual(data);
  }
});

test("Dolby's dependent frames and DTS extensions are skipped", () => {
  const read = (codec: "eac3" | "dts", bytes: number[]) =>
    frameReader(codec)!(Uint8Array.from([...bytes, ...new Array<number>(16).fill(0)]), 0);
  expect(read("eac3", [0x0b, 0x77, 0x00, 0xff, 0x3f, 0x80])).toMatchObject({
    length: 512,
    samples: 1536,
    channels: 6,
  });
  expect(read("eac3", [0x0b, 0x77, 0x40, 0xff, 0x3f, 0x80])).toMatchObject({
    length: 512,
    samples: 0,
  });
  expect(read("dts", [0x64, 0x58, 0x20, 0x25, 0, 0x00, 0x01, 0xf3, 0xe0])).toMatchObject({
    length: 4000,
    samples: 0,
  });
});

test("random bytes give no impossible frame or picture", () => {
  const random = chance(7);
  for (let count = 0; count < 3000; count += 1) {
    const bytes = Uint8Array.from({ length: 40 }, () => Math.floor(random() * 256));
    for (const [codec, sync] of [
      ["aac", [0xff, 0xf1]],
      ["mp3", [0xff, 0xfb]],
      ["ac3", [0x0b, 0x77]],
      ["dts", [0x7f, 0xfe, 0x80, 0x01]],
    ] as const) {
      bytes.set(sync);
      const frame = frameReader(codec)!(bytes, 0);
      if (typeof frame === "object")
        expect([frame.length > frame.head, frame.samples === 0 || frame.sampleRate > 0]).toEqual([
          true,
          true,
        ]);
    }
    const sequence = parseSequence(bytes);
    if (sequence) expect(Math.min(sequence.width, sequence.height)).toBeGreaterThan(0);
    expect(() => avcConfig(bytes)).not.toThrow();
  }
});

test("sound that contradicts its tables is not searched in the whole film", async () => {
  const part = sample("tracks.mpegts");
  const { file } = await film(part);
  const dts = file.streams[3]!.id;
  const whole = new Uint8Array(part.length * 40);
  for (let at = 0; at < whole.length; at += part.length) whole.set(part, at);
  for (let at = 0; at < whole.length; at += 188)
    for (let byte = at + 4; byte < at + 188; byte += 1)
      if ((((whole[at + 1]! & 31) << 8) | whole[at + 2]!) === dts && whole[byte] === 0x7f)
        whole[byte] = 0;
  const { source } = served(whole, { chunk: 16384 });
  const cursor = new Cursor(source, 0);
  const opened = await openTransport(source, cursor, (await readTransportHead(cursor))!);
  expect(opened.streams.map(({ codec }) => codec)).toEqual([
    "h264",
    "ac3",
    "eac3",
    "other",
    "mp3",
    "aac",
  ]);
  expect(source.fetched).toBeLessThan(1.1 * 2 ** 20);
});

test("pictures continue after garbage that is larger than any picture", async () => {
  const bytes = sample("tracks.mpegts");
  const from = 188 * 100;
  // A packet in the middle of a picture, filled with bytes that begin nothing.
  let at = from;
  while (
    (bytes[at + 1]! & 0x40) !== 0 ||
    (((bytes[at + 1]! & 31) << 8) | bytes[at + 2]!) !== 0x100 ||
    (bytes[at + 3]! & 0x30) !== 0x10
  )
    at += 188;
  const noise = bytes.slice(at, at + 188).fill(0xff, 4);
  const count = Math.ceil((17 << 20) / 184);
  const long = new Uint8Array(bytes.length + count * noise.length);
  long.set(bytes.subarray(0, at));
  for (let one = 0; one < count; one += 1) long.set(noise, at + one * noise.length);
  long.set(bytes.subarray(at), at + count * noise.length);
  const [whole, damaged] = [await film(bytes), await film(long, 1 << 20)];
  expect(damaged.of(0).length).toBeGreaterThanOrEqual(whole.of(0).length - 3);
  expect(damaged.of(0).at(-1)!.pts).toBe(whole.of(0).at(-1)!.pts);
});
