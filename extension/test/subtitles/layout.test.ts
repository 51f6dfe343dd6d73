// Sizes and places of ASS styles and PGS pictures.

import { describe, expect, test } from "vitest";
import { pinned, pinnedScript, restyled, scriptHeight } from "../../src/player/subtitles/ass_look";
import { laid } from "../../src/player/subtitles/pgs_layout";

const style = (Alignment: number, MarginV: number) => ({
  Name: "Default",
  FontSize: 20,
  Spacing: 1,
  Alignment,
  MarginV,
});

describe("styles of ASS", () => {
  test("have the requested size of letters", () =>
    expect(restyled(style(2, 10), { scale: 1.5, covered: 0 }, 360)).toEqual({
      ...style(2, 10),
      FontSize: 30,
      Spacing: 1.5,
    }));
  test("at the bottom move above the controls, others stay", () => {
    const margins = [2, 5, 10].map(
      (alignment) => restyled(style(alignment, 10), { scale: 1, covered: 0.25 }, 360).MarginV,
    );
    expect(margins).toEqual([94, 10, 10]);
  });
  test("that are above the controls already stay", () =>
    expect(restyled(style(2, 200), { scale: 1, covered: 0.25 }, 360).MarginV).toBe(200));
  test("are measured in the script's own height", () => {
    expect(scriptHeight("[Script Info]\nPlayResX: 640\nPlayResY: 360\n")).toBe(360);
    expect(scriptHeight("PlayResX: 640\n")).toBe(480);
    expect(scriptHeight("PlayResX: 1280\n")).toBe(1024);
    expect(scriptHeight("[Events]\n; PlayResY: 7")).toBe(288);
  });
});

describe("lines of ASS that are placed higher keep their margin", () => {
  const marginOf = (name: string) => (name === "Sign" ? 40 : undefined);
  const check = (text: string, margin: string, expected: string) =>
    expect(pinned(`3,0,*Sign,,0,0,${margin},,${text}`, 2, marginOf)).toBe(
      `3,0,*Sign,,0,0,${expected},,${text}`,
    );
  test("at the top", () => check("{\\an8}up, there", "0000", "40"));
  test("in the middle, with the old tag", () => check("{\\a10}there", "0", "40"));
  test("but not at the bottom", () => {
    check("{\\an2}down", "0", "0");
    check("{\\a3}down", "0", "0");
    check("plain, with a comma", "0", "0");
  });
  test("and a margin of the line's own stays", () => check("{\\an8}up", "15", "15"));
  test("in a whole script, too", () => {
    const line = (margin: string) =>
      `Dialogue: 0,0:00:01.00,0:00:02.00,Sign,,0,0,${margin},,{\\an8}up`;
    expect(pinnedScript(`[Events]\n${line("0")}\nComment: {\\an8}`, marginOf)).toBe(
      `[Events]\n${line("40")}\nComment: {\\an8}`,
    );
    expect(pinned("broken {\\an8}", 3, marginOf)).toBe("broken {\\an8}");
  });
});

describe("pictures of PGS", () => {
  const plane = { width: 1920, height: 1080 };
  const lower = { x: 660, y: 900, width: 600, height: 60 };
  const upper = { x: 760, y: 40, width: 400, height: 60 };
  test("have the disc's places", () =>
    expect(laid([lower, upper], plane, 1, 1080)).toEqual([lower, upper]));
  test("grow away from the edge of the plane that is next to them", () => {
    expect(laid([lower, upper], plane, 1.5, 1080)).toEqual([
      { x: 510, y: 870, width: 900, height: 90 },
      { x: 660, y: 40, width: 600, height: 90 },
    ]);
  });
  test("two lines that grow don't run into each other", () => {
    const [first, second] = laid([{ ...lower, y: 820 }, lower], plane, 2, 1080);
    expect(first!.y + first!.height).toBeLessThanOrEqual(second!.y);
  });
  test("never grow beyond the plane, and shrink to a half at most", () => {
    const [wide] = laid([{ x: 100, y: 900, width: 1600, height: 100 }], plane, 2.5, 1080);
    expect([wide!.x, wide!.width]).toEqual([0, 1920]);
    expect(laid([{ x: 0, y: 0, width: 1920, height: 1080 }], plane, 2, 1080)[0]).toMatchObject({
      width: 1920,
      height: 1080,
    });
    expect(laid([lower], plane, 0.1, 1080)[0]!.width).toBe(300);
  });
  test("at the bottom move above the controls, and those at the top stay", () => {
    const [low, high] = laid([lower, upper], plane, 1, 900);
    expect(low!.y + low!.height).toBeCloseTo(900 - 10.8);
    expect(high).toEqual(upper);
    expect(laid([{ ...upper, y: 500 }], plane, 1, 900)[0]!.y).toBe(500);
  });
});
