// Dragging files and links over the page, and dropping them.

import { beforeAll, expect, test, vi } from "vitest";
import { watchDrops } from "../src/list/drop";
import { FakeClock } from "./fake_clock";

beforeAll(() => {
  vi.stubGlobal("HTMLInputElement", class {});
  vi.stubGlobal("HTMLTextAreaElement", class {});
});

function rig() {
  const clock = new FakeClock();
  const page = new EventTarget();
  const shown: boolean[] = [];
  const dropped: unknown[] = [];
  watchDrops(
    { dragging: (over) => shown.push(over), dropped: (data) => dropped.push(data) },
    clock,
    page,
  );
  /** Fires an event. Returns whether the page has handled it. */
  const happen = (type: string, more: object = {}) => {
    const event = Object.assign(
      new Event(type, { cancelable: true }),
      { dataTransfer: { dropEffect: "none" }, relatedTarget: null },
      more,
    );
    page.dispatchEvent(event);
    return event.defaultPrevented;
  };
  return { clock, shown, dropped, happen };
}

test("a drag over the page is reported until it is dropped or leaves", () => {
  const { shown, dropped, happen } = rig();
  happen("dragenter");
  happen("dragleave", { relatedTarget: {} });
  expect(happen("dragover")).toBe(true);
  expect(shown).toEqual([true]);
  happen("dragleave");
  happen("dragenter");
  expect(happen("drop")).toBe(true);
  expect([shown, dropped.length]).toEqual([[true, false, true, false], 1]);
});

test("a drag ends although its element was removed", async () => {
  const { clock, shown, happen } = rig();
  happen("dragenter");
  for (let turn = 0; turn < 20; turn++) {
    happen("dragover");
    await clock.advance(350);
  }
  expect(shown).toEqual([true]);
  await clock.advance(1_000);
  expect(shown).toEqual([true, false]);
});

test("a link of the page itself shows no overlay and is not added", () => {
  const { shown, dropped, happen } = rig();
  happen("dragstart");
  happen("dragenter");
  expect(happen("dragover")).toBe(false);
  happen("drop");
  happen("dragend");
  expect([shown, dropped]).toEqual([[], []]);
  happen("dragenter");
  expect(shown).toEqual([true]);
});
