// The one tab with the list, which a click on the toolbar button opens or focuses.

import { expect, test } from "vitest";
import { APPEARS_MS, appShower } from "../src/extension/app_tab";
import { FakeClock, settle } from "./fake_clock";

/** A browser in which a new tab's page appears after `appearsMs`. */
function rig(appearsMs: number) {
  const clock = new FakeClock();
  const opened: number[] = [];
  const focused: number[] = [];
  const show = appShower({
    clock,
    find: async () => {
      const tabId = opened.findIndex((at) => clock.now() >= at + appearsMs);
      return tabId < 0 ? undefined : { tabId, windowId: 1 };
    },
    focus: async ({ tabId }) => void focused.push(tabId),
    open: async () => opened.push(clock.now()) - 1,
  });
  return { clock, opened, focused, show };
}

test("two quick clicks open one tab", async () => {
  const { clock, opened, show } = rig(500);
  const clicks = [show()];
  await clock.advance(100);
  clicks.push(show());
  await clock.advance(300);
  clicks.push(show());
  await clock.advance(500);
  expect(await Promise.all(clicks)).toEqual([0, 0, 0]);
  expect(opened).toHaveLength(1);
});

test("an open tab is brought to the front", async () => {
  const { clock, opened, focused, show } = rig(0);
  await show();
  await clock.advance(10_000);
  expect(await show()).toBe(0);
  expect([opened.length, focused]).toEqual([1, [0]]);
});

test("a tab that never loads the page does not block a later click", async () => {
  const { clock, opened, show } = rig(Infinity);
  void show();
  await clock.advance(APPEARS_MS + 100);
  void show();
  await settle();
  expect(opened).toHaveLength(2);
});
