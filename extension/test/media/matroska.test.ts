// Reading Matroska: real files, seeking, odd structures and hostile bytes.

import { BufferSource, EncodedPacketSink, Input, MATROSKA } from "mediabunny";
import { describe, expect, test } from "vitest";
import type { Packet } from "../../src/media/film";
import { MatroskaFile } from "../../src/media/matroska/file";
import { Cursor } from "../../src/media/reader";
import {
  all,
  audioTrack,
  chance,
  concat,
  EBML_HEAD,
  el,
  num,
  sample,
  served,
  simple,
  sizeBytes,
  str,
  UNKNOWN_SIZE,
} from "./bytes";

async function open(bytes: Uint8Array, options = {}) {
  const { source, asked } = served(bytes, options);
  const file = await MatroskaFile.open(source, new Cursor(source, 0));
  return { file: file!, source, asked };
}

const ids = (file: MatroskaFile): Set<number> => new Set(file.streams.map(({ id }) => id));

async function packets(bytes: Uint8Array, options = {}): Promise<Packet[]> {
  const { file } = await open(bytes, options);
  return all(await file.read(0, undefined, ids(file)));
}

/** What another demuxer finds in the same file. */
async function others(
  bytes: Uint8Array<ArrayBuffer>,
  type: "video" | "audio",
): Promise<[number, string][]> {
  const input = new Input({ source: new BufferSource(bytes), formats: [MATROSKA] });
  const track = (await input.getTracks()).find((candidate) => candidate.type === type)!;
  const sink = new EncodedPacketSink(track);
  const out: [number, string][] = [];
  for (let packet = await sink.getFirstPacket(); packet; packet = await sink.getNextPacket(packet))
    out.push([Math.round(packet.timestamp * 1000), hash(packet.data)]);
  return out;
}

function hash(data: Uint8Array): string {
  let value = 0;
  for (const byte of data) value = (Math.imul(value, 31) + byte) | 0;
  return `${data.length}:${value}`;
}

describe("real files", () => {
  for (const name of ["ffmpeg.mkv", "mkvmerge.mkv", "live.mkv"]) {
    for (const type of ["video", "audio"] as const) {
      test(`${name}: the ${type} packets are those that another demuxer finds`, async () => {
        const { file } = await open(sample(name), { chunk: 1000, part: 5000 });
        const track = file.streams.find((stream) => stream.type === type)!;
        const found = await all(await file.read(0, undefined, new Set([track.id])));
        const mine = found.map(({ pts, data }): [number, string] => [
          Math.round(pts / 1000),
          hash(data),
        ]);
        const theirs = await others(sample(name), type);
        expect(mine.map(([, data]) => data)).toEqual(theirs.map(([, data]) => data));
        for (const [index, [pts]] of mine.entries())
          expect(Math.abs(pts - theirs[index]![0]), `packet ${index}`).toBeLessThanOrEqual(2);
      });
    }
  }
  test("tracks are described", async () => {
    const { file } = await open(sample("ffmpeg.mkv"));
    expect(file.duration).toBe(6_064_000);
    expect(
      file.streams.map(
        ({ type, codec, codecString, language, title, channels, sampleRate, width, subtitle }) => ({
          type,
          codec,
          codecString,
          language,
          title,
          channels,
          sampleRate,
          width,
          subtitle,
        }),
      ),
    ).toMatchObject([
      { type: "video", codec: "h264", width: 64 },
      {
        type: "audio",
        codec: "ac3",
        codecString: "ac-3",
        language: "eng",
        channels: 1,
        sampleRate: 32000,
      },
      {
        type: "audio",
        codec: "aac",
        codecString: "mp4a.40.2",
        language: "ger",
        title: "Kommentar",
        sampleRate: 16000,
      },
      { type: "subtitle", codec: "srt", subtitle: "srt" },
      { type: "subtitle", codec: "ass", subtitle: "ass" },
    ]);
    expect(file.streams[0]!.codecString).toMatch(/^avc1\.64/);
    expect(new TextDecoder().decode(file.streams[4]!.config)).toContain("[V4+ Styles]");
  });
  test("subtitles are blocks with times", async () => {
    const { file } = await open(sample("ffmpeg.mkv"));
    const track = file.streams.find(({ codec }) => codec === "srt")!.id;
    const cues = await all(await file.read(0, undefined, new Set([track])));
    expect(
      cues.map(({ pts, duration, data }) => [
        pts / 1e6,
        duration! / 1e6,
        new TextDecoder().decode(data),
      ]),
    ).toEqual([
      [0.564, 2.5, "First"],
      [2.064, 0.5, "Second"],
      [5.064, 1, "Third"],
    ]);
  });
  test("chapters and fonts are found", async () => {
    const { file } = await open(sample("mkvmerge.mkv"));
    expect(file.chapters).toEqual([
      { start: 0, title: "Begin" },
      { start: 3, title: "Middle" },
    ]);
    const [font] = await file.fonts();
    expect(font).toMatchObject({ name: "f.ttf", size: 17 });
    expect(new TextDecoder().decode(await file.bytes(font!.at, font!.size))).toBe(
      "not really a font",
    );
  });
});

