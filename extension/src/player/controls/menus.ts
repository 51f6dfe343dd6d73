// The contents of each menu as data, from the model and the media's state.

import { percentOf, t } from "../../text/messages";
import { LEAST_SIZE, MOST_SIZE } from "../subtitle_size";
import type { Command } from "./keys";
import type { MediaState } from "./media_state";
import type { ControlsModel, ControlsPort, TrackChoice } from "./model";
import { delayValue, speedAt, trackName } from "./words";

/** The menus. */
export type MenuName = "more" | "subtitles" | "audio" | "speed";

/** One line of a menu. */
export interface MenuItem {
  /** Unique in its menu. */
  key: string;
  label: string;
  /** The current choice, shown beside the label. */
  value?: string;
  /** Set for one of several choices: whether it is the current one. */
  checked?: boolean;
  /** Opens another menu in place of this one. */
  opens?: MenuName;
  /** The menu stays open, because the item is often used again. */
  stays?: boolean;
  act?(): void;
}

/** Items that belong together. */
export interface MenuGroup {
  key: string;
  items: MenuItem[];
  /** The group's two items decrease and increase one number. */
  stepper?: { label: string; value: string };
}

/** The contents of a menu. */
export interface Menu {
  name: MenuName;
  title: string;
  /** The menu from which this one was opened. */
  back: MenuName | undefined;
  groups: MenuGroup[];
}

const RATES = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3];
const DELAY_STEP_S = 0.1;
const SIZE_STEP = 0.1;

/** The rate that is `steps` further in {@link RATES}. */
export function rateAfter(rate: number, steps: -1 | 1): number {
  return (
    (steps > 0 ? RATES.find((other) => other > rate) : RATES.findLast((other) => other < rate)) ??
    rate
  );
}

/** What the contents of menus depend on. */
export interface MenuScene {
  model: ControlsModel;
  state: MediaState;
  canPictureInPicture: boolean;
  /** Menus with a button in the row. They are left out of the menu "more". */
  inRow: readonly MenuName[];
}

/** The actions of items. */
export interface MenuActions {
  port: Pick<
    ControlsPort,
    "selectAudio" | "selectSubtitles" | "setSubtitleDelay" | "setSubtitleSize"
  >;
  setRate(rate: number): void;
  chooseFiles(): void;
  perform(command: Command): void;
}

/** The contents of a menu. `back` is the menu from which it was opened. */
export function menuOf(
  name: MenuName,
  back: MenuName | undefined,
  scene: MenuScene,
  actions: MenuActions,
): Menu {
  return { name, back, title: t(`playerMenu_${name}`), groups: groupsOf(name, scene, actions) };
}

function groupsOf(name: MenuName, scene: MenuScene, actions: MenuActions): MenuGroup[] {
  const { audio } = scene.model;
  switch (name) {
    case "speed":
      return [{ key: "rates", items: speeds(scene, actions) }];
    case "audio":
      return [
        {
          key: "tracks",
          items: choices(audio.tracks, audio.selected, (id) => actions.port.selectAudio(id)),
        },
      ];
    case "subtitles":
      return subtitleGroups(scene.model, actions);
    case "more":
      return moreGroups(scene, actions);
  }
}

/** The current choice of a menu, in a word or two. */
export function chosenIn(
  name: MenuName,
  { model, state }: Pick<MenuScene, "model" | "state">,
): string {
  if (name === "speed") return speedAt(state.rate);
  if (name === "more") return "";
  const { tracks, selected } = model[name];
  const index = tracks.findIndex(({ id }) => id === selected);
  return index < 0
    ? name === "subtitles"
      ? t("playerOff")
      : ""
    : trackName(tracks[index]!, index);
}

/** The label for picture-in-picture. */
export function pictureWords({ inPictureInPicture }: MediaState): string {
  return inPictureInPicture ? t("playerLeavePictureInPicture") : t("playerPictureInPicture");
}

function speeds({ state }: MenuScene, actions: MenuActions): MenuItem[] {
  return RATES.map((rate) => ({
    key: String(rate),
    label: speedAt(rate),
    checked: rate === state.rate,
    act: () => actions.setRate(rate),
  }));
}

