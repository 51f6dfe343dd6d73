// Decoding PGS, the subtitle pictures of discs.

import { describe, expect, test } from "vitest";
import { parseSup, PgsSets, type Screen } from "../../src/player/subtitles/pgs_decode";
import { fitted, planeRect } from "../../src/player/subtitles/picture";
import { chance } from "../media/bytes";
import { composition, END, object, palette, type Picture, segment } from "./pgs_bytes";

const HD: [number, number] = [1920, 1080];
const WHITE = [1, 235, 128, 128, 255];
const RED = [2, 63, 240, 102, 128];
const box = (more: Partial<Picture> = {}): Picture => ({
  x: 100,
  y: 900,
  width: 200,
  height: 40,
  pixel: () => 1,
  ...more,
});
const bytes = (...parts: number[][]) => Uint8Array.from(parts.flat());
const shows = (pictures: Picture[], colours = [WHITE, RED]) =>
  bytes(
    composition(HD, 0x80, pictures),
    palette(colours),
    ...pictures.map((picture) => object(picture)),
    END,
  );
const nothing = (state = 0) => bytes(composition(HD, state, []), END);

/** The colour at a place of the plane. */
function at(screen: Screen | undefined, x: number, y: number): number[] | undefined {
  const placed = screen?.placed.findLast(
    (one) => x >= one.x && y >= one.y && x < one.x + one.width && y < one.y + one.height,
  );
  return (
    placed && [
      ...placed.rgba.subarray(((y - placed.y) * placed.width + x - placed.x) * 4).subarray(0, 4),
    ]
  );
}
function screenAt(sets: PgsSets, time: number): Screen | undefined {
  const index = sets.indexAt(time);
  return index === undefined ? undefined : sets.screen(index);
}

describe("a display set", () => {
  test("shows its object from its time to the next set", () => {
    const sets = new PgsSets();
    sets.add(1, undefined, shows([box()]));
    sets.add(3, undefined, nothing());
    expect(screenAt(sets, 0.9)).toBeUndefined();
    expect(screenAt(sets, 1)).toMatchObject({
      width: 1920,
      height: 1080,
      placed: [{ x: 100, y: 900, width: 200, height: 40 }],
    });
    expect(at(screenAt(sets, 2.9), 100, 900)).toEqual([255, 255, 255, 255]);
    expect(at(screenAt(sets, 2.9), 299, 939)).toEqual([255, 255, 255, 255]);
    expect(screenAt(sets, 3)).toBeUndefined();
  });
  test("ends where its block says so", () => {
    const sets = new PgsSets();
    sets.add(1, 2, shows([box()]));
    expect(screenAt(sets, 1.9)).toBeDefined();
    expect(screenAt(sets, 2)).toBeUndefined();
  });
  test("has the palette's colours: BT.709, with their transparency", () => {
    const sets = new PgsSets();
    sets.add(0, undefined, shows([box({ pixel: (x) => (x < 10 ? 2 : x < 20 ? 7 : 1) })]));
    const [red, green, blue, alpha] = at(screenAt(sets, 0), 100, 900)!;
    expect([red! > 245, green! < 10, blue! < 10, alpha]).toEqual([true, true, true, 128]);
    expect(at(screenAt(sets, 0), 115, 900)).toEqual([0, 0, 0, 0]);
  });
  test("decodes runs of every kind, line by line", () => {
    const sets = new PgsSets();
    const pixel = (x: number, y: number) =>
      y % 2 ? (x < 3 ? x % 2 : 2) : x < 100 ? 0 : x < 170 ? 1 : 2;
    sets.add(0, undefined, shows([box({ x: 0, y: 0, pixel })]));
    const screen = screenAt(sets, 0)!;
    const names: Record<number, string> = { 0: "0,0,0,0", 1: "255,255,255,255" };
    for (let y = 0; y < 40; y += 1)
      for (let x = 0; x < 200; x += 1)
        if (pixel(x, y) < 2) expect(String(at(screen, x, y)), `${x},${y}`).toBe(names[pixel(x, y)]);
    expect(at(screen, 199, 0)![3]).toBe(128);
  });
  test("puts an object together from several segments", () => {
    const picture = box({ pixel: (x, y) => 1 + ((x * 7 + y) % 2) });
    const sets = new PgsSets();
    sets.add(
      0,
      undefined,
      bytes(composition(HD, 0x80, [picture]), palette([WHITE, RED]), object(picture, 5), END),
    );
    expect(at(screenAt(sets, 0), 299, 939)![3]).toBe(picture.pixel(199, 39) === 1 ? 255 : 128);
  });
  test("shows two objects, and the visible part of a cropped one", () => {
    const sets = new PgsSets();
    sets.add(
      0,
      undefined,
      shows([
        box(),
        box({ id: 1, x: 500, y: 10, crop: [150, 0, 50, 20], pixel: (x) => (x < 160 ? 2 : 1) }),
      ]),
    );
    const screen = screenAt(sets, 0)!;
    expect(screen.placed.map(({ x, y, width, height }) => [x, y, width, height])).toEqual([
      [100, 900, 200, 40],
      [500, 10, 50, 20],
    ]);
    expect(at(screen, 505, 15)![3]).toBe(128);
    expect(at(screen, 515, 15)![3]).toBe(255);
  });
  test("clips objects at the plane", () => {
    const sets = new PgsSets();
    sets.add(0, undefined, shows([box({ x: 1900, y: 1070 }), box({ id: 1, x: 5000, y: 0 })]));
    expect(screenAt(sets, 0)!.placed).toMatchObject([{ width: 20, height: 10 }]);
  });
});

