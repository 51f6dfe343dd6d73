// Reading MPEG-TS: tracks, times, damage, and the place for a time.

import { describe, expect, test } from "vitest";
import { type Capabilities, inspect } from "../../src/media/inspect";
import { Cursor } from "../../src/media/reader";
import { readTransportHead } from "../../src/media/transport/head";
import { Known } from "../../src/media/transport/known";
import { packets, timeOf } from "../../src/media/transport/packets";
import { placeFor } from "../../src/media/transport/places";
import { all, chance, sample, served } from "./bytes";

const here: Capabilities = {
  mse: (type) => /codecs="(avc1|mp4a\.40|opus|flac)/.test(type) && type.includes("/mp4"),
  element: (type) => /codecs="(avc1|mp4a\.40|opus|flac)/.test(type) || type === "audio/mpeg",
  encodesOpus: true,
};

const cursor = (bytes: Uint8Array) => new Cursor(served(bytes).source, 0);

async function opened(bytes: Uint8Array) {
  const { source, asked } = served(bytes);
  return { source, asked, ...(await inspect(source, here)) };
}

describe("a recording whose clock restarts in its middle, with MP2 and AAC", () => {
  test("has its tracks, and its MP2 needs ffmpeg", async () => {
    const { film, verdict, measure } = await opened(sample("wraps.mpegts"));
    expect(
      film.audio.map(({ name, sound, path, language }) => `${name} ${sound} ${path} ${language}`),
    ).toEqual(["MP2 impossible ffmpeg undefined", "AAC copied mse ger"]);
    expect(verdict).toEqual({ path: "mse", reason: "container" });
    expect(film.origin).toBeCloseTo(95440, 0);
    expect((await measure!())! / 1e6).toBeCloseTo(10, 0);
  });
  test("is read from the key picture before the place, across the wrap of its clock", async () => {
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
      const found = await all(
        await demuxed!.read(wanted * 1e6, video.id, new Set([video.id, sound.id])),
      );
      const first = found.find(({ track }) => track === video.id)!;
      expect(first.key).toBe(true);
      expect(first.pts / 1e6 - found[0]!.pts / 1e6).toBeLessThan(1);
      expect(Math.abs(first.pts / 1e6 - key)).toBeLessThan(0.3);
      expect(found.filter(({ track }) => track === sound.id).at(-1)!.pts / 1e6).toBeGreaterThan(9);
    }
  });
  test("packets have the same order wherever reading starts", async () => {
    const { demuxed } = await opened(sample("wraps.mpegts"));
    const id = demuxed!.streams[0]!.id;
    const order = async (from: number) =>
      new Map(
        (await all(await demuxed!.read(from, id, new Set([id])))).map(({ pts, order }) => [
          pts,
          order,
        ]),
      );
    const whole = await order(0);
    const later = await order(7e6);
    expect(later.size).toBeGreaterThan(20);
    expect([...later].slice(2).filter(([pts, place]) => whole.get(pts) !== place)).toEqual([]);
  });
});

test("bytes read by the inspection are not read again for playing", async () => {
  for (const name of ["wraps.mpegts", "film.mp4"]) {
    const { demuxed, source, asked } = await opened(sample(name));
    expect(asked).toHaveLength(1);
    await all(
      await demuxed!.read(
        0,
        demuxed!.streams[0]!.id,
        new Set(demuxed!.streams.map(({ id }) => id)),
      ),
    );
    expect(source.fetched).toBe(sample(name).length);
    expect(asked).toHaveLength(1);
  }
});

test("MPEG-2 in M2TS needs ffmpeg, and its length is still known", async () => {
  const { film, verdict, measure } = await opened(sample("old.m2ts"));
  expect([
    film.container,
    film.video[0]!.name,
    film.audio[0]!.name,
    verdict.path,
    verdict.reason,
  ]).toEqual(["mpegts", "MPEG-2", "AC-3", "ffmpeg", "video_codec"]);
  expect((await measure!())! / 1e6).toBeCloseTo(2, 0);
});

test("an announced stream without packets is left out without reading the whole file", async () => {
  const whole = sample("wraps.mpegts");
  const long = new Uint8Array(188 * 40_000);
  for (let at = 0; at < long.length; at += whole.length)
    long.set(whole.subarray(0, long.length - at), at);
  // The AAC packets are removed.
  const aac = (await readTransportHead(cursor(whole)))!.streams[2]!.pid;
  for (let at = 0; at < long.length; at += 188)
    if ((((long[at + 1]! & 31) << 8) | long[at + 2]!) === aac)
      long.set([0x47, 0x1f, 0xff, 0x10], at);
  const { source } = served(long, { chunk: 65536 });
  expect((await readTransportHead(new Cursor(source, 0)))!.streams).toHaveLength(2);
  expect(source.fetched).toBeLessThan(4 << 20);
});

