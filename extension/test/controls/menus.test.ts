// The menus of the controls: their items, what the items do, and the focus.

import { expect, test, vi } from "vitest";
import type { MediaState } from "../../src/player/controls/media_state";
import type { MenuActions, MenuName } from "../../src/player/controls/menus";
import { chosenIn, focusAfter, menuOf, rateAfter } from "../../src/player/controls/menus";
import type { ControlsModel } from "../../src/player/controls/model";
import { NO_FILM } from "../../src/player/controls/model";

const english = { id: "e", label: "", language: "en" };
const german = { id: "g", label: "", language: "de" };

function scene(part: Partial<ControlsModel> = {}, inRow: MenuName[] = []) {
  const model: ControlsModel = { ...NO_FILM, ...part };
  return {
    model,
    state: { rate: 1, inPictureInPicture: false } as MediaState,
    canPictureInPicture: true,
    inRow,
  };
}

function actions() {
  const port = {
    selectAudio: vi.fn(),
    selectSubtitles: vi.fn(),
    setSubtitleDelay: vi.fn(),
    setSubtitleSize: vi.fn(),
  };
  return { port, setRate: vi.fn(), chooseFiles: vi.fn(), perform: vi.fn() } satisfies MenuActions;
}

const subtitles = (selected: string | undefined, delayS = 0, size = 1) => ({
  subtitles: { tracks: [english, german], selected, delayS, size },
});

/**
 * Compares a menu with lines. A line begins with `*` if chosen, `-` if not, `>` if it opens a menu,
 * ` ` if it acts.
 */
function check(name: MenuName, given: ReturnType<typeof scene>, lines: string[]): void {
  const menu = menuOf(name, undefined, given, actions());
  const drawn = menu.groups.flatMap(({ items }) =>
    items.map(({ label, value, checked, opens }) => {
      const mark = opens ? ">" : checked === undefined ? " " : checked ? "*" : "-";
      return `${mark}${label}${value ? `: ${value}` : ""}`;
    }),
  );
  expect(drawn).toEqual(lines);
}

test("while subtitles are off, the menu has neither delay nor size", () =>
  check("subtitles", scene(subtitles(undefined)), ["*Off", "-English", "-German", " Add a file…"]));
test("while subtitles are on, the menu has delay and size", () =>
  check("subtitles", scene(subtitles("g")), [
    "-Off",
    "-English",
    "*German",
    " Add a file…",
    " Show subtitles earlier",
    " Show subtitles later",
    " Smaller subtitles",
    " Larger subtitles",
  ]));
test("a film without subtitles offers to add a file", () =>
  check("subtitles", scene(), ["*Off", " Add a file…"]));
test("the menu of sound tracks marks the selected one", () =>
  check("audio", scene({ audio: { tracks: [english, german], selected: "e" } }), [
    "*English",
    "-German",
  ]));
test("the menu “more” has the items that have no button in the row", () =>
  check(
    "more",
    scene(
      { ...subtitles("e"), audio: { tracks: [english, german], selected: "g" }, hasNext: true },
      ["subtitles", "more"],
    ),
    [">Audio track: German", ">Speed: Normal", " Picture-in-picture", " Next episode"],
  ));
test("a single sound track is not offered", () =>
  check(
    "more",
    { ...scene({ audio: { tracks: [english], selected: "e" } }), canPictureInPicture: false },
    [">Subtitles: Off", ">Speed: Normal"],
  ));

/** Presses an item of the subtitle menu. */
function press(key: string, delayS: number, size: number) {
  const called = actions();
  menuOf("subtitles", undefined, scene(subtitles("e", delayS, size)), called)
    .groups.flatMap(({ items }) => items)
    .find((item) => item.key === key)
    ?.act?.();
  return called;
}

test("ten steps of delay are exactly one second, and ten back are zero", () => {
  let delayS = 0;
  for (let step = 0; step < 10; step++)
    delayS = press("later", delayS, 1).port.setSubtitleDelay.mock.calls[0]![0];
  expect(delayS).toBe(1);
  for (let step = 0; step < 10; step++)
    delayS = press("earlier", delayS, 1).port.setSubtitleDelay.mock.calls[0]![0];
  expect(Math.abs(delayS)).toBe(0);
});

test("sizes stay within their bounds", () => {
  expect(press("larger", 0, 1).port.setSubtitleSize).toHaveBeenCalledWith(1.1);
  expect(press("larger", 0, 2.5).port.setSubtitleSize).toHaveBeenCalledWith(2.5);
  expect(press("smaller", 0, 0.5).port.setSubtitleSize).toHaveBeenCalledWith(0.5);
});

test("the item Off selects undefined", () =>
  expect(press("", 0, 1).port.selectSubtitles).toHaveBeenCalledExactlyOnceWith(undefined));
test("the item for a file opens the page's file chooser", () =>
  expect(press("file", 0, 1).chooseFiles).toHaveBeenCalledOnce());

test("the current choice is named, if there is one", () => {
  expect(chosenIn("subtitles", scene(subtitles("g")))).toBe("German");
  expect(chosenIn("subtitles", scene(subtitles("gone")))).toBe("Off");
  expect(chosenIn("audio", scene())).toBe("");
});

test("speeds step through their list and stop at its ends", () => {
  expect([
    rateAfter(1, 1),
    rateAfter(1, -1),
    rateAfter(3, 1),
    rateAfter(0.25, -1),
    rateAfter(1.1, 1),
    rateAfter(1.1, -1),
  ]).toEqual([1.25, 0.75, 3, 0.25, 1.25, 1]);
});

test("arrows wrap around, and letters find items", () => {
  const labels = ["Off", "English", "German", "Estonian"];
  const moves: [string, number][] = [
    ["ArrowDown", 3],
    ["ArrowUp", 0],
    ["ArrowDown", -1],
    ["ArrowUp", -1],
    ["Home", 2],
    ["End", 0],
    ["e", 0],
    ["E", 1],
    ["g", 2],
  ];
  expect(moves.map(([key, from]) => focusAfter(key, from, labels))).toEqual([
    0, 3, 0, 3, 0, 3, 1, 3, 2,
  ]);
  expect(["x", "PageUp", " "].map((key) => focusAfter(key, 0, labels))).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(focusAfter("ArrowDown", -1, [])).toBeUndefined();
});
