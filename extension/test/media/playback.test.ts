// Feeding a film to Media Source Extensions: buffers, seeks, tracks and subtitles.

import { describe, expect, test } from "vitest";
import { Lane } from "../../src/media/buffers";
import { MatroskaFile } from "../../src/media/matroska/file";
import { Playback } from "../../src/media/playback";
import type { Cue } from "../../src/media/protocol";
import { Cursor } from "../../src/media/reader";
import { concat, EBML_HEAD, el, num, sample, served, str } from "./bytes";
import { FakeBuffer, FakeSource } from "./fake_source";

const until = async (what: string, ask: () => boolean) => {
  for (let count = 0; count < 1000; count += 1) {
    if (ask()) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`Timed out waiting for ${what}.`);
};

async function film(bytes: Uint8Array, { audio = "aac", at = 0, subtitles = [] as string[] } = {}) {
  const { source: range, asked, signals } = served(bytes, { chunk: 2000 });
  const file = (await MatroskaFile.open(range, new Cursor(range, 0)))!;
  const source = new FakeSource();
  const cues: Cue[] = [];
  const troubles: unknown[] = [];
  const begins: number[] = [];
  const stream = (codec: string) => file.streams.find((candidate) => candidate.codec === codec);
  const playback = new Playback(file, source, () => false, {
    cues: (more) => cues.push(...more),
    begins: (begin) => begins.push(begin),
    duration: () => {},
    audio: () => {},
    trouble: (error) => troubles.push(error),
  });
  playback.selectSubtitles(new Set(subtitles.map((codec) => stream(codec)!.id)));
  playback.start(
    file.streams.find(({ type }) => type === "video"),
    stream(audio),
    at,
  );
  return {
    playback,
    source,
    range,
    asked,
    signals,
    cues,
    troubles,
    begins,
    stream,
    text: () => cues.map(({ data }) => new TextDecoder().decode(data)),
  };
}

/** A film with ten key frames and 16 AAC frames per second, and with an index at its end. */
function long(
  seconds: number,
  {
    sound = (() => true) as (second: number) => boolean,
    skipped = (() => false) as (second: number, frame: number) => boolean,
    frame = 20_000,
    indexed = true,
    keyEvery = 1,
    first = 0,
    spoken = false,
  } = {},
): Uint8Array<ArrayBuffer> {
  const video = el(
    0xae,
    el(0xd7, [1]),
    el(0x83, [1]),
    el(0x86, str("V_VP9")),
    el(0xe0, el(0xb0, num(320, 2)), el(0xba, num(180, 2))),
  );
  const audio = el(
    0xae,
    el(0xd7, [2]),
    el(0x83, [2]),
    el(0x86, str("A_AAC")),
    el(0x63a2, [0x14, 0x08]),
    el(0xe1, el(0xb5, float32(16_000)), el(0x9f, [1])),
  );
  const text = el(0xae, el(0xd7, [3]), el(0x83, [17]), el(0x86, str("S_TEXT/UTF8")));
  const line = (second: number) =>
    el(0xa0, el(0xa1, [0x83, 0, 0, 0], str(`Line ${second}`)), el(0x9b, num(900)));
  const block = (track: number, time: number, size: number, key = true) =>
    el(
      0xa3,
      [0x80 | track, (time >> 8) & 255, time & 255, key ? 0x80 : 0],
      new Uint8Array(size).fill(0x82),
    );
  const clusters = Array.from({ length: seconds }, (_, second) =>
    el(
      0x1f43b675,
      el(0xe7, num((first + second) * 1000)),
      ...Array.from({ length: 10 }, (_, i) =>
        block(1, i * 100, frame / 10, keyEvery === 1 || (i === 0 && second % keyEvery === 0)),
      ),
      ...(sound(second)
        ? Array.from({ length: 16 }, (_, i) =>
            skipped(second, i) ? [] : block(2, Math.round(i * 62.5), 100),
          )
        : []),
      ...(spoken ? [line(second)] : []),
    ),
  );
  const head = concat(
    el(0x1549a966, el(0x4489, float32(seconds * 1000))),
    el(0x1654ae6b, video, audio, ...(spoken ? [text] : [])),
  );
  const seek = (at: number) =>
    el(0x114d9b74, el(0x4dbb, el(0x53ab, [0x1c, 0x53, 0xbb, 0x6b]), el(0x53ac, num(at))));
  let position = seek(0).length + head.length;
  const cues = clusters.map((cluster, second) => {
    const cue = el(
      0xbb,
      el(0xb3, num((first + second) * 1000)),
      el(0xb7, el(0xf7, [1]), el(0xf1, num(position))),
    );
    position += cluster.length;
    return cue;
  });
  if (!indexed) return concat(EBML_HEAD, el(0x18538067, head, ...clusters));
  return concat(
    EBML_HEAD,
    el(0x18538067, seek(position), head, ...clusters, el(0x1c53bb6b, ...cues)),
  );
}

