import { describe, expect, test, vi } from "vitest";
import { BlockReader } from "../../src/media/blocks";
import { type Capabilities, inspect } from "../../src/media/inspect";
import { readTransportHead, tablesFor } from "../../src/media/transport/head";
import { layoutOf, packets, timeOf } from "../../src/media/transport/packets";
import { placeFor } from "../../src/media/transport/places";
import { all, chance, sample, served } from "./bytes";

const here: Capabilities = {
  mse: (type) => /codecs="(avc1|mp4a\.40|opus|flac)/.test(type) && type.includes("/mp4"),
  element: (type) => /codecs="(avc1|mp4a\.40|opus|flac)/.test(type) || type === "audio/mpeg",
  encodesOpus: true,
};

const blocks = (bytes: Uint8Array) => new BlockReader(served(bytes).source);

async function opened(bytes: Uint8Array) {
  const { source, asked } = served(bytes);
  return { source, asked, ...(await inspect(source, here)) };
}

describe("a recording whose clock begins again in its middle, with MP2 and AAC", () => {
  test("tells its tracks, and that MP2 is for ffmpeg", async () => {
    const { film, verdict, measure } = await opened(sample("wraps.mpegts"));
    expect(film.audio.map(({ name, sound, path, language }) => `${name} ${sound} ${path} ${language}`)).toEqual([
      "MP2 impossible ffmpeg undefined",
      "AAC copied mse ger",
    ]);
    expect(verdict).toEqual({ path: "mse", reason: "container" });
    expect(film.origin).toBeCloseTo(95440, 0);
    expect((await measure!())! / 1e6).toBeCloseTo(10, 0);
  });
  test("is read from the key picture before the wanted place, across the wrap", async () => {
    const { demuxed } = await opened(sample("wraps.mpegts"));
    const [video, sound] = [demuxed!.streams[0]!, demuxed!.streams[2]!];
    for (const [wanted, key] of [
      [0, 0],
      [1.9, 0],
      [2.5, 2],
      [5, 4],
      [7.9, 6],
      [9.5, 8],
    ] as const) {
      const found = await all(await demuxed!.read(wanted * 1e6, video.id, new Set([video.id, sound.id])));
      const first = found.find(({ track }) => track === video.id)!;
      expect(first.key).toBe(true);
      expect(first.pts / 1e6 - found[0]!.pts / 1e6).toBeLessThan(1);
      expect(Math.abs(first.pts / 1e6 - key)).toBeLessThan(0.3);
      expect(found.filter(({ track }) => track === sound.id).at(-1)!.pts / 1e6).toBeGreaterThan(9);
    }
  });
  test("packets have the same order wherever reading began", async () => {
    const { demuxed } = await opened(sample("wraps.mpegts"));
    const id = demuxed!.streams[0]!.id;
    const order = async (from: number) =>
      new Map((await all(await demuxed!.read(from, id, new Set([id])))).map(({ pts, order }) => [pts, order]));
    const whole = await order(0);
    const later = await order(7e6);
    expect(later.size).toBeGreaterThan(20);
    expect([...later].slice(2).filter(([pts, place]) => whole.get(pts) !== place)).toEqual([]);
  });
});

test("what was read for looking is not read again for playing", async () => {
  for (const name of ["wraps.mpegts", "film.mp4"]) {
    const { demuxed, source, asked } = await opened(sample(name));
    expect(asked).toHaveLength(1);
    await all(await demuxed!.read(0, demuxed!.streams[0]!.id, new Set(demuxed!.streams.map(({ id }) => id))));
    expect(source.fetched).toBe(sample(name).length);
    expect(asked).toHaveLength(1);
  }
});

test("MPEG-2 in M2TS is ffmpeg's, and its length is told all the same", async () => {
  const { film, verdict, measure } = await opened(sample("old.m2ts"));
  expect([film.container, film.video[0]!.name, film.audio[0]!.name, verdict.path, verdict.reason]).toEqual([
    "mpegts",
    "MPEG-2",
    "AC-3",
    "ffmpeg",
    "video_codec",
  ]);
  expect((await measure!())! / 1e6).toBeCloseTo(2, 0);
});

