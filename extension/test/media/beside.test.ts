// Reading subtitles beside a conversion, as far as the conversion has come.

import { expect, test } from "vitest";
import { Beside } from "../../src/media/beside";
import { Cues } from "../../src/media/cues";
import type { Demuxed, Packet, Reading, Stream } from "../../src/media/film";

const SECONDS = 100;
const [VIDEO, SOUND, ENGLISH, GERMAN] = [1, 2, 3, 4];

/**
 * A film with key frames at even seconds, and with a subtitle in each language every second. `log`
 * records what is read.
 */
function film() {
  const log = { reads: [] as string[], furthest: 0, cancelled: 0, closed: 0 };
  const packets = (from: number, to: number, wanted: ReadonlySet<number>): Packet[] =>
    Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index).flatMap((second) =>
      [VIDEO, SOUND, ENGLISH, GERMAN]
        .filter((track) => wanted.has(track))
        .map((track) => ({
          track,
          pts: second * 1e6,
          duration: 900_000,
          key: true,
          data: new TextEncoder().encode(`${track}:${second}`),
          order: second * 10 + track,
        })),
    );
  const reading = (left: Packet[]): Reading => ({
    ready: true,
    next: () => {
      const packet = left.shift();
      log.furthest = Math.max(log.furthest, (packet?.pts ?? 0) / 1e6);
      return Promise.resolve(packet);
    },
    cancel: () => (log.cancelled += 1),
  });
  const demuxed = {
    container: "matroska",
    duration: SECONDS * 1e6,
    streams: (["video", "audio", "subtitle", "subtitle"] as const).map(
      (type, index) => ({ id: index + 1, type }) as Stream,
    ),
    chapters: [],
    fonts: () => Promise.resolve([]),
    read: (pts, video, wanted) => {
      const from = Math.floor(pts / 2e6) * 2;
      log.reads.push(`${from} ${video}: ${[...wanted]}`);
      return Promise.resolve(reading(packets(from, SECONDS, wanted)));
    },
    before: (pts, _video, wanted) => {
      const to = Math.floor(pts / 2e6) * 2;
      log.reads.push(`before ${to}`);
      return Promise.resolve(reading(packets(Math.max(0, to - 4), to, wanted)));
    },
    close: () => (log.closed += 1),
  } satisfies Demuxed;
  const lines: string[] = [];
  const cues = new Cues((more) =>
    lines.push(...more.map(({ data }) => new TextDecoder().decode(data))),
  );
  const beside = new Beside(demuxed, cues);
  return { log, lines, cues, beside };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 5));
const english = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `${ENGLISH}:${from + index}`);

test("without a selected track nothing is read", async () => {
  const { beside, log } = film();
  beside.began(0);
  beside.came(50);
  await settle();
  expect(log.reads).toEqual([]);
});

test("cues come as far as the conversion has come, and no byte beyond is read", async () => {
  const { beside, cues, log, lines } = film();
  cues.select(new Set([ENGLISH]));
  beside.began(10);
  await settle();
  expect(log.reads).toEqual([]);
  beside.came(12);
  await settle();
  expect(log.reads).toEqual([`10 ${VIDEO}: ${ENGLISH},${SOUND}`]);
  expect(log.furthest).toBe(12);
  beside.came(20.5);
  await settle();
  expect(log.furthest).toBe(21);
  // Once something is buffered, the subtitles from before the start are read.
  expect(log.reads[1]).toBe("before 10");
  expect(lines.toSorted((a, b) => Number(a.slice(2)) - Number(b.slice(2)))).toEqual(english(6, 21));
  beside.came(Infinity);
  await settle();
  expect(new Set(lines)).toEqual(new Set(english(6, SECONDS)));
  expect(lines).toHaveLength(SECONDS - 6);
});

test("after a seek, reading starts at the new place, and no cue comes twice", async () => {
  const { beside, cues, log, lines } = film();
  cues.select(new Set([ENGLISH]));
  beside.began(0);
  beside.came(30);
  await settle();
  beside.began(60);
  await settle();
  expect([log.furthest, log.cancelled]).toEqual([30, 2]);
  beside.came(62);
  await settle();
  expect(lines.at(-1)).toBe(`${ENGLISH}:61`);
  beside.began(10);
  beside.came(31);
  await settle();
  expect(lines.filter((line) => line === `${ENGLISH}:20`)).toHaveLength(1);
  expect(lines).toContain(`${ENGLISH}:30`);
});

test("the cues of a track chosen late start at the element's place", async () => {
  const { beside, cues, lines } = film();
  cues.select(new Set([ENGLISH]));
  beside.began(0);
  beside.came(30);
  await settle();
  expect(cues.select(new Set([GERMAN]))).toBe(true);
  beside.select(20);
  await settle();
  expect(lines).toContain(`${GERMAN}:25`);
  expect(lines).not.toContain(`${GERMAN}:40`);
  cues.select(new Set());
  beside.select(25);
  beside.came(60);
  await settle();
  expect(lines).not.toContain(`${GERMAN}:40`);
});
