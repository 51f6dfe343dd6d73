// The command of each key, and the elements that keep their keys.

import { expect, test } from "vitest";
import type { Press, Scrolls, Taker } from "../../src/player/controls/keys";
import { commandOf } from "../../src/player/controls/keys";

function pressed(
  key: string,
  more: Partial<Press> & { paused?: boolean; taker?: Taker; scrolls?: Scrolls } = {},
) {
  const { paused = false, taker = "nothing", scrolls = "nothing", ...modifiers } = more;
  const press = {
    key,
    ctrlKey: false,
    metaKey: false,
    altKey: false,
    repeat: false,
    isComposing: false,
    ...modifiers,
  };
  return commandOf(press, paused, taker, scrolls);
}

test.each([
  [" ", { does: "toggle_play" }],
  ["k", { does: "toggle_play" }],
  ["j", { does: "seek_by", seconds: -10 }],
  ["l", { does: "seek_by", seconds: 10 }],
  ["ArrowLeft", { does: "seek_by", seconds: -5 }],
  ["ArrowRight", { does: "seek_by", seconds: 5 }],
  ["ArrowUp", { does: "volume_by", by: 0.05 }],
  ["ArrowDown", { does: "volume_by", by: -0.05 }],
  ["0", { does: "seek_to_share", share: 0 }],
  ["7", { does: "seek_to_share", share: 0.7 }],
  ["Home", { does: "seek_to_share", share: 0 }],
  ["End", { does: "seek_to_share", share: 1 }],
  ["c", { does: "toggle_subtitles" }],
  ["v", { does: "cycle_subtitles" }],
  ["b", { does: "cycle_audio" }],
  ["n", { does: "next" }],
  ["p", { does: "previous" }],
  ["m", { does: "toggle_mute" }],
  ["f", { does: "toggle_full_screen" }],
  ["i", { does: "toggle_picture_in_picture" }],
  ["<", { does: "speed_by", steps: -1 }],
  [">", { does: "speed_by", steps: 1 }],
  ["g", { does: "delay_by", seconds: -0.1 }],
  ["h", { does: "delay_by", seconds: 0.1 }],
  ["Escape", { does: "escape" }],
])("the key %j has its command", (key, command) => expect(pressed(key)).toEqual(command));

test("Caps Lock and Shift do not change what a letter does", () => {
  expect(pressed("K")).toEqual(pressed("k"));
  expect(pressed("N")).toEqual({ does: "next" });
  expect(pressed("P")).toEqual({ does: "previous" });
});

test("other keys do nothing", () => {
  for (const key of ["Tab", "Enter", "a", "F5", "Shift", "Dead", "PageDown"])
    expect(pressed(key)).toBeUndefined();
});

test("the keys for single frames work only while paused", () => {
  expect(pressed(".")).toBeUndefined();
  expect(pressed(".", { paused: true })).toEqual({ does: "step_frame", direction: 1 });
  expect(pressed(",", { paused: true })).toEqual({ does: "step_frame", direction: -1 });
});

test("keys with Ctrl, Meta or Alt, and keys of a composition, do nothing", () => {
  for (const modifier of ["ctrlKey", "metaKey", "altKey", "isComposing"])
    expect(pressed("f", { [modifier]: true })).toBeUndefined();
});

test("scrolling keys scroll the page while an element outside of the player has the focus", () => {
  for (const key of ["ArrowUp", "ArrowDown", "ArrowLeft", "Home", "End"])
    expect(pressed(key, { taker: "press", scrolls: "everything" })).toBeUndefined();
  expect(pressed("k", { taker: "press", scrolls: "everything" })).toEqual({ does: "toggle_play" });
});

test("on a page taller than the window, up and down scroll, and left and right seek", () => {
  for (const key of ["ArrowUp", "ArrowDown", "Home", "End"])
    expect(pressed(key, { scrolls: "up_and_down" })).toBeUndefined();
  expect(pressed("ArrowLeft", { scrolls: "up_and_down" })).toEqual({
    does: "seek_by",
    seconds: -5,
  });
});

test("text fields keep every key", () => {
  for (const key of [" ", "k", "ArrowLeft", "Escape", "5"])
    expect(pressed(key, { taker: "text" })).toBeUndefined();
});

test("a focused button keeps Space and Enter, and no other key", () => {
  expect(pressed(" ", { taker: "press" })).toBeUndefined();
  expect(pressed("Enter", { taker: "press" })).toBeUndefined();
  expect(pressed("k", { taker: "press" })).toEqual({ does: "toggle_play" });
  expect(pressed("ArrowLeft", { taker: "press" })).toEqual({ does: "seek_by", seconds: -5 });
});

test("a focused slider keeps the arrows, and no other key", () => {
  for (const key of ["ArrowLeft", "ArrowUp", "Home", "End", "PageUp"])
    expect(pressed(key, { taker: "slider" })).toBeUndefined();
  expect(pressed(" ", { taker: "slider" })).toEqual({ does: "toggle_play" });
});

test("a key held down repeats steps, but toggles once", () => {
  expect(pressed("ArrowRight", { repeat: true })).toEqual({ does: "seek_by", seconds: 5 });
  for (const key of ["f", "m", "k", "c", "i", "n"])
    expect(pressed(key, { repeat: true })).toBe("ignored");
  expect(pressed(" ", { repeat: true })).toBe("ignored");
});