describe("tables", () => {
  test("of our own name the chosen streams alone, in packets of the file's kind", async () => {
    for (const name of ["wraps.mpegts", "old.m2ts"]) {
      const head = (await readTransportHead(blocks(sample(name))))!;
      const made = tablesFor(head, head.streams.slice(1));
      expect(layoutOf(new Uint8Array([...made, ...made]))).toEqual(head.layout);
      const bytes = sample(name);
      const joined = new Uint8Array(made.length + bytes.length);
      joined.set(made);
      joined.set(bytes, made.length);
      const again = (await readTransportHead(blocks(joined)))!;
      expect(again.streams.map(({ pid, stream }) => `${pid} ${stream.codec}`)).toEqual(
        head.streams.slice(1).map(({ pid, stream }) => `${pid} ${stream.codec}`),
      );
    }
  });
  test("a stream that is promised and never comes is left out, and not looked for in the whole file", async () => {
    const head = (await readTransportHead(blocks(sample("wraps.mpegts"))))!;
    const absent = { ...head.streams[1]!, pid: 0x777 };
    const long = new Uint8Array(188 * 40_000);
    long.set(tablesFor(head, [...head.streams, absent]));
    for (let at = 376; at < long.length; at += sample("wraps.mpegts").length - 564)
      long.set(
        sample("wraps.mpegts")
          .subarray(564)
          .subarray(0, long.length - at),
        at,
      );
    const { source } = served(long, { chunk: 65536 });
    expect((await readTransportHead(new BlockReader(source)))!.streams).toHaveLength(3);
    expect(source.fetched).toBeLessThan(4 << 20);
  });
  test("damage ends", async () => {
    const random = chance(11);
    // mediabunny tells the console of what it can't read.
    vi.spyOn(console, "error").mockImplementation(() => {});
    for (let count = 0; count < 60; count += 1) {
      const bytes = sample(count % 2 ? "wraps.mpegts" : "old.m2ts");
      for (let flips = 0; flips < 40; flips += 1)
        bytes[Math.floor(random() * (flips < 20 ? 1200 : bytes.length))] = Math.floor(random() * 256);
      const { demuxed } = await opened(bytes);
      if (demuxed)
        for (const from of [0, 5e6])
          await demuxed
            .read(from, demuxed.streams[0]?.id, new Set(demuxed.streams.map(({ id }) => id)))
            .then(all)
            .catch((error: unknown) => expect(error).toBeInstanceOf(Error));
    }
  }, 30_000);
});

/** A stream of so many seconds, a picture of `size` packets every 40 ms; `rate` makes some stretches denser than others. */
function long(seconds: number, keyEvery: number, size: (second: number) => number): Uint8Array<ArrayBuffer> {
  const sizes = Array.from({ length: seconds * 25 }, (_, index) => size(index / 25));
  const bytes = new Uint8Array(188 * sizes.reduce((sum, count) => sum + count, 0)).fill(0xff);
  let at = 0;
  for (const [index, count] of sizes.entries()) {
    const ticks = 90_000 * 10 + index * 3600;
    const isKey = index % (keyEvery * 25) === 0;
    const time = [
      0x21 | (Math.floor(ticks / 2 ** 30) << 1),
      (ticks >> 22) & 255,
      ((ticks >> 14) & 254) | 1,
      (ticks >> 7) & 255,
      ((ticks << 1) & 254) | 1,
    ];
    for (let part = 0; part < count; part += 1, at += 188)
      bytes.set(
        part === 0 ? [0x47, 0x41, 0, 0x30, 1, isKey ? 0x40 : 0, 0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5, ...time] : [0x47, 0x01, 0, 0x10],
        at,
      );
  }
  return bytes;
}

describe("a place for a time", () => {
  async function check(bytes: Uint8Array, target: number, seconds: number, key: number, duration: number | undefined = seconds) {
    let probed = 0;
    let probes = 0;
    let read = 0;
    const at = await placeFor(
      {
        layout: { stride: 188, lead: 0 },
        size: bytes.length,
        origin: 10,
        duration,
        probe: (from, count) => ((probed += count), (probes += 1), Promise.resolve(bytes.subarray(from, from + count))),
        read: (from, to) => ((read += to - from), Promise.resolve(bytes.subarray(from, to))),
        stop: () => {},
      },
      0x100,
      true,
      target,
    );
    const [packet] = packets(bytes.subarray(at), { stride: 188, lead: 0 });
    expect(timeOf(packet!.payload)! - 10).toBeCloseTo(key, 3);
    expect(packet!.random).toBe(true);
    return { probed, probes, read };
  }
  test("is found with few small reads", async () => {
    const film = long(1200, 2, () => 20);
    for (const target of [0.5, 3, 599.3, 599.9, 1000.01, 1199.9]) {
      const { probed, probes, read } = await check(film, target, 1200, Math.floor(target / 2) * 2);
      expect(probes).toBeLessThanOrEqual(4);
      expect(probed).toBeLessThanOrEqual(256 << 10);
      // What lies between the key picture and the wanted one is read anyway.
      expect(read).toBeLessThan(94_000 * 4.5);
    }
  });
  test("also where the rate changes, and where nobody knows the length", async () => {
    const film = long(600, 2, (second) => (second < 300 ? 4 : 60));
    for (const target of [100, 299, 301, 450, 599])
      expect((await check(film, target, 600, Math.floor(target / 2) * 2)).probes).toBeLessThanOrEqual(12);
    expect((await check(film, 450, 600, 450, undefined)).probes).toBeLessThanOrEqual(14);
  });
  test("also where key pictures are rare", async () => {
    await check(
      long(600, 40, () => 10),
      439,
      600,
      400,
    );
    await check(
      long(60, 100, () => 10),
      59,
      60,
      0,
    );
  });
});
