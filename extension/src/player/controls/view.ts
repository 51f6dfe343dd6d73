// The controls on the screen: buttons, seek bar, and what lies over the picture. Pure templates.

import type { TemplateResult } from "lit";
import { styles } from "../../ui/styles";
import { html, nothing } from "lit";
import { live } from "lit/directives/live.js";
import { clockTime } from "../../text/format";
import { t } from "../../text/messages";
import * as shared from "../../ui/icons";
import * as icons from "./icons";
import type { Command, PlainCommand } from "./keys";
import type { MediaState } from "./media_state";
import type { MenuName } from "./menus";
import { chosenIn, pictureWords } from "./menus";
import type { ControlsModel } from "./model";
import type { Flash } from "./notices";
import { volumeValue } from "./words";

/** What the controls show. */
export interface ViewScene {
  model: ControlsModel;
  state: MediaState;
  positionS: number;
  durationS: number;
  /** Menus that have a button in the row. */
  inRow: readonly MenuName[];
  compact: boolean;
  showRemaining: boolean;
  canPictureInPicture: boolean;
  openMenu: MenuName | undefined;
  flash: Flash | undefined;
  spoken: string;
  bar: TemplateResult;
  menu: TemplateResult | typeof nothing;
}

/** What the controls can do. */
export interface ViewPort {
  perform(command: Command): void;
  setVolume(volume: number): void;
  toggleRemaining(): void;
  toggleMenu(name: MenuName, event: Event): void;
  addFiles(files: File[]): void;
}

/** The controls. */
export function controlsView(scene: ViewScene, port: ViewPort): TemplateResult {
  const { model, state, flash } = scene;
  return html`
    ${
      state.fullScreen && model.title
        ? html`<div class="head"><bdi>${model.title}</bdi></div>`
        : nothing
    }
    ${flash ? flashView(flash) : nothing}
    <button
      class="centre"
      tabindex="-1"
      aria-hidden="true"
      @click=${() => port.perform({ does: "toggle_play" })}
    >
      ${playIcon(state)}
    </button>
    <div class="foot">
      ${scene.bar}
      <div class="row">
        <div class="side">
          ${playView(scene, port)} ${volumeView(scene, port)} ${timeView(scene, port)}
        </div>
        <div class="side">${choicesView(scene, port)}</div>
      </div>
    </div>
    ${scene.menu}
    <input
      type="file"
      hidden
      multiple
      accept=".srt,.vtt,.ass,.ssa,.sub,.sup,.txt"
      data-testid="control-files"
      @change=${(event: Event) => takeFiles(event, port)}
    />
    <p class="unseen" role="status" data-testid="control-spoken">${scene.spoken}</p>
  `;
}

function flashView({ side, words }: Flash): TemplateResult {
  return html`<p class="flash" data-side=${side} data-testid="control-flash" aria-hidden="true">
    ${words}
  </p>`;
}

interface ButtonLook {
  name: string;
  label: string;
  /** The key with the same effect. */
  key: string;
  icon: TemplateResult;
  disabled?: boolean;
  does: PlainCommand["does"];
}

function button(
  { name, label, key, icon, disabled = false, does }: ButtonLook,
  port: ViewPort,
): TemplateResult {
  return html`<button
    class="control"
    data-testid=${`control-${name}`}
    aria-label=${label}
    title=${`${label} (${key})`}
    ?disabled=${disabled}
    @click=${() => port.perform({ does })}
  >${icon}</button>`;
}

function menuButton(
  name: MenuName,
  icon: TemplateResult,
  scene: ViewScene,
  port: ViewPort,
): TemplateResult {
  const isOpen = scene.openMenu === name;
  const chosen = chosenIn(name, scene);
  return html`<button
    class="control"
    data-testid=${`control-${name}`}
    data-menu=${name}
    ?data-on=${name === "subtitles" && scene.model.subtitles.selected !== undefined}
    aria-label=${chosen ? `${t(`playerMenu_${name}`)}: ${chosen}` : t(`playerMenu_${name}`)}
    title=${t(`playerMenu_${name}`)}
    aria-haspopup="menu"
    aria-expanded=${String(isOpen)}
    aria-controls=${isOpen ? "controls-menu" : nothing}
    @click=${(event: Event) => port.toggleMenu(name, event)}
  >${icon}</button>`;
}

function playIcon(state: MediaState): TemplateResult {
  return state.ended ? icons.again : state.paused ? shared.play : icons.pauseSolid;
}