describe("seeking", () => {
  const first = async (bytes: Uint8Array, at: number) => {
    const { file } = await open(bytes);
    const video = file.streams.find(({ type }) => type === "video")!.id;
    const reading = await file.read(at * 1e6, video, new Set([video]));
    let packet = await reading.next();
    while (packet && !packet.key) packet = await reading.next();
    reading.cancel();
    return packet!;
  };
  test("with Cues, reading starts at the key frame before", async () => {
    for (const at of [0.5, 2.3, 4.2, 5.9]) {
      const packet = await first(sample("ffmpeg.mkv"), at);
      expect(packet.pts / 1e6).toBeLessThanOrEqual(at);
      expect(packet.pts / 1e6).toBeGreaterThan(at - 2.2);
    }
  });
  test("without Cues, reading starts at a cluster before", async () => {
    for (const at of [1, 3, 5])
      expect((await first(sample("live.mkv"), at)).pts / 1e6).toBeLessThanOrEqual(at);
    expect((await open(sample("live.mkv"))).file.duration).toBeUndefined();
  });
  test("guessing in a long file reads a small part of it", async () => {
    const cluster = (second: number) =>
      el(0x1f43b675, el(0xe7, num(second * 1000)), simple(0, new Uint8Array(100_000).fill(second)));
    const file = concat(
      EBML_HEAD,
      el(
        0x18538067,
        el(0x1549a966, el(0x4489, [0x49, 0x12, 0x4f, 0x80])),
        el(0x1654ae6b, audioTrack()),
        ...Array.from({ length: 600 }, (_, second) => cluster(second)),
      ),
    );
    for (const at of [20, 333, 599]) {
      const { file: opened, source } = await open(file, { chunk: 16_384 });
      const packet = await (await opened.read(at * 1e6, 1, new Set([1]))).next();
      expect(packet!.pts / 1e6).toBeLessThanOrEqual(at);
      expect(packet!.pts / 1e6).toBeGreaterThan(at - 12);
      expect(source.fetched).toBeLessThan(3_000_000);
    }
  });
  test("subtitles from before the place of a seek can be read", async () => {
    const { file } = await open(sample("ffmpeg.mkv"));
    const srt = file.streams.find(({ codec }) => codec === "srt")!.id;
    const reading = await file.before(4.5e6, 1, new Set([srt]));
    const cues = await all(reading!);
    expect(cues.map(({ data }) => new TextDecoder().decode(data))).toContain("Second");
  });
  /**
   * A film with a cluster every two seconds. Each cluster up to number `last` has a subtitle of
   * three seconds, and the first one also a subtitle of a minute. `named` tells whether the index
   * lists subtitles.
   */
  function lines({
    named,
    filling = 10,
    last = 30,
  }: {
    named: boolean;
    filling?: number;
    last?: number;
  }): Uint8Array<ArrayBuffer> {
    const entry = (number: number, type: number, codec: string) =>
      el(0xae, el(0xd7, [number]), el(0x83, [type]), el(0x86, str(codec)));
    const line = (text: string, ms: number) =>
      el(0xa0, el(0xa1, [0x82, 0, 0, 0], str(text)), el(0x9b, num(ms)));
    const durations = (i: number) => [...(i === 0 ? [60_000] : []), ...(i <= last ? [3000] : [])];
    const clusters = Array.from({ length: 30 }, (_, i) =>
      el(
        0x1f43b675,
        el(0xe7, num(i * 2000)),
        el(0xa3, [0x81, 0, 0, 0x80], new Uint8Array(filling)),
        ...durations(i).map((ms) => line(ms === 3000 ? `line ${i}` : "long", ms)),
      ),
    );
    const index = (from: number) => {
      let position = from;
      return el(
        0x1c53bb6b,
        ...clusters.flatMap((cluster, i) => {
          const at = el(0xf1, num(position, 4));
          position += cluster.length;
          const point = (...parts: Uint8Array[]) =>
            el(0xbb, el(0xb3, num(i * 2000, 4)), el(0xb7, ...parts, at));
          return [
            point(el(0xf7, [1])),
            ...(named ? durations(i).map((ms) => point(el(0xf7, [2]), el(0xb2, num(ms, 4)))) : []),
          ];
        }),
      );
    };
    const head = el(0x1654ae6b, entry(1, 1, "V_VP9"), entry(2, 17, "S_TEXT/UTF8"));
    return concat(
      EBML_HEAD,
      el(0x18538067, head, index(head.length + index(0).length), ...clusters),
    );
  }
  const before = async (film: Uint8Array, at: number) => {
    const { file, source } = await open(film);
    const start = source.fetched;
    const reading = await file.before(at * 1e6, 1, new Set([2]));
    const found = reading
      ? (await all(reading)).map(({ data }) => new TextDecoder().decode(data))
      : [];
    return { found, fetched: source.fetched - start };
  };
  test("an indexed subtitle that lasts until the place is found, even an early one", async () => {
    expect((await before(lines({ named: true, last: 2 }), 50.5)).found).toEqual([
      "long",
      "line 0",
      "line 1",
      "line 2",
    ]);
    expect((await before(lines({ named: true, last: 2, filling: 300_000 }), 50.5)).found).toEqual([
      "long",
      "line 0",
      "line 1",
      "line 2",
    ]);
    expect((await before(lines({ named: true, filling: 1 << 20 }), 50.5)).found).toEqual([
      "line 22",
      "line 23",
      "line 24",
    ]);
  });
  test("nothing is read if the index names no subtitle that lasts until the place", async () => {
    expect(await before(lines({ named: true, last: 2, filling: 1 << 20 }), 50.5)).toEqual({
      found: [],
      fetched: 0,
    });
  });
  test("without indexed subtitles, some seconds are read, but not many bytes", async () => {
    expect((await before(lines({ named: false }), 50.5)).found).toEqual([
      "line 20",
      "line 21",
      "line 22",
      "line 23",
      "line 24",
    ]);
    expect((await before(lines({ named: false, filling: 1 << 20 }), 50.5)).found).toEqual([
      "line 22",
      "line 23",
      "line 24",
    ]);
    expect((await before(lines({ named: false, filling: 6 << 20 }), 50.5)).found).toEqual([
      "line 24",
    ]);
  });
  test("seeking works in a film whose Cues are beyond its end", async () => {
    const whole = sample("ffmpeg.mkv");
    const packet = await first(whole.subarray(0, whole.length - 3000), 3);
    expect(packet.pts / 1e6).toBeLessThanOrEqual(3);
  });
});

