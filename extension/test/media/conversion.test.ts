// Playing a conversion by ffmpeg: requests, buffers, seeks and failures.

import { describe, expect, test } from "vitest";
import { AHEAD_S, Conversion, type ConvertFetch, convertUrl } from "../../src/media/conversion";
import { Patience } from "../../src/media/patience";
import { fragment, initSegment } from "../../src/media/fmp4";
import { Boxes, describe as describeMoov, span } from "../../src/media/fragments";
import type { Stream } from "../../src/media/film";
import { troubleOf } from "../../src/media/playback";
import { chance, sample } from "./bytes";
import { FakeSource } from "./fake_source";

const until = async (what: string, ask: () => boolean) => {
  for (let count = 0; count < 1500; count += 1) {
    if (ask()) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`Timed out waiting for ${what}.`);
};

describe("addresses", () => {
  test("the address keeps the film's key, but not its part", () => {
    expect(
      convertUrl("http://127.0.0.1:5/stream/ab12?key=k%2B1&part=1048576", {
        start: 12.3456,
        video: "copy",
        audio: 2,
      }),
    ).toBe("http://127.0.0.1:5/convert/ab12?key=k%2B1&start=12.346&video=copy&audio=2");
  });
});

describe("what ffmpeg writes", () => {
  const boxes = new Boxes().push(sample("converted.mp4"));
  const described = describeMoov(boxes.find(({ type }) => type === "moov")!.bytes);
  test("is cut into boxes, whatever the sizes of its chunks", () => {
    const bytes = sample("converted.mp4");
    const random = chance(3);
    for (const most of [1, 7, 5000]) {
      const cutter = new Boxes();
      const out: string[] = [];
      for (let at = 0; at < bytes.length; ) {
        const size = 1 + Math.floor(random() * most);
        out.push(
          ...cutter
            .push(bytes.subarray(at, at + size))
            .map(({ type, bytes: { length } }) => `${type} ${length}`),
        );
        at += size;
      }
      expect(out).toEqual(boxes.map(({ type, bytes: { length } }) => `${type} ${length}`));
    }
  });
  test("names its codecs", () =>
    expect(described.type).toBe('video/mp4; codecs="avc1.42c00a,mp4a.40.2"'));
  test("contains the times and key frames of its fragments", () => {
    const spans = boxes
      .filter(({ type }) => type === "moof")
      .map(({ bytes }) => span(bytes, described)!);
    // The encoder's first frame is before 0.
    expect(spans[0]!.start).toBeCloseTo(-1024 / 48_000, 3);
    expect(spans.at(-1)!.end).toBeCloseTo(6, 1);
    for (const [index, { start }] of spans.entries())
      if (index > 0) expect(start).toBeLessThanOrEqual(spans[index - 1]!.end + 0.05);
    // A key frame every 48 pictures, at 24 pictures per second.
    expect(
      spans.flatMap(({ key }) => (key === undefined ? [] : [Math.round(key * 100) / 100])),
    ).toEqual([0, 2, 4]);
  });
  test("flipped bytes give a result or an error of ours", () => {
    const random = chance(9);
    for (let count = 0; count < 300; count += 1) {
      const bytes = sample("converted.mp4").slice(0, 6000);
      for (let flips = 0; flips < 5; flips += 1)
        bytes[Math.floor(random() * 2500)] = Math.floor(random() * 256);
      try {
        const found = new Boxes().push(bytes);
        const moov = found.find(({ type }) => type === "moov");
        const told = moov && describeMoov(moov.bytes);
        for (const box of found) if (told && box.type === "moof") span(box.bytes, told);
      } catch (error) {
        expect(troubleOf(error).trouble).toBe("broken");
      }
    }
  });
});

const SOUND = {
  id: 1,
  type: "audio",
  codec: "opus",
  codecString: "opus",
  channels: 2,
  sampleRate: 48_000,
} as Stream;
/**
 * The output of a conversion from `start` on, in chunks of `size` bytes with fragments of half a
 * second.
 */