test("reading a damaged stream ends", async () => {
  const random = chance(11);
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

/**
 * A stream with a picture every 40 ms and a key picture every `keyEvery` seconds. `size` gives the
 * packets of a picture at a second.
 */
function long(
  seconds: number,
  keyEvery: number,
  size: (second: number) => number,
): Uint8Array<ArrayBuffer> {
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
        part === 0
          ? [0x47, 0x41, 0, 0x30, 1, isKey ? 0x40 : 0, 0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5, ...time]
          : [0x47, 0x01, 0, 0x10],
        at,
      );
  }
  return bytes;
}

describe("a place for a time", () => {
  /** `begins` are the times of acceptable key frames. */
  async function check(
    bytes: Uint8Array,
    target: number,
    seconds: number,
    begins: number[],
    known = new Known(),
  ) {
    const { source, asked } = served(bytes, { chunk: 16 << 10 });
    source.size = bytes.length;
    const cursors = await placeFor(
      {
        source,
        layout: { stride: 188, lead: 0 },
        origin: 10,
        duration: seconds,
        known,
        pid: 0x100,
        isVideo: true,
        opened: () => {},
      },
      target,
    );
    const looks = asked.length;
    const read = source.fetched;
    const from = cursors[0]!.at;
    const [packet] = packets(bytes.subarray(from, from + 188), { stride: 188, lead: 0 });
    expect(begins).toContain(timeOf(packet!.payload)! - 10);
    expect(packet!.random).toBe(true);
    // The cursors give the rest of the file without a gap.
    let next = from;
    for (const cursor of cursors) {
      expect(cursor.at).toBe(next);
      for (let isMore = true; isMore && next < from + (4 << 20); ) {
        isMore = await cursor.need(1 << 18);
        const size = cursor.ready;
        expect(Buffer.compare(cursor.take(size), bytes.subarray(next, next + size))).toBe(0);
        next += size;
      }
    }
    return { looks, read };
  }

  /** What is known of the places after playing the first seconds. */
  function taught(bytes: Uint8Array, seconds: number): Known {
    const known = new Known();
    const pass = known.walk();
    for (const packet of packets(bytes, { stride: 188, lead: 0 })) {
      const time = packet.starts ? timeOf(packet.payload)! - 10 : Infinity;
      if (time < seconds) pass({ at: packet.at, time }, packet.random);
    }
    return known;
  }

  /**
   * The key frames from which reading may begin: the last one and, while distances are unknown, two
   * before it.
   */
  const near = (target: number, every: number) =>
    [0, 1, 2].map((back) => Math.max(0, Math.floor(target / every) - back) * every);

  test("is found with one or two reads, the last of which continues", async () => {
    const film = long(1200, 2, () => 20);
    for (const target of [0.5, 3, 599.3, 599.9, 1000.01, 1199.9]) {
      const { looks, read } = await check(film, target, 1200, near(target, 2));
      expect(looks).toBeLessThanOrEqual(3);
      // A second has 94 kB. What lies between the key frame and the wanted picture is read anyway.
      expect(read).toBeLessThan(94_000 * 4.5);
    }
  });
  test("is found with one read if key pictures are regular", async () => {
    const film = long(1200, 2, () => 20);
    for (const target of [11, 599.3, 599.9, 1000.01]) {
      const { looks, read } = await check(
        film,
        target,
        1200,
        [Math.floor(target / 2) * 2],
        taught(film, 9),
      );
      expect(looks).toBeLessThanOrEqual(2);
      expect(read).toBeLessThan(94_000);
    }
  });
  test("is known without a read if it was read before", async () => {
    const film = long(1200, 2, () => 20);
    const known = taught(film, 9);
    expect([known.enter(5.3), known.enter(20)]).toEqual([188 * 20 * 100, undefined]);
    expect((await check(film, 5.3, 1200, [4], known)).looks).toBe(0);
  });
  test("is found although the bit rate changes", async () => {
    const film = long(600, 2, (second) => (second < 300 ? 4 : 60));
    for (const target of [100, 299, 301, 450, 599])
      expect((await check(film, target, 600, near(target, 2))).looks).toBeLessThanOrEqual(10);
  });
  test("is found although key pictures are rare", async () => {
    await check(
      long(600, 40, () => 10),
      439,
      600,
      [400],
    );
    await check(
      long(60, 100, () => 10),
      59,
      60,
      [0],
    );
  });
});