describe("structure", () => {
  const tracks = el(0x1654ae6b, audioTrack());
  const cluster = (ms: number, ...blocks: Uint8Array[]) =>
    el(0x1f43b675, el(0xe7, num(ms)), ...blocks);
  const times = (found: Packet[]) => found.map(({ pts }) => pts / 1000);

  test("clusters of unknown size are read, also with CRC-32 and Void between them", async () => {
    const film = concat(
      EBML_HEAD,
      [0x18, 0x53, 0x80, 0x67],
      UNKNOWN_SIZE,
      el(0xec, new Uint8Array(50)),
      tracks,
      [0x1f, 0x43, 0xb6, 0x75],
      UNKNOWN_SIZE,
      el(0xbf, num(1)),
      el(0xe7, num(1000)),
      simple(0, [1]),
      simple(40, [2]),
      [0x1f, 0x43, 0xb6, 0x75],
      UNKNOWN_SIZE,
      el(0xe7, num(2000)),
      simple(0, [3]),
      el(0x1c53bb6b, new Uint8Array(20)),
    );
    expect(times(await packets(film))).toEqual([1000, 1040, 2000]);
  });
  test("laced AC-3 frames are spread by their own length", async () => {
    const laced = el(0xa3, [0x81, 0, 0, 0x84, 2], [1, 2, 3]);
    expect(
      times(await packets(concat(EBML_HEAD, el(0x18538067, tracks, cluster(0, laced))))),
    ).toEqual([0, 32, 64]);
  });
  test("stripped headers are put back", async () => {
    const stripped = el(
      0x1654ae6b,
      audioTrack(el(0x6d80, el(0x6240, el(0x5034, el(0x4254, [3]), el(0x4255, [0x0b, 0x77]))))),
    );
    const [packet] = await packets(
      concat(EBML_HEAD, el(0x18538067, stripped, cluster(0, simple(0, [9, 8])))),
    );
    expect([...packet!.data]).toEqual([0x0b, 0x77, 9, 8]);
  });
  test("encrypted tracks are marked", async () => {
    const { file } = await open(
      concat(
        EBML_HEAD,
        el(
          0x18538067,
          el(0x1654ae6b, audioTrack(el(0x6d80, el(0x6240, el(0x5033, [1]), el(0x5035, []))))),
          cluster(0, simple(0, [1])),
        ),
      ),
    );
    expect(file.streams[0]!.encrypted).toBe(true);
  });
  test("a large attachment before the first cluster is not read", async () => {
    const font = el(
      0x1941a469,
      el(0x61a7, el(0x466e, str("a.ttf")), el(0x465c, new Uint8Array(20 << 20))),
    );
    const { file, source } = await open(
      concat(EBML_HEAD, el(0x18538067, tracks, font, cluster(7, simple(0, [1])))),
    );
    expect(times(await all(await file.read(0, undefined, new Set([1]))))).toEqual([7]);
    expect(source.fetched).toBeLessThan(100_000);
    expect(await file.fonts()).toMatchObject([{ name: "a.ttf", size: 20 << 20 }]);
  });
  test("garbage between clusters loses only what is in it", async () => {
    const film = concat(
      EBML_HEAD,
      el(
        0x18538067,
        tracks,
        cluster(0, simple(0, [1])),
        new Uint8Array(5000),
        cluster(500, simple(0, [2])),
      ),
    );
    expect(times(await packets(film))).toEqual([0, 500]);
  });
  test("tracks that the SeekHead places behind the clusters are found", async () => {
    const seek = (position: number) =>
      el(0x114d9b74, el(0x4dbb, el(0x53ab, [0x16, 0x54, 0xae, 0x6b]), el(0x53ac, num(position))));
    const first = cluster(0, simple(0, [1]));
    const film = concat(
      EBML_HEAD,
      el(0x18538067, seek(seek(0).length + first.length), first, tracks),
    );
    expect(times(await packets(film))).toEqual([0]);
  });
  test("a block that claims 2^56 bytes ends the film instead of the worker", async () => {
    const liar = concat([0xa3], [1, 255, 255, 255, 255, 255, 255, 254]);
    const film = concat(
      EBML_HEAD,
      el(0x18538067, tracks, cluster(0, simple(0, [1])), concat(cluster(40), liar)),
    );
    expect(times(await packets(film))).toEqual([0]);
  });
  test("Void of 2^50 bytes after the head ends the film", async () => {
    const film = concat(EBML_HEAD, el(0x18538067, tracks, concat([0xec], sizeBytes(2 ** 50, 8))));
    expect(await packets(film)).toEqual([]);
  });
});