/** Whether both buffers have one range from at most a second before `from` to `to`. */
const cover = ({ buffers }: FakeSource, from: number, to: number): boolean =>
  buffers.every(
    ({ ranges }) =>
      ranges.length === 1 &&
      ranges[0]![0] <= from &&
      ranges[0]![0] > from - 1.5 &&
      ranges[0]![1] > to,
  );

function float32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value);
  return bytes;
}

describe("a film", () => {
  test("plays from its beginning to its end", async () => {
    const { source, troubles } = await film(sample("ffmpeg.mkv"));
    await until("the end", () => source.readyState === "ended");
    expect(source.duration).toBeCloseTo(6.06, 1);
    expect(source.buffers.map(({ type }) => type)).toEqual([
      expect.stringMatching(/^video\/mp4; codecs="avc1/),
      'audio/mp4; codecs="mp4a.40.2"',
    ]);
    for (const { ranges } of source.buffers) {
      expect(ranges).toHaveLength(1);
      expect(ranges[0]![0]).toBeLessThan(0.1);
      expect(ranges[0]![1]).toBeGreaterThan(5.9);
    }
    expect(troubles).toEqual([]);
  });
  test("reads 40 s ahead and no further, until the element moves", async () => {
    const { source, range, playback } = await film(long(200));
    await until("the read-ahead", () => (source.buffers[0]?.ranges[0]?.[1] ?? 0) > 39);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const { fetched } = range;
    expect(source.buffers[0]!.ranges[0]![1]).toBeLessThan(43);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(range.fetched).toBe(fetched);
    playback.moved(30);
    await until("more", () => source.buffers[0]!.ranges[0]![1] > 69);
    playback.moved(60);
    await until("an eviction", () => source.buffers[0]!.ranges[0]![0] > 30);
    expect(source.buffers[0]!.ranges[0]![0]).toBeLessThan(40);
  });
  test("limits the buffers in bytes as well", async () => {
    const { source, playback } = await film(long(40, { frame: 8 << 20 }));
    await until("a full buffer", () => (source.buffers[0]?.held ?? 0) > 100 << 20);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(source.buffers[0]!.held).toBeLessThan(130 << 20);
    expect(playback.peak).toBeLessThan(130 << 20);
    playback.close();
  });
});

describe("seeking", () => {
  test("a seek beyond the buffer starts there, and drops the rest", async () => {
    const { source, playback, range } = await film(long(300));
    await until("the beginning", () => (source.buffers[0]?.ranges[0]?.[1] ?? 0) > 10);
    playback.seek(200.5);
    await until("the new place", () => cover(source, 200.5, 220));
    playback.seek(50);
    await until("the way back", () => cover(source, 50, 60));
    expect(range.fetched).toBeLessThan(5 << 20);
  });
  test("the running request ends at once", async () => {
    const { source, playback, signals } = await film(long(300));
    await until("the beginning", () => (source.buffers[0]?.ranges[0]?.[1] ?? 0) > 3);
    const running = signals.at(-1)!;
    expect(running.aborted).toBe(false);
    playback.seek(200);
    expect(running.aborted).toBe(true);
    playback.close();
  });
  test("many seeks end at the last one", async () => {
    const { source, playback, troubles } = await film(long(300));
    for (let count = 0; count < 12; count += 1) {
      playback.seek(20 + ((count * 97) % 270));
      await new Promise((resolve) => setTimeout(resolve, count % 4));
    }
    playback.seek(150);
    await until("the last place", () => cover(source, 150, 160));
    expect(troubles).toEqual([]);
  });
  test("a seek inside the buffer reads nothing again", async () => {
    const { source, playback, asked } = await film(long(300));
    await until("the beginning", () => (source.buffers[0]?.ranges[0]?.[1] ?? 0) > 39);
    const before = asked.length;
    playback.seek(0.5);
    playback.seek(20);
    await until("more", () => source.buffers[0]!.ranges[0]![1] > 58);
    expect(source.buffers[0]!.log.filter((entry) => entry.startsWith("remove"))).toEqual([]);
    expect(asked.length - before).toBeLessThan(3);
  });
  test("a film that has ended plays again", async () => {
    const { source, playback } = await film(long(100), { at: 90 });
    await until("the end", () => source.readyState === "ended");
    playback.seek(10);
    await until("the beginning", () => cover(source, 10, 20));
    expect(source.readyState).toBe("open");
  });
});

describe("without a helpful index", () => {
  test("a key frame is found, however far before the place", async () => {
    const { source, begins, troubles } = await film(long(300, { indexed: false, keyEvery: 90 }), {
      at: 170.5,
    });
    await until("the place", () =>
      source.buffers.every(({ ranges }) => (ranges.at(-1)?.[1] ?? 0) > 175),
    );
    expect(source.buffers[0]!.ranges[0]![0]).toBe(90);
    expect(begins).toEqual([]);
    expect(troubles).toEqual([]);
  });
  test("a place before the first picture is moved to the first picture", async () => {
    for (const indexed of [true, false]) {
      const { source, begins } = await film(long(60, { first: 5, indexed }), { at: 2 });
      await until("the beginning", () => source.buffers.every(({ ranges }) => ranges.length > 0));
      expect(begins).toEqual([5]);
    }
  });
  test("a film of unknown length is measured", async () => {
    const { source } = await film(sample("live.mkv"));
    await until("the end", () => source.readyState === "ended");
    expect(source.duration).toBeGreaterThanOrEqual(4);
  });
});

describe("tracks", () => {
  test("another audio track replaces the sound and leaves the picture", async () => {
    const { source, playback, stream } = await film(sample("ffmpeg.mkv"));
    await until("the end", () => source.readyState === "ended");
    const pictures = source.buffers[0]!.log.length;
    // AC-3 is copied here, so its content does not matter.
    const other = stream("ac3")!;
    other.codec = "aac";
    other.codecString = "mp4a.40.5";
    other.config = Uint8Array.of(0x2b, 0x8a);
    playback.selectAudio(other);
    await until(
      "the other track",
      () =>
        source.buffers[1]!.log.includes('type audio/mp4; codecs="mp4a.40.5"') &&
        source.readyState === "ended",
    );
    expect(source.buffers[0]!.log.length).toBe(pictures);
    expect(source.buffers[1]!.ranges[0]![1]).toBeGreaterThan(5.5);
  });
  test("a gap in the sound is filled with silence, and the sound continues", async () => {
    const { source } = await film(long(30, { sound: (second) => second < 5 || second >= 20 }));
    await until("the end", () => source.readyState === "ended");
    expect(source.buffers[1]!.ranges).toEqual([[0, expect.closeTo(30, 0)]]);
    expect(source.buffers[1]!.log.filter((entry) => entry.startsWith("type"))).toEqual([
      'type audio/mp4; codecs="opus"',
      'type audio/mp4; codecs="mp4a.40.2"',
    ]);
  });
  test("a gap of half a second is filled, too", async () => {
    const { source } = await film(
      long(10, { skipped: (second, frame) => second === 4 && frame < 8 }),
    );
    await until("the end", () => source.readyState === "ended");
    expect(source.buffers[1]!.ranges).toEqual([[0, expect.closeTo(10, 0)]]);
  });
  test("silence precedes late sound, and a film plays on when its sound ends early", async () => {
    const { source } = await film(long(30, { sound: (second) => second >= 8 && second < 20 }));
    await until("the end", () => source.readyState === "ended");
    expect(source.buffers[1]!.ranges).toHaveLength(1);
    expect(source.buffers[1]!.ranges[0]![0]).toBe(0);
    expect(source.buffers[1]!.ranges[0]![1]).toBeGreaterThan(27.5);
  });
});

describe("subtitles", () => {
  test("each block of the selected tracks comes once", async () => {
    const { source, cues, text, stream, playback } = await film(sample("ffmpeg.mkv"), {
      subtitles: ["srt"],
    });
    await until("the end", () => source.readyState === "ended");
    expect(text()).toEqual(["First", "Second", "Third"]);
    expect(cues[0]).toMatchObject({ start: 0.564, end: 3.064 });
    playback.selectSubtitles(new Set([stream("srt")!.id, stream("ass")!.id]));
    await until("the other track", () => cues.length === 6);
    expect(
      text()
        .slice(3)
        .every((line) => line.includes("Default")),
    ).toBe(true);
  });
  test("that are chosen while the buffers are full arrive for all that is buffered", async () => {
    // Full by time, and full by bytes.
    for (const frame of [20_000, 4 << 20]) {
      const { source, playback, text } = await film(long(100, { spoken: true, frame }), { at: 20 });
      const buffered = () => source.buffers[0]!.ranges[0]?.[1] ?? 0;
      await until("the read-ahead", () => buffered() > 59 || source.buffers[0]!.held > 110 << 20);
      await new Promise((resolve) => setTimeout(resolve, 50));
      const appended = source.buffers[0]!.held;
      playback.selectSubtitles(new Set([3]));
      await until("the lines", () => text().includes("Line 20") && text().includes("Line 22"));
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(text().includes("Line 70")).toBe(false);
      expect(source.buffers[0]!.held).toBe(appended);
      playback.close();
    }
  });
  test("that began a cluster before the place of a seek arrive, too", async () => {
    const { source, text } = await film(sample("ffmpeg.mkv"), { subtitles: ["srt"], at: 4.1 });
    await until("the end", () => source.readyState === "ended");
    expect(text()).toContain("Third");
    expect(text()).toContain("Second");
  });
});

describe("a lane", () => {
  const lane = (position = 0) => {
    const buffer = new FakeBuffer("video/mp4");
    return { buffer, lane: new Lane(buffer, () => position, 20) };
  };
  const bytes = (size: number) => new Uint8Array(size);
  test("runs one operation after the other", async () => {
    const { buffer, lane: tested } = lane();
    await Promise.all([
      tested.append(bytes(10)),
      tested.append(bytes(10)),
      tested.changeType("video/x"),
      tested.append(bytes(10)),
    ]);
    expect(buffer.log).toEqual(["init", "init", "type video/x", "init"]);
  });
  test("data queued before a clear is not appended", async () => {
    const { buffer, lane: tested } = lane();
    const appends = [tested.append(bytes(10)), tested.append(bytes(10)), tested.append(bytes(10))];
    await tested.clear();
    await Promise.all(appends);
    expect(buffer.log).toEqual(["abort"]);
    expect(tested.appended).toBe(0);
    expect(tested.bytes).toBe(0);
  });
  test("a full buffer is emptied behind the element, up to just before a key frame", async () => {
    const { buffer, lane: tested } = lane(100);
    buffer.ranges = [[0, 100]];
    for (let second = 0; second < 100; second += 10)
      await tested.append(bytes(1000), { start: second, end: second + 10, key: second });
    buffer.room = buffer.held + 10;
    await tested.append(bytes(500), { start: 100, end: 110, key: 100 });
    expect(buffer.log.filter((entry) => entry.startsWith("remove"))).toEqual(["remove 0-79.95"]);
  });
  test("an append that waits for room ends when it is discarded", async () => {
    const { buffer, lane: tested } = lane();
    buffer.room = 10;
    const waiting = tested.append(bytes(100));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const cleared = tested.clear();
    buffer.room = Infinity;
    await waiting;
    await cleared;
    expect(buffer.held).toBe(0);
  });
});