function* film(start: number, seconds: number, size: number): Generator<Uint8Array<ArrayBuffer>> {
  const sliced = function* (bytes: Uint8Array<ArrayBuffer>) {
    const most = Math.max(90, size >> 2);
    for (let at = 0; at < bytes.length; at += most) yield bytes.slice(at, at + most);
  };
  yield* sliced(initSegment(SOUND));
  for (let at = Math.floor(start * 2) / 2; at < seconds; at += 0.5)
    yield* sliced(
      fragment(1 + at * 2, [
        { dts: at * 1e6, pts: at * 1e6, duration: 500_000, key: true, data: new Uint8Array(size) },
      ]),
    );
}

interface Answer {
  status?: number;
  body?: string;
  /** Interrupts the reply after this many bytes. */
  breaks?: number;
  away?: boolean;
}

/** A daemon that converts a film of `seconds`. `answers` are the replies to its first requests. */
function play({
  seconds = 200,
  size = 100,
  answers = [] as Answer[],
  ends = [] as number[],
  at = 0,
  duration = seconds as number | undefined,
  origin = 0,
} = {}) {
  const asked: string[] = [];
  const signals: AbortSignal[] = [];
  const running = { now: 0, most: 0 };
  let pulled = 0;
  const fetcher: ConvertFetch = (url, { signal }) => {
    asked.push(new URL(url).search.slice(1).replace(/key=k&/, ""));
    signals.push(signal);
    const { status = 200, body, breaks = Infinity, away = false } = answers.shift() ?? {};
    if (away) return Promise.reject(new TypeError("failed"));
    if (status !== 200) return Promise.resolve(new Response(body ?? "", { status }));
    const pieces = film(
      Number(new URL(url).searchParams.get("start")) + origin,
      (ends.shift() ?? seconds) + origin,
      size,
    );
    let from = 0;
    running.now += 1;
    running.most = Math.max(running.most, running.now);
    const over = () => (running.now -= 1);
    signal.addEventListener("abort", over, { once: true });
    return Promise.resolve(
      new Response(
        new ReadableStream(
          {
            pull(controller) {
              if (signal.aborted) return controller.error(signal.reason);
              if (from >= breaks) return controller.error(new TypeError("network error"));
              const { done, value } = pieces.next();
              if (done) return controller.close();
              controller.enqueue(value);
              pulled += value.length;
              from += value.length;
            },
          },
          { highWaterMark: 0 },
        ),
      ),
    );
  };
  const media = new FakeSource();
  const heard = {
    begins: [] as number[],
    duration: [] as number[],
    troubles: [] as { trouble: string; detail: string }[],
    waited: 0,
  };
  let clock = 0;
  const patience = new Patience(() => clock);
  const conversion = new Conversion(
    media,
    () => "http://127.0.0.1:1/stream/f?key=k",
    { duration, origin, video: "h264" },
    0,
    {
      began: () => {},
      came: () => {},
      begins: (begin) => heard.begins.push(begin),
      duration: (value) => heard.duration.push(value),
      waiting: (now) => (heard.waited += now ? 1 : 0),
      trouble: (error) => heard.troubles.push(troubleOf(error)),
    },
    fetcher,
    (ms) => ((clock += ms), Promise.resolve()),
    () => clock,
    patience,
  );
  conversion.start(at);
  const ranges = () => media.buffers[0]?.ranges ?? [];
  return {
    conversion,
    patience,
    media,
    asked,
    signals,
    heard,
    running,
    ranges,
    pulled: () => pulled,
    pass: (ms: number) => (clock += ms),
  };
}