describe("sets that build on others", () => {
  const moved = bytes(composition(HD, 0, [box({ x: 700 })]), END);
  const recoloured = bytes(composition(HD, 0, [box()]), palette([[1, 235, 128, 128, 60]]), END);
  test("use earlier objects and palettes, also out of order", () => {
    const sets = new PgsSets();
    sets.add(2, undefined, recoloured);
    sets.add(1, undefined, moved);
    expect(screenAt(sets, 1)!.placed).toEqual([]);
    sets.add(0, undefined, shows([box()]));
    expect(screenAt(sets, 1)!.placed).toMatchObject([{ x: 700 }]);
    expect(at(screenAt(sets, 2), 150, 920)![3]).toBe(60);
    expect(at(screenAt(sets, 0), 150, 920)![3]).toBe(255);
  });
  test("start anew at an epoch", () => {
    const sets = new PgsSets();
    sets.add(0, undefined, shows([box()]));
    sets.add(1, undefined, nothing(0x80));
    sets.add(2, undefined, moved);
    expect(screenAt(sets, 2)!.placed).toEqual([]);
  });
  test("are given once", () => {
    const sets = new PgsSets();
    expect(sets.add(0, undefined, shows([box()]))).toBe(true);
    expect(sets.add(0, undefined, shows([box()]))).toBe(false);
    expect(sets.size).toBe(1);
  });
  test("may have a block for each segment", () => {
    const sets = new PgsSets();
    for (const part of [composition(HD, 0x80, [box()]), palette([WHITE]), object(box()), END])
      sets.add(1, undefined, bytes(part));
    expect(at(screenAt(sets, 1.5), 150, 920)).toEqual([255, 255, 255, 255]);
  });
});

test("a .sup file gives its sets with their times", () => {
  const sup = (time: number, set: Uint8Array) => {
    const parts: number[] = [];
    for (let from = 0; from < set.length; ) {
      const length = 3 + (set[from + 1]! << 8) + set[from + 2]!;
      const pts = time * 90_000;
      parts.push(
        0x50,
        0x47,
        pts >>> 24,
        (pts >> 16) & 255,
        (pts >> 8) & 255,
        pts & 255,
        0,
        0,
        0,
        0,
        ...set.subarray(from, from + length),
      );
      from += length;
    }
    return parts;
  };
  const sets = parseSup(Uint8Array.from([...sup(2, shows([box()])), ...sup(5, nothing())]))!;
  expect(sets.size).toBe(2);
  expect(screenAt(sets, 4.9)!.placed).toHaveLength(1);
  expect(screenAt(sets, 5)).toBeUndefined();
  expect(parseSup(new TextEncoder().encode("1\n00:00"))).toBeUndefined();
});

describe("hostile segments", () => {
  /** Any block is accepted, and its picture stays within the limits. */
  const survive = (block: Uint8Array, story: string) => {
    const sets = new PgsSets();
    sets.add(0, undefined, block);
    const screen = screenAt(sets, 0);
    const pixels = screen?.placed.reduce((sum, { rgba }) => sum + rgba.length / 4, 0) ?? 0;
    expect(pixels, story).toBeLessThanOrEqual(4096 * 2304 * 2);
  };
  test("every truncation", () => {
    const whole = shows([box({ width: 20, height: 4 })]);
    for (let length = 0; length < whole.length; length += 1)
      survive(whole.subarray(0, length), `${length} bytes`);
  });
  test("random changes", () => {
    for (let seed = 1; seed <= 400; seed += 1) {
      const random = chance(seed);
      const block = shows([
        box({ width: 20, height: 4 }),
        box({ id: 1, width: 30, height: 3, crop: [1, 1, 5, 2] }),
      ]);
      for (let count = 0; count < 8; count += 1)
        block[Math.floor(random() * block.length)] = Math.floor(random() * 256);
      survive(block, `seed ${seed}`);
    }
  });
  test("planes and objects beyond all bounds", () => {
    const sets = new PgsSets();
    sets.add(0, undefined, bytes(composition([65_535, 65_535], 0x80, [box()]), END));
    expect(screenAt(sets, 0)).toBeUndefined();
    const large = segment(0x15, [0, 0, 0, 0xc0, 0, 0, 4, 255, 255, 255, 255]);
    sets.add(1, undefined, bytes(composition(HD, 0x80, [box()]), large, END));
    expect(screenAt(sets, 1)!.placed).toEqual([]);
  });
  test("the same large object many times", () => {
    const large = segment(0x15, [0, 0, 0, 0xc0, 0, 0, 4, 0x10, 0, 0x09, 0]);
    const plane: [number, number] = [4096, 2304];
    survive(
      bytes(
        composition(
          plane,
          0x80,
          Array.from({ length: 16 }, () => box({ x: 0, y: 0 })),
        ),
        large,
        END,
      ),
      "16 times",
    );
  });
});

describe("the plane of an HD disc", () => {
  const round = (rect: { left: number; top: number; width: number; height: number }) =>
    [rect.left, rect.top, rect.width, rect.height].map((value) => Math.round(value) + 0);
  const stage = { left: 0, top: 0, width: 1000, height: 1000 };
  test("covers a picture of its own shape", () =>
    expect(round(planeRect(fitted(stage, 1920, 1080), ...HD))).toEqual([0, 219, 1000, 563]));
  test("reaches beyond a picture that was cut above and below", () =>
    expect(round(planeRect(fitted(stage, 1920, 800), ...HD))).toEqual([0, 219, 1000, 563]));
  test("reaches beyond a picture that was cut at its sides", () =>
    expect(round(planeRect(fitted({ ...stage, height: 540 }, 1440, 1080), ...HD))).toEqual([
      20, 0, 960, 540,
    ]));
  test("of a DVD's size has the picture's shape", () =>
    expect(round(planeRect(fitted(stage, 1024, 576), 720, 576))).toEqual([0, 219, 1000, 563]));
});
