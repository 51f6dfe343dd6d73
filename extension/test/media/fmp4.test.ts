// Writing fragmented MP4, and the times of its samples.

import { BufferSource, EncodedPacketSink, Input, MP4 } from "mediabunny";
import { describe, expect, test } from "vitest";
import { codecString } from "../../src/media/codecs";
import type { Codec, Stream } from "../../src/media/film";
import { fragment, initSegment, type Sample } from "../../src/media/fmp4";
import { joined } from "../../src/model/bytes";
import { MatroskaFile } from "../../src/media/matroska/file";
import { Cursor } from "../../src/media/reader";
import { opusHead, PictureClock, silence, SILENCE_US, SoundClock } from "../../src/media/timeline";
import { Transcoder } from "../../src/media/transcode";
import { all, chance, sample, served } from "./bytes";

function stream(codec: Codec, type: "video" | "audio", more: Partial<Stream> = {}): Stream {
  return {
    id: 1,
    type,
    codec,
    codecString: codecString(codec, more.config, codec),
    config: undefined,
    width: 320,
    height: 180,
    sampleRate: 48_000,
    channels: 2,
    bitDepth: 16,
    language: undefined,
    title: undefined,
    isDefault: true,
    forced: false,
    frameDuration: 0,
    encrypted: false,
    subtitle: undefined,
    ...more,
  };
}

interface Box {
  type: string;
  body: Uint8Array;
}

/** Parses adjacent boxes. Throws when their sizes don't add up. */
function boxes(bytes: Uint8Array): Box[] {
  const out: Box[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0);
    if (size < 8 || at + size > bytes.length) throw new Error(`a box of ${size} bytes at ${at}`);
    out.push({
      type: String.fromCharCode(...bytes.subarray(at + 4, at + 8)),
      body: bytes.subarray(at + 8, at + size),
    });
    at += size;
  }
  return out;
}

const child = (body: Uint8Array, ...path: string[]): Uint8Array =>
  path.reduce((inside, type) => boxes(inside).find((box) => box.type === type)!.body, body);

/** Parses a fragment, following the standard. */
function read(bytes: Uint8Array): Sample[] {
  const [moof, mdat] = boxes(bytes);
  const traf = child(bytes, "moof", "traf");
  const view = (body: Uint8Array) => new DataView(body.buffer, body.byteOffset, body.length);
  let dts = Number(view(child(traf, "tfdt")).getBigUint64(4));
  const trun = view(child(traf, "trun"));
  expect(moof!.type + mdat!.type).toBe("moofmdat");
  let at = trun.getUint32(8);
  return Array.from({ length: trun.getUint32(4) }, (_, index) => {
    const entry = 12 + index * 16;
    const [duration, size, flags, offset] = [
      trun.getUint32(entry),
      trun.getUint32(entry + 4),
      trun.getUint32(entry + 8),
      trun.getInt32(entry + 12),
    ];
    const found = {
      dts,
      pts: dts + offset,
      duration,
      key: (flags & 0x10000) === 0,
      data: bytes.slice(at, at + size),
    };
    dts += duration;
    at += size;
    return found;
  });
}

describe("fragments", () => {
  test("any samples survive a round trip", () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const random = chance(seed);
      let dts = Math.floor(random() * 2 ** 45);
      const samples = Array.from({ length: 1 + Math.floor(random() * 40) }, (): Sample => {
        const duration = 1 + Math.floor(random() * 100_000);
        const made = {
          dts,
          pts: Math.max(0, dts + Math.floor((random() - 0.4) * 400_000)),
          duration,
          key: random() < 0.2,
          data: Uint8Array.from({ length: Math.floor(random() * 50) }, () =>
            Math.floor(random() * 256),
          ),
        };
        dts += duration;
        return made;
      });
      expect(read(fragment(seed, samples)), `seed ${seed}`).toEqual(samples);
    }
  });
  test("absurd times are limited, and the boxes stay valid", () => {
    const samples: Sample[] = [
      { dts: 5, pts: 2 ** 50, duration: 2 ** 40, key: true, data: new Uint8Array(3) },
      { dts: 9, pts: -(2 ** 50), duration: -7, key: false, data: new Uint8Array(0) },
    ];
    const [first, second] = read(fragment(1, samples));
    expect(first).toMatchObject({ dts: 5, duration: 0xffffffff, pts: 5 + 0x7fffffff });
    expect(second!.duration).toBe(0);
  });
});

