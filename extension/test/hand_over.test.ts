// Passing a link from Chrome to a page with the list.

import { expect, test } from "vitest";
import { handOver, PATIENCE_MS } from "../src/extension/hand_over";
import type { AppMessage } from "../src/extension/messages";
import { FakeClock, settle } from "./fake_clock";
import { HASH } from "./samples";

const MAGNET = `magnet:?xt=urn:btih:${HASH}`;

/** Sends a link to a page that answers from the `listens`th attempt on. */
function rig(link: string, listens: number) {
  const clock = new FakeClock();
  const told: [number, AppMessage][] = [];
  let outcome = "running";
  let shown = 0;
  const actions = {
    clock,
    showApp: async () => {
      shown += 1;
      return 7;
    },
    tellApp: async (tab: number, message: AppMessage) => told.push([tab, message]) >= listens,
  };
  void handOver({ kind: "add_link", link }, actions).then(
    () => (outcome = "done"),
    (error: Error) => (outcome = error.message),
  );
  return { clock, told, shown: () => shown, outcome: () => outcome };
}

test("an open page gets the link at once, and only once", async () => {
  const it = rig(MAGNET, 1);
  await settle();
  expect(it.outcome()).toBe("done");
  expect(it.told).toEqual([[7, { kind: "add_link", link: MAGNET }]]);
});

test("one page is opened, and gets the link when the page listens", async () => {
  const it = rig(MAGNET, 5);
  await it.clock.advance(1_000);
  expect([it.outcome(), it.told.length, it.shown()]).toEqual(["done", 5, 1]);
});

test("a page that never listens is an error", async () => {
  const it = rig(MAGNET, Infinity);
  await it.clock.advance(PATIENCE_MS + 100);
  expect(it.outcome()).toMatch(/did not open/);
});

test("the address of a torrent file is passed on, too", async () => {
  const it = rig("https://example.org/a.torrent", 1);
  await it.clock.advance(1_000);
  expect([it.outcome(), it.shown()]).toEqual(["done", 1]);
});

test.each(["javascript:alert(1)", "file:///a.torrent", "magnet:", ""])(
  "%o opens nothing",
  async (link) => {
    const it = rig(link, 1);
    await settle();
    expect([it.outcome(), it.shown()]).toEqual([
      "The link is neither a magnet link nor the address of a torrent file.",
      0,
    ]);
  },
);
