// Which changes of torrents a screen reader hears.

import { expect, test } from "vitest";
import { Announcer } from "../../src/list/announcer";
import { torrent } from "../samples";

test("only changes are announced, and nothing about the first state", () => {
  const announcer = new Announcer();
  expect(
    announcer.look([torrent({ state: "error", message: "The disk is full." })]),
  ).toBeUndefined();
  expect(announcer.look([torrent()])).toBeUndefined();
  expect(announcer.look([torrent({ verified: 500, downRateBps: 7 })])).toBeUndefined();
  expect(announcer.look([torrent({ state: "complete" })])).toBe("A film is complete.");
  expect(announcer.look([torrent({ state: "complete", upRateBps: 7 })])).toBeUndefined();
  expect(announcer.look([torrent({ state: "error", message: "The disk is full." })])).toBe(
    "A film has stopped: The disk is full.",
  );
});

test("a new torrent is not announced", () => {
  const announcer = new Announcer();
  announcer.look([]);
  expect(announcer.look([torrent({ state: "complete" })])).toBeUndefined();
});
