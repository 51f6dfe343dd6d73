// Selecting several torrents.

import { expect, test } from "vitest";
import { Selection } from "../../src/list/selection";

const SHOWN = ["a", "b", "c", "d"];

test("torrents are selected one by one, in the order of the list", () => {
  const selection = new Selection();
  for (const one of ["c", "a", "b", "b"]) selection.toggle(one);
  expect(selection.of(SHOWN)).toEqual(["a", "c"]);
});

test("a range is selected in both directions", () => {
  const selection = new Selection();
  selection.toggle("c");
  selection.extend(SHOWN, "a");
  expect(selection.of(SHOWN)).toEqual(["a", "b", "c"]);
  selection.extend(SHOWN, "d");
  expect(selection.of(SHOWN)).toEqual(SHOWN);
});

test("a range without a start is one torrent", () => {
  const selection = new Selection();
  selection.extend(SHOWN, "b");
  expect(selection.of(SHOWN)).toEqual(["b"]);
});

test("torrents that are no longer shown are deselected", () => {
  const selection = new Selection();
  selection.all(SHOWN);
  selection.keep(["b", "x"]);
  expect([selection.size, selection.has("b"), selection.has("a")]).toEqual([1, true, false]);
});