describe("hostile files", () => {
  const names = ["ffmpeg.mkv", "mkvmerge.mkv", "live.mkv"];
  /**
   * Opens a file and reads everything. It must end, and must not fetch any byte more than a few
   * times.
   */
  async function survive(bytes: Uint8Array, story: string): Promise<void> {
    const { source } = served(bytes, { chunk: 16_384 });
    try {
      const file = await MatroskaFile.open(source, new Cursor(source, 0));
      if (file) {
        const video = file.streams.find(({ type }) => type === "video")?.id;
        await all(await file.read(0, video, ids(file)));
        const reading = await file.read(3_000_000, video, ids(file));
        await all(reading);
        await file.before(4_000_000, video, ids(file)).then((before) => before && all(before));
        await file.fonts();
      }
    } catch (error) {
      expect(
        (error as { kind?: string }).kind,
        `${story}: ${String((error as Error).stack)}`,
      ).toBeDefined();
    }
    expect(source.fetched, story).toBeLessThan(bytes.length * 40 + 1_000_000);
  }
  test("reading every truncated file ends", async () => {
    const whole = sample("ffmpeg.mkv");
    for (let length = 0; length < whole.length; length += 97)
      await survive(whole.subarray(0, length), `first ${length} bytes`);
  });
  test("reading files with flipped bytes, inserted sizes and copied parts ends", async () => {
    for (let seed = 1; seed <= 400; seed += 1) {
      const random = chance(seed);
      const bytes = sample(names[seed % 3]!);
      for (let count = Math.ceil(random() * 12); count > 0; count -= 1) {
        const at = Math.floor(random() * (random() < 0.5 ? 2000 : bytes.length));
        const kind = random();
        if (kind < 0.5) bytes[at] = Math.floor(random() * 256);
        else if (kind < 0.75)
          bytes.set(
            [1, 255, 255, 255, 255, 255, 255, random() < 0.5 ? 255 : 254].slice(
              0,
              bytes.length - at,
            ),
            at,
          );
        else
          bytes.copyWithin(
            at,
            Math.floor(random() * bytes.length),
            Math.floor(random() * bytes.length),
          );
      }
      await survive(bytes, `seed ${seed}`);
    }
  }, 60_000);
});
