import { expect, test } from "vitest";
import { WATCH_MS, Watchers } from "../src/extension/watchers";

test("a page that has gone silent is forgotten", () => {
  const watchers = new Watchers();
  expect(watchers.add("a", 0)).toBe(true);
  expect(watchers.add("a", 2_000)).toBe(false);
  expect(watchers.any(2_000 + WATCH_MS - 1)).toBe(true);
  expect(watchers.any(2_000 + WATCH_MS)).toBe(false);
});

test("a page that says goodbye is forgotten at once", () => {
  const watchers = new Watchers();
  watchers.add("a", 0);
  watchers.remove("a");
  expect(watchers.any(0)).toBe(false);
});

test("one page's silence does not hide another's life", () => {
  const watchers = new Watchers();
  watchers.add("old", 0);
  watchers.add("new", 4_000);
  expect(watchers.any(WATCH_MS)).toBe(true);
});

test("any number of pages costs a bounded memory", () => {
  const watchers = new Watchers();
  for (let page = 0; page < 10_000; page++) watchers.add(`page ${page}`, page);
  expect(watchers.any(9_999)).toBe(true);
  expect(watchers.add("page 0", 10_000)).toBe(true);
});