function playView({ model, state, compact }: ViewScene, port: ViewPort): TemplateResult {
  const label = state.ended
    ? t("playerPlayAgain")
    : state.paused
      ? t("playerPlay")
      : t("playerPause");
  const hasNeighbours = !compact && (model.hasNext || model.hasPrevious);
  const previous: ButtonLook = {
    name: "previous",
    label: t("playerPrevious"),
    key: "p",
    icon: icons.previous,
    disabled: !model.hasPrevious,
    does: "previous",
  };
  const next: ButtonLook = {
    name: "next",
    label: t("playerNext"),
    key: "n",
    icon: icons.next,
    disabled: !model.hasNext,
    does: "next",
  };
  return html`
    ${button({ name: "play", label, key: "k", icon: playIcon(state), does: "toggle_play" }, port)}
    ${hasNeighbours ? html`${button(previous, port)} ${button(next, port)}` : nothing}
  `;
}

function volumeView({ state }: ViewScene, port: ViewPort): TemplateResult {
  const isSilent = state.muted || state.volume === 0;
  const shown = isSilent ? 0 : Math.round(state.volume * 100);
  const label = isSilent ? t("playerUnmute") : t("playerMute");
  const icon = isSilent ? icons.silent : state.volume < 0.5 ? icons.soft : icons.loud;
  const change = (event: Event) =>
    port.setVolume(Number((event.target as HTMLInputElement).value) / 100);
  return html`<div class="volume">
    ${button({ name: "mute", label, key: "m", icon, does: "toggle_mute" }, port)}
    <input
      class="volume-slider"
      type="range"
      min="0"
      max="100"
      step="5"
      data-testid="control-volume"
      aria-label=${t("playerVolume")}
      aria-valuetext=${volumeValue(state.volume, isSilent)}
      ${styles({ "--share": `${shown}%` })}
      .value=${live(String(shown))}
      @input=${change}
      @pointerup=${(event: Event) => (event.target as HTMLElement).blur()}
    />
  </div>`;
}

function timeView(
  { positionS, durationS, showRemaining }: ViewScene,
  port: ViewPort,
): TemplateResult {
  const isKnown = Number.isFinite(durationS);
  const remaining = showRemaining && isKnown;
  const other = remaining
    ? `−${clockTime(Math.max(0, durationS - positionS), durationS)}`
    : clockTime(durationS);
  // The name is the visible text; the seek bar gives the same in words.
  return html`<button
    class="time"
    data-testid="control-time"
    title=${showRemaining ? t("playerShowTotal") : t("playerShowRemaining")}
    @click=${() => port.toggleRemaining()}
  >${clockTime(positionS, durationS)}${
    isKnown
      ? html`<span class="time-slash">/</span><span class="time-other">${other}</span>`
      : nothing
  }</button>`;
}

function choicesView(scene: ViewScene, port: ViewPort): TemplateResult {
  const { state, model, inRow, canPictureInPicture, compact } = scene;
  const { fullScreen: full } = state;
  const has = (name: MenuName) => inRow.includes(name);
  const hasAudio = has("audio") && model.audio.tracks.length > 1;
  const pictureInPicture: ButtonLook = {
    name: "pip",
    label: pictureWords(state),
    key: "i",
    icon: icons.pictureInPicture,
    does: "toggle_picture_in_picture",
  };
  const fullScreen: ButtonLook = {
    name: "full",
    label: full ? t("playerLeaveFullScreen") : t("playerFullScreen"),
    key: "f",
    icon: full ? icons.leaveFull : icons.enterFull,
    does: "toggle_full_screen",
  };
  return html`
    ${has("subtitles") ? menuButton("subtitles", icons.subtitles, scene, port) : nothing}
    ${hasAudio ? menuButton("audio", icons.sound, scene, port) : nothing}
    ${has("speed") ? menuButton("speed", icons.speed, scene, port) : nothing}
    ${has("more") ? menuButton("more", icons.more, scene, port) : nothing}
    ${canPictureInPicture && !compact ? button(pictureInPicture, port) : nothing}
    ${button(fullScreen, port)}
  `;
}

function takeFiles(event: Event, port: ViewPort): void {
  const input = event.target as HTMLInputElement;
  const files = [...(input.files ?? [])];
  // Allows the user to choose the same file again.
  input.value = "";
  if (files.length > 0) port.addFiles(files);
}