function choices(
  tracks: readonly TrackChoice[],
  selected: string | undefined,
  choose: (id: string) => void,
): MenuItem[] {
  return tracks.map((track, index) => ({
    key: track.id,
    label: trackName(track, index),
    checked: track.id === selected,
    act: () => choose(track.id),
  }));
}

function subtitleGroups(
  { subtitles }: ControlsModel,
  { port, chooseFiles }: MenuActions,
): MenuGroup[] {
  const { tracks, selected, delayS, size } = subtitles;
  const off: MenuItem = {
    key: "",
    label: t("playerOff"),
    checked: selected === undefined,
    act: () => port.selectSubtitles(undefined),
  };
  const groups: MenuGroup[] = [
    { key: "tracks", items: [off, ...choices(tracks, selected, (id) => port.selectSubtitles(id))] },
    { key: "file", items: [{ key: "file", label: t("playerAddFile"), act: chooseFiles }] },
  ];
  if (selected === undefined) return groups;
  // In tenths of a second: ten steps are exactly one second, and stepping back gives zero.
  const delayBy = (steps: number) => () =>
    port.setSubtitleDelay(Math.round(delayS / DELAY_STEP_S + steps) / 10);
  const sizeBy = (steps: number) => () =>
    port.setSubtitleSize(
      Math.min(MOST_SIZE, Math.max(LEAST_SIZE, Math.round(size / SIZE_STEP + steps) / 10)),
    );
  return groups.concat(
    {
      key: "delay",
      stepper: { label: t("playerDelay"), value: delayValue(delayS) },
      items: [
        { key: "earlier", label: t("playerEarlier"), stays: true, act: delayBy(-1) },
        { key: "later", label: t("playerLater"), stays: true, act: delayBy(1) },
      ],
    },
    {
      key: "size",
      stepper: { label: t("playerSize"), value: percentOf(size) },
      items: [
        { key: "smaller", label: t("playerSmaller"), stays: true, act: sizeBy(-1) },
        { key: "larger", label: t("playerLarger"), stays: true, act: sizeBy(1) },
      ],
    },
  );
}

function moreGroups(scene: MenuScene, { perform }: MenuActions): MenuGroup[] {
  const { model, state, inRow } = scene;
  const menus = (["subtitles", "audio", "speed"] as const).filter(
    (name) => !inRow.includes(name) && (name !== "audio" || model.audio.tracks.length > 1),
  );
  const episodes: MenuItem[] = [];
  if (model.hasNext)
    episodes.push({ key: "next", label: t("playerNext"), act: () => perform({ does: "next" }) });
  if (model.hasPrevious)
    episodes.push({
      key: "previous",
      label: t("playerPrevious"),
      act: () => perform({ does: "previous" }),
    });
  const pictureInPicture: MenuItem = {
    key: "pip",
    label: pictureWords(state),
    act: () => perform({ does: "toggle_picture_in_picture" }),
  };
  return [
    {
      key: "menus",
      items: menus.map((name) => ({
        key: name,
        label: t(`playerMenu_${name}`),
        value: chosenIn(name, scene),
        opens: name,
      })),
    },
    { key: "picture", items: scene.canPictureInPicture ? [pictureInPicture] : [] },
    { key: "episodes", items: episodes },
  ].filter(({ items }) => items.length > 0);
}

/** The index of the item to focus after a key. `undefined` if the key does not move the focus. */
export function focusAfter(
  key: string,
  from: number,
  labels: readonly string[],
): number | undefined {
  const { length } = labels;
  if (length === 0) return undefined;
  switch (key) {
    case "ArrowDown":
      return (from + 1) % length;
    case "ArrowUp":
      return (Math.max(0, from) + length - 1) % length;
    case "Home":
      return 0;
    case "End":
      return length - 1;
  }
  if (key.length !== 1 || key === " ") return undefined;
  const begins = (index: number) =>
    labels[index % length]!.toLowerCase().startsWith(key.toLowerCase());
  for (let step = 1; step <= length; step++) if (begins(from + step)) return (from + step) % length;
  return undefined;
}
