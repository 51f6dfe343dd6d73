import { expect, test } from "vitest";
import { cellsFor, columns, place, runs, timeAt } from "../src/player/strip";

/** Draws cells as columns: `#` full, `+` partly, `.` empty. */
function check(verified: number[], width: number, picture: string): void {
  const drawn = [...columns({ verified, underway: [] }, width).verified].map((value) => (value > 0.999 ? "#" : value > 0 ? "+" : "."));
  expect(drawn.join("")).toBe(picture);
}

test("cells and columns match one to one", () => check([255, 0, 128], 3, "#.+"));
test("a cell is stretched over several columns", () => check([255, 0], 6, "###..."));
test("a border between columns is blended", () => check([255, 0], 3, "#+."));
test("several cells share a column", () => check([255, 255, 255, 0, 0, 0], 2, "#."));
test("a piece among many is still seen", () => check([0, 0, 0, 255, 0, 0, 0, 0], 2, "+."));
test("no cells are no pieces", () => check([], 4, "...."));
test("no width is no columns", () => check([255], 0, ""));

test("a strip as wide as a screen from one cell a piece stays exact", () => {
  const cells = Array.from({ length: 1000 }, (_, cell) => (cell < 250 ? 255 : 0));
  const { verified } = columns({ verified: cells, underway: cells }, 3333);
  const full = verified.reduce((sum, value) => sum + value, 0);
  expect(full).toBeCloseTo(3333 / 4, 1);
});

test("like columns are painted as one run", () => {
  expect(runs(Float32Array.from([1, 1, 0, 0, 0, 1]))).toEqual([
    { start: 0, end: 2, value: 1 },
    { start: 2, end: 5, value: 0 },
    { start: 5, end: 6, value: 1 },
  ]);
});

test("times are places and places are times", () => {
  expect(place(25, 100, 400)).toBe(100);
  expect(timeAt(100, 100, 400)).toBe(25);
  expect(place(500, 100, 400)).toBe(400);
  expect(timeAt(-3, 100, 400)).toBe(0);
});

test("a film of unknown length has no places", () => {
  for (const duration of [NaN, Infinity, 0]) {
    expect(place(5, duration, 400)).toBe(0);
    expect(timeAt(5, duration, 400)).toBe(0);
  }
});

test("cells are asked for by width, within bounds", () => {
  expect([cellsFor(0), cellsFor(400), cellsFor(10_000)]).toEqual([1, 200, 1024]);
});
