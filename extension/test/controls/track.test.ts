// The drawing of the seek bar, and its conversion of places to times.

import { expect, test } from "vitest";
import {
  cellsFor,
  isThere,
  runs,
  shareAt,
  shareThere,
  spread,
  timeAt,
} from "../../src/player/controls/track";

/** Draws cells as columns: `#` full, `+` partly full, `.` empty. */
function check(cells: number[], width: number, picture: string): void {
  expect(
    [...spread(cells, width)]
      .map((value) => (value > 0.999 ? "#" : value > 0 ? "+" : "."))
      .join(""),
  ).toBe(picture);
}

test("cells and columns match one to one", () => check([255, 0, 128], 3, "#.+"));
test("a cell is stretched over several columns", () => check([255, 0], 6, "###..."));
test("a border between columns is blended", () => check([255, 0], 3, "#+."));
test("several cells share a column", () => check([255, 255, 255, 0, 0, 0], 2, "#."));
test("a single piece among many stays visible", () => check([0, 0, 0, 255, 0, 0, 0, 0], 2, "+."));
test("without cells all columns are empty", () => check([], 4, "...."));
test("without width there are no columns", () => check([255], 0, ""));

test("one cell for each piece stays exact on a track as wide as a screen", () => {
  const cells = Array.from({ length: 1000 }, (_, cell) => (cell < 250 ? 255 : 0));
  expect(spread(cells, 3333).reduce((sum, value) => sum + value, 0)).toBeCloseTo(3333 / 4, 1);
});

test("equal columns are painted as one run", () => {
  expect(runs(Float32Array.from([1, 1, 0, 0, 0, 1]))).toEqual([
    { start: 0, end: 2, value: 1 },
    { start: 2, end: 5, value: 0 },
    { start: 5, end: 6, value: 1 },
  ]);
});

test("times and places convert into each other", () => {
  expect(shareAt(25, 100)).toBe(0.25);
  expect(timeAt(100, 100, 400)).toBe(25);
  expect(shareAt(500, 100)).toBe(1);
  expect(timeAt(-3, 100, 400)).toBe(0);
  expect(timeAt(500, 100, 400)).toBe(100);
});

test("a film of unknown length has no places", () => {
  for (const duration of [NaN, Infinity, 0]) {
    expect(shareAt(5, duration)).toBe(0);
    expect(timeAt(5, duration, 400)).toBeUndefined();
  }
});

test("a place is on disk if its whole cell is", () => {
  const pieces = { verified: [255, 254, 0, 255], underway: [] };
  expect([0, 0.2, 0.3, 0.6, 0.8, 1].map((share) => isThere(pieces, share))).toEqual([
    true,
    true,
    false,
    false,
    true,
    true,
  ]);
  expect(isThere(undefined, 0)).toBe(false);
  expect(isThere({ verified: [], underway: [] }, 0)).toBe(false);
});

test("the part on disk is a share of the file", () => {
  expect(shareThere({ verified: [255, 0, 255, 0], underway: [] })).toBe(0.5);
  expect(shareThere({ verified: [], underway: [] })).toBe(0);
});

test("the number of requested cells follows the width, within bounds", () => {
  expect([cellsFor(0), cellsFor(400), cellsFor(10_000)]).toEqual([1, 200, 1024]);
});
