// Sorting and searching the list.

import { expect, test } from "vitest";
import type { Sort } from "../../src/list/arrange";
import { arranged, finder } from "../../src/list/arrange";
import { torrent } from "../samples";

const rows = [
  torrent({ name: "Episode 10", length: 30, wanted: 30, wantedVerified: 3, downRateBps: 5 }),
  torrent({ name: "Épisode 9", length: 10, wanted: 10, wantedVerified: 9 }),
  torrent({ name: "Zebra", length: 20, wanted: 20, wantedVerified: 20, upRateBps: 9 }),
];

function check(by: Sort["by"], wanted: string[]): void {
  const names = (reversed: boolean) => arranged(rows, "", { by, reversed }).map(({ name }) => name);
  expect(names(false)).toEqual(wanted);
  expect(names(true)).toEqual([...wanted].reverse());
}

test("the newest come first", () => check("added", ["Episode 10", "Épisode 9", "Zebra"]));
test("names are in natural order", () => check("name", ["Épisode 9", "Episode 10", "Zebra"]));
test("the largest come first", () => check("size", ["Episode 10", "Zebra", "Épisode 9"]));
test("the most complete come first", () => check("progress", ["Zebra", "Épisode 9", "Episode 10"]));
test("the fastest come first, by download or upload", () =>
  check("rate", ["Zebra", "Episode 10", "Épisode 9"]));

test("the search finds all words, ignoring case and accents", () => {
  const names = (search: string) =>
    arranged(rows, search, { by: "added", reversed: false }).map(({ name }) => name);
  expect(names("episode")).toEqual(["Episode 10", "Épisode 9"]);
  expect(names(" 9 EPI ")).toEqual(["Épisode 9"]);
  expect(names("episode zebra")).toEqual([]);
  expect(finder("  ")).toBeUndefined();
});