describe("a conversion", () => {
  test("plays to its end", async () => {
    const { media, heard, ranges, asked } = play({ seconds: 12 });
    await until("the end", () => media.readyState === "ended");
    expect(ranges()).toEqual([[0, 12]]);
    expect(asked).toEqual(["start=0&video=h264&audio=0"]);
    expect(heard).toMatchObject({ duration: [12], troubles: [] });
  });
  test("reads 30 s ahead and no further, until the element moves", async () => {
    const { conversion, ranges, pulled } = play();
    await until("the read-ahead", () => (ranges()[0]?.[1] ?? 0) >= AHEAD_S);
    await new Promise((resolve) => setTimeout(resolve, 30));
    const before = pulled();
    expect(ranges()[0]![1]).toBeLessThan(AHEAD_S + 3);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(pulled()).toBe(before);
    conversion.moved(20);
    await until("more", () => ranges()[0]![1] >= 20 + AHEAD_S);
  });
  test("limits the buffer in bytes as well, and evicts the bytes behind the element", async () => {
    const { conversion, media, ranges } = play({ size: 4 << 20 });
    await until("60 MB", () => (ranges()[0]?.[1] ?? 0) >= 7.5);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(ranges()[0]![1]).toBeLessThan(9);
    for (let at = 1; at < 30; at += 1) {
      conversion.moved(at);
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    await until("it to go on", () => ranges().at(-1)![1] > 30);
    expect(media.buffers[0]!.log.some((line) => line.startsWith("remove 0-"))).toBe(true);
  });
  test("a seek out of the buffer ends the current request, then starts another one", async () => {
    const { conversion, ranges, asked, signals, running, pass } = play();
    await until("a beginning", () => (ranges()[0]?.[1] ?? 0) > 5);
    conversion.seek(3);
    expect(asked).toHaveLength(1);
    pass(10_000);
    conversion.seek(120);
    expect(signals[0]!.aborted).toBe(true);
    await until("the place", () => ranges().some(([from, to]) => from <= 120 && to > 121));
    expect(asked[1]).toBe("start=119.9&video=h264&audio=0");
    expect(ranges()[0]![0]).toBeGreaterThan(100);
    expect(running.most).toBe(1);
  });
  test("many seeks in a row start few conversions, the last one at the last place", async () => {
    const { conversion, ranges, asked, signals, running } = play();
    await until("a beginning", () => ranges().length > 0);
    for (const at of [50, 90, 60, 140, 70, 160]) {
      conversion.seek(at);
      expect(signals.every(({ aborted }) => aborted)).toBe(true);
    }
    await until("the place", () => ranges().some(([from, to]) => from <= 160 && to > 161));
    expect(asked.length).toBeLessThanOrEqual(3);
    expect(running.most).toBe(1);
  });
  test("another sound track begins at the element's place", async () => {
    const { conversion, ranges, asked, pass } = play();
    await until("a beginning", () => (ranges()[0]?.[1] ?? 0) > 20);
    conversion.moved(17);
    pass(5000);
    conversion.selectAudio(2);
    await until("the other track", () => asked.length === 2 && (ranges()[0]?.[1] ?? 0) > 20);
    expect(asked[1]).toBe("start=16.9&video=h264&audio=2");
  });
  test("an interrupted stream continues where it ended", async () => {
    const { media, ranges, asked, heard } = play({ seconds: 12, answers: [{ breaks: 2500 }] });
    await until("the end", () => media.readyState === "ended");
    expect(ranges()).toEqual([[0, 12]]);
    expect(asked).toHaveLength(2);
    expect(Number(/start=([\d.]+)/.exec(asked[1]!)![1])).toBeGreaterThan(1);
    expect(heard.troubles).toEqual([]);
  });
  test("a stream that is interrupted repeatedly is given up", async () => {
    const { heard, asked } = play({ answers: Array.from({ length: 20 }, () => ({ breaks: 10 })) });
    await until("the trouble", () => heard.troubles.length > 0);
    expect(heard.troubles[0]!.trouble).toBe("broken");
    expect(asked.length).toBeLessThan(10);
  });
  test("the daemon's sentence is passed on", async () => {
    const detail =
      "This film needs ffmpeg, which is not installed. " +
      "Install it, for example with: sudo apt install ffmpeg";
    const { heard } = play({ answers: [{ status: 501, body: `${detail}\n` }] });
    await until("the trouble", () => heard.troubles.length > 0);
    expect(heard.troubles).toEqual([{ trouble: "converter", detail }]);
  });
  test("a busy or absent daemon is asked again for a while", async () => {
    const { media, heard } = play({
      seconds: 5,
      answers: [
        { status: 503, body: "Two films are being converted already: close one of them." },
        { away: true },
      ],
    });
    await until("the end", () => media.readyState === "ended");
    expect(heard.troubles).toEqual([]);
    expect(heard.waited).toBe(2);
    const busy = play({
      answers: Array.from({ length: 100 }, () => ({
        status: 503,
        body: "Two films are being converted already: close one of them.",
      })),
    });
    await until("the trouble", () => busy.heard.troubles.length > 0);
    expect(busy.heard.troubles).toEqual([
      { trouble: "busy", detail: "Two films are being converted already: close one of them." },
    ]);
  });
  test("requests for a removed film end", async () => {
    const { heard, asked } = play({
      answers: Array.from({ length: 100 }, () => ({ status: 404, body: "gone" })),
    });
    await until("the trouble", () => heard.troubles.length > 0);
    expect(heard.troubles[0]!.trouble).toBe("gone");
    expect(asked.length).toBeLessThan(15);
  });
  test("while the engine is being replaced, refused requests are repeated", async () => {
    const { patience, heard, asked, ranges } = play({
      answers: [
        { status: 404, body: "gone" },
        ...Array.from({ length: 60 }, () => ({ status: 404, body: "gone" })),
      ],
    });
    patience.tell(false);
    await until("the film", () => (ranges()[0]?.[1] ?? 0) > 5);
    expect(asked.length).toBeGreaterThan(60);
    expect(heard.troubles).toEqual([]);
  });
  test("a stream that ends early is requested again, but not twice at one place", async () => {
    // ffmpeg treats missing bytes as the film's end.
    const { media, asked, ranges } = play({ seconds: 25, ends: [12] });
    await until("the end", () => media.readyState === "ended");
    expect(asked).toEqual(["start=0&video=h264&audio=0", "start=11.9&video=h264&audio=0"]);
    expect(ranges()).toEqual([[0, 25]]);
    const short = play({ seconds: 25, ends: [12, 12, 12, 12, 12] });
    await until("the end", () => short.media.readyState === "ended");
    expect(short.asked.length).toBeLessThan(5);
    expect(short.heard.troubles).toEqual([]);
    const refused = play({
      seconds: 12,
      duration: 25,
      answers: [{}, { status: 502, body: "ffmpeg can’t convert this film: nothing." }],
    });
    await until("the end", () => refused.media.readyState === "ended");
    expect(refused.heard.troubles).toEqual([]);
  });
  test("times of a film that does not begin at 0 are moved", async () => {
    const { media, heard } = play({ seconds: 5, origin: 1000 });
    await until("the end", () => media.readyState === "ended");
    expect((media.buffers[0] as unknown as { timestampOffset: number }).timestampOffset).toBe(
      -1000,
    );
    expect(heard.troubles).toEqual([]);
  });
  test("no conversion is requested for the film's last second", async () => {
    const { media, asked } = play({ seconds: 20, at: 20 });
    await until("the end", () => media.readyState === "ended");
    expect(asked).toEqual(["start=19&video=h264&audio=0"]);
  });
  test("a closed conversion requests and reports nothing", async () => {
    const { conversion, ranges, asked, signals, heard } = play();
    await until("a beginning", () => ranges().length > 0);
    conversion.seek(100);
    conversion.close();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(signals.every(({ aborted }) => aborted)).toBe(true);
    expect(asked.length).toBeLessThanOrEqual(2);
    expect(heard.troubles).toEqual([]);
  });
});