describe("init segments", () => {
  test("transcoded sound has the same channels in its entry and Opus head, also in mono", () => {
    for (const channels of [1, 2, 6]) {
      const stream = {
        codec: "ac3",
        codecString: "ac-3",
        channels,
        sampleRate: 48_000,
      } as unknown as Stream;
      const target = Transcoder.target(stream);
      expect(target.config?.[9], `${channels} channels`).toBe(target.channels);
    }
  });

  const flac = Uint8Array.from([
    0x66,
    0x4c,
    0x61,
    0x43,
    0x80,
    0,
    0,
    34,
    16,
    0,
    16,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0x0b,
    0xb8,
    0x03,
    0x70,
    ...new Array<number>(20).fill(0),
  ]);
  const cases: [string, Stream][] = [
    [
      "avc1",
      stream("h264", "video", {
        config: Uint8Array.of(1, 100, 0, 12, 255, 225, 0, 1, 0x67, 1, 0, 1, 0x68),
      }),
    ],
    ["vp09", stream("vp9", "video")],
    ["av01", stream("av1", "video", { config: Uint8Array.of(0x81, 0, 0x0c, 0) })],
    ["mp4a", stream("aac", "audio", { config: Uint8Array.of(0x11, 0x90) })],
    ["Opus", stream("opus", "audio", { config: opusHead(2, 312) })],
    ["fLaC", stream("flac", "audio", { config: flac })],
  ];
  for (const [type, described] of cases) {
    test(`the init segment describes ${type} in its sample description box`, () => {
      const stsd = child(initSegment(described), "moov", "trak", "mdia", "minf", "stbl", "stsd");
      expect(boxes(stsd.subarray(8)).map((box) => box.type)).toEqual([type]);
    });
  }
  test("Opus heads get another byte order", () => {
    const dOps = child(
      initSegment(stream("opus", "audio", { config: opusHead(2, 312) })),
      "moov",
      "trak",
      "mdia",
      "minf",
      "stbl",
      "stsd",
    ).subarray(8 + 8 + 28 + 8);
    expect([...dOps]).toEqual([0, 2, 312 >> 8, 312 & 255, 0, 0, 0xbb, 0x80, 0, 0, 0]);
  });
  test("FLAC's sample size comes from its own head", () => {
    const entry = child(
      initSegment(stream("flac", "audio", { config: flac })),
      "moov",
      "trak",
      "mdia",
      "minf",
      "stbl",
      "stsd",
    ).subarray(16);
    expect((entry[18]! << 8) | entry[19]!).toBe(24);
  });
});

test("another demuxer finds the same film in what was read and then written", async () => {
  const { source } = served(sample("live.mkv"));
  const file = (await MatroskaFile.open(source, new Cursor(source, 0)))!;
  for (const track of file.streams) {
    const packets = await all(await file.read(1, undefined, new Set([track.id])));
    const clock = new PictureClock(track.type === "video" ? 5 : 0);
    const samples = [...packets.flatMap((packet) => clock.push(packet)), ...clock.flush()];
    const parts = [
      initSegment(track),
      ...Array.from({ length: Math.ceil(samples.length / 7) }, (_, index) =>
        fragment(index + 1, samples.slice(index * 7, index * 7 + 7)),
      ),
    ];
    const input = new Input({ source: new BufferSource(joined(parts)), formats: [MP4] });
    const [theirs] = await input.getTracks();
    const sink = new EncodedPacketSink(theirs!);
    const found: [number, number, boolean][] = [];
    for (
      let packet = await sink.getFirstPacket();
      packet;
      packet = await sink.getNextPacket(packet)
    )
      found.push([Math.round(packet.timestamp * 1e6), packet.data.length, packet.type === "key"]);
    expect(found).toEqual(packets.map(({ pts, data, key }) => [pts, data.length, key]));
    expect(await theirs!.getCodecParameterString()).toBe(track.codecString);
  }
});

describe("decoding times", () => {
  /**
   * Pictures in an encoder's order: each anchor comes before the pictures that are shown before it.
   */
  function film(random: () => number, depth: number): number[] {
    const order: number[] = [];
    for (let shown = 0; shown < 200; ) {
      const between = Math.floor(random() * (depth + 1));
      order.push(shown + between, ...Array.from({ length: between }, (_, index) => shown + index));
      shown += between + 1;
    }
    return order;
  }
  test("are the sorted presentation times, and no picture is lost", () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const random = chance(seed);
      const order = film(random, 5);
      const clock = new PictureClock();
      const push = (index: number) =>
        clock.push({
          pts: index * 40_000,
          duration: undefined,
          key: index === 0,
          data: new Uint8Array(0),
        });
      const samples = [...order.flatMap(push), ...clock.flush()];
      expect(
        samples.map(({ pts }) => pts / 40_000),
        `seed ${seed}`,
      ).toEqual(order);
      expect(samples.map(({ dts }) => dts / 40_000)).toEqual(order.toSorted((a, b) => a - b));
      for (const [index, { dts, duration }] of samples.slice(0, -1).entries())
        expect(dts + duration).toBe(samples[index + 1]!.dts);
    }
  });
  test("grow even if pictures are reordered more deeply than the look-ahead", () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      const clock = new PictureClock(2);
      const order = film(chance(seed), 14);
      const samples = [
        ...order.flatMap((index) =>
          clock.push({
            pts: index * 40_000,
            duration: undefined,
            key: false,
            data: new Uint8Array(0),
          }),
        ),
        ...clock.flush(),
      ];
      expect(samples).toHaveLength(order.length);
      for (const [index, { dts }] of samples.slice(1).entries())
        expect(dts).toBeGreaterThan(samples[index]!.dts);
    }
  });
});

describe("regular times of sound", () => {
  test("times rounded to ms become regular, and do not drift", () => {
    const clock = new SoundClock();
    const duration = (1024 / 44_100) * 1e6;
    for (let i = 0; i < 5000; i += 1) {
      const placed = clock.place(Math.round((i * duration) / 1000) * 1000, duration);
      expect(Math.abs(placed.pts - i * duration)).toBeLessThan(1);
    }
  });
  test("a gap stays a gap", () => {
    const clock = new SoundClock();
    clock.place(0, 20_000);
    expect(clock.place(500_000, 20_000).pts).toBe(500_000);
  });
  test("silence covers the requested time", () => {
    const packets = silence(100_000, 1_000_000);
    expect(packets[0]!.pts).toBe(100_000);
    expect(packets).toHaveLength(900_000 / SILENCE_US);
  });
});
