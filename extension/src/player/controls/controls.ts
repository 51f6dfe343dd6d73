// The player's controls: joins the element's events, the session's model and the user's input.
//
// The stage is the element that contains the `<video>` and goes full screen. Its attribute
// `data-controls` is "shown" or "hidden". Its property `--controls-inset` is the height in px that
// the controls cover at the bottom, so that subtitles can move up. Invariant: after `destroy` or
// the signal's abort, nothing of the controls is left on the page.

import { nothing, render } from "lit";
import type { Clock } from "../../model/clock";
import { realClock } from "../../model/clock";
import { t } from "../../text/messages";
import { soon } from "../../ui/soon";
import { Commands } from "./commands";
import { FrameLength } from "./frame_length";
import { Preview } from "./frames";
import type { Command } from "./keys";
import { watchKeys } from "./keys";
import type { MediaState } from "./media_state";
import { MediaStore } from "./media_state";
import { SystemPanel } from "./media_session";
import type { Memory } from "./memory";
import { recallControls, rememberControls } from "./memory";
import { localStore } from "../../ui/stores";
import type { MenuPort } from "./menu_view";
import { focusMenu, menuView } from "./menu_view";
import type { MenuActions, MenuName } from "./menus";
import { menuOf } from "./menus";
import type { ControlsModel, ControlsPort } from "./model";
import { NO_FILM } from "./model";
import { Notices } from "./notices";
import { Presence } from "./presence";
import { SeekBar } from "./seek_bar";
import { Seeker } from "./seeker";
import { Taps } from "./taps";
import type { ViewPort } from "./view";
import { controlsView } from "./view";
import { WakeLock } from "./wake_lock";

/** Narrower stages move buttons into a menu, px. */
const COMPACT_PX = 640;
const NARROW_PX = 420;
/** Clicks on these elements are not clicks on the picture. */
const OWN_CLICKS = "button, a, input, dialog, .menu, .seek, .row, .next-card";
/**
 * Events after which the system's media panel gets the time. In between, the panel counts by
 * itself.
 */
const PANEL_EVENTS = [
  "play",
  "playing",
  "pause",
  "ended",
  "seeked",
  "ratechange",
  "durationchange",
  "loadedmetadata",
  "emptied",
];

/** The controls of one player. */
export class Controls {
  private readonly host: HTMLElement;
  private readonly ending = new AbortController();
  private readonly store: MediaStore;
  private readonly seeker: Seeker;
  private readonly presence: Presence;
  private readonly preview: Preview;
  private readonly bar: SeekBar;
  private readonly notices: Notices;
  private readonly frameLength: FrameLength;
  private readonly commands: Commands;
  private readonly wakeLock: WakeLock;
  private readonly panel: SystemPanel;
  private readonly taps: Taps;
  private readonly actions: ViewPort & MenuActions;
  private readonly menuPort: MenuPort = {
    open: (name, back) => this.openMenu(name, back),
    close: (refocus) => this.closeMenu(refocus),
  };
  private readonly updateSoon: () => void;

  private model: ControlsModel = NO_FILM;
  private memory: Memory;
  private menu: { name: MenuName; back: MenuName | undefined } | undefined;
  private menuAtPress = false;
  private opener: HTMLElement | undefined;
  private pointer = {
    type: matchMedia("(pointer: coarse)").matches ? "touch" : "mouse",
    x: -1,
    y: -1,
  };
  private width = 0;

  /** `root` is the stage. Until the first `update`, the controls know only the element. */
  constructor(
    private readonly root: HTMLElement,
    private readonly video: HTMLVideoElement,
    port: ControlsPort,
    signal: AbortSignal,
    clock: Clock = realClock,
  ) {
    const until = this.ending.signal;
    this.host = root.ownerDocument.createElement("div");
    this.host.className = "controls";
    this.host.setAttribute("role", "group");
    this.host.setAttribute("aria-label", t("playerControls"));
    root.append(this.host);
    root.classList.add("controlled");
    // A click on the picture focuses the stage, so that it gets the keys.
    root.tabIndex = -1;
    this.updateSoon = soon(() => this.show());

    this.memory = recallControls(localStore);
    video.volume = this.memory.volume;
    video.muted = this.memory.muted;

    this.store = new MediaStore(
      video,
      root,
      (event, before) => this.handleMedia(event, before),
      until,
    );
    this.seeker = new Seeker(clock, {
      position: () => this.timeS,
      duration: () => this.durationS,
      seek: (to) => port.seek(to),
      changed: this.updateSoon,
    });
    this.presence = new Presence(clock, () => this.updateSoon());
    this.preview = new Preview(video, clock, port.preview?.bind(port), this.updateSoon);
    this.bar = new SeekBar({
      state: () => this.store.state,
      timeS: () => this.timeS,
      durationS: () => this.durationS,
      pieces: () => this.model.pieces,
      seeker: this.seeker,
      preview: this.preview,
      changed: this.updateSoon,
      held: (isHeld) => this.presence.hold("drag", isHeld),
    });
    this.frameLength = new FrameLength(video);
    this.notices = new Notices(clock, this.updateSoon);
    this.commands = new Commands({
      root,
      video,
      port,
      seeker: this.seeker,
      frameLength: this.frameLength,
      notices: this.notices,
      state: () => this.store.state,
      model: () => this.model,
      durationS: () => this.durationS,
      dismiss: () => this.bar.cancel() || this.closeMenu(true),
    });
    const perform = (command: Command) => this.commands.perform(command);
    this.taps = new Taps(clock, {
      single: () => (this.presence.shown ? this.presence.rest() : this.presence.wake()),
      skip: (side) => perform({ does: "seek_by", seconds: side * 10 }),
    });
    this.wakeLock = new WakeLock(navigator.wakeLock, () => !document.hidden);
    this.panel = new SystemPanel(navigator.mediaSession, {
      play: () => this.commands.play(),
      pause: () => video.pause(),
      seekTo: (seconds) => this.seeker.to(seconds),
      perform,
    });
    this.actions = {
      port: this.commands,
      perform,
      setVolume: (volume) => this.commands.setVolume(volume),
      setRate: (rate) => this.commands.setRate(rate),
      toggleRemaining: () => this.remember({ remaining: !this.memory.remaining }),
      toggleMenu: (name, event) => this.toggleMenu(name, event),
      chooseFiles: () => this.host.querySelector<HTMLInputElement>("input[type=file]")?.click(),
      addFiles: (files) => port.addSubtitleFiles(files),
    };

    this.listen(until);
    this.followPlaying();
    this.show();
    if (signal.aborted) this.destroy();
    else signal.addEventListener("abort", () => this.destroy(), { signal: until });
  }

  /** How many cells of pieces to request: as many as the seek bar can show. */
  get cells(): number {
    return this.bar.cells;
  }

  /** Takes the session's current model. */
  update(model: ControlsModel): void {
    const before = this.model;
    this.model = model;
    if (before.filmId !== model.filmId) {
      this.seeker.forget();
      this.preview.clear();
      this.frameLength.reset();
      this.bar.cancel();
      this.closeMenu(false);
      this.notices.forget();
    }
    this.panel.describe(model.title, model.hasPrevious, model.hasNext);
    if (before.durationS !== model.durationS) this.panel.follow(this.store.state, this.durationS);
    if (before.audioOnly !== model.audioOnly) this.followPlaying();
    this.notices.handleModel(before, model, this.store.state);
    this.updateSoon();
  }

  destroy(): void {
    if (this.ending.signal.aborted) return;
    this.ending.abort();
    this.seeker.destroy();
    this.presence.destroy();
    this.preview.clear();
    this.frameLength.destroy();
    this.wakeLock.destroy();
    this.panel.destroy();
    this.notices.destroy();
    render(nothing, this.host);
    this.host.remove();
    this.root.classList.remove("controlled");
    this.root.removeAttribute("data-controls");
    this.root.style.removeProperty("--controls-inset");
  }

  /** The film's current time, or the time at which it will begin, in seconds. */
  private get timeS(): number {
    return this.model.beginsAtS ?? this.video.currentTime;
  }

  /** Prefers the element's own length, which is exact. */
  private get durationS(): number {
    const own = this.store.state.durationS;
    return Number.isFinite(own) && own > 0 ? own : (this.model.durationS ?? NaN);
  }

  /** Menus that have a button in the row. */
  private get inRow(): MenuName[] {
    if (this.width >= COMPACT_PX) return ["subtitles", "audio", "speed"];
    return this.width >= NARROW_PX ? ["subtitles", "more"] : ["more"];
  }

  private show(): void {
    if (this.ending.signal.aborted) return;
    const { model, store, menu } = this;
    const { state } = store;
    const { shown } = this.presence;
    const compact = this.width < COMPACT_PX;
    const { canPictureInPicture } = this.commands;
    const menuScene = {
      model,
      state,
      canPictureInPicture: canPictureInPicture && compact,
      inRow: this.inRow,
    };
    this.root.dataset.controls = shown ? "shown" : "hidden";
    this.host.dataset.pointer = this.pointer.type;
    this.host.toggleAttribute("data-compact", compact);
    const view = controlsView(
      {
        model,
        state,
        positionS: this.bar.positionS,
        durationS: this.durationS,
        inRow: menuScene.inRow,
        compact,
        showRemaining: this.memory.remaining,
        canPictureInPicture,
        openMenu: menu && (menu.back ?? menu.name),
        flash: this.notices.flash,
        spoken: this.notices.spoken,
        bar: this.bar.view(),
        menu: menu
          ? menuView(menuOf(menu.name, menu.back, menuScene, this.actions), this.menuPort)
          : nothing,
      },
      this.actions,
    );
    render(view, this.host);
    if (shown) this.bar.paint(this.host);
    const covered = shown ? (this.host.querySelector<HTMLElement>(".foot")?.offsetHeight ?? 0) : 0;
    this.root.style.setProperty("--controls-inset", `${covered}px`);
  }

  private listen(signal: AbortSignal): void {
    const { root, host } = this;
    const page = root.ownerDocument;
    root.addEventListener("pointermove", (event) => this.handlePointer(event), { signal });
    root.addEventListener("pointerdown", (event) => this.handlePress(event), { signal });
    root.addEventListener(
      "pointerleave",
      (event) => event.pointerType === "mouse" && this.presence.rest(),
      { signal },
    );
    root.addEventListener("click", (event) => this.handleClick(event), { signal });
    root.addEventListener("dblclick", (event) => this.handleDoubleClick(event), { signal });
    // A click does not move the focus: Space must then act on the film, not on the clicked button.
    host.addEventListener(
      "mousedown",
      (event) => (event.target as Element).matches("input") || event.preventDefault(),
      { signal },
    );
    const followFocus = () =>
      this.presence.hold("focus", host.querySelector(":focus-visible") !== null);
    host.addEventListener("focusin", followFocus, { signal });
    host.addEventListener("focusout", () => queueMicrotask(followFocus), { signal });
    page.addEventListener("pointerdown", (event) => this.closeFromOutside(event), {
      signal,
      capture: true,
    });
    page.addEventListener("visibilitychange", () => this.wakeLock.handleVisibility(), { signal });
    watchKeys(
      root,
      () => this.video.paused,
      (command) => {
        if (command.does.startsWith("seek")) this.presence.wake();
        this.commands.perform(command);
      },
      signal,
    );
    const sizes = new ResizeObserver(() => {
      this.width = root.clientWidth;
      this.updateSoon();
    });
    sizes.observe(root);
    signal.addEventListener("abort", () => sizes.disconnect());
    // The canvas uses the style sheet's colours.
    matchMedia("(forced-colors: active)").addEventListener("change", this.updateSoon, { signal });
  }

  private handleMedia(event: string, before: MediaState): void {
    const { state } = this.store;
    if (["seeking", "seeked", "timeupdate"].includes(event)) this.seeker.handleMove();
    if (event === "timeupdate" || event === "seeked") this.preview.capture();
    if (event === "volumechange") this.remember({ volume: state.volume, muted: state.muted });
    this.notices.handleMedia(before, state);
    if (PANEL_EVENTS.includes(event)) this.panel.follow(state, this.durationS);
    this.followPlaying();
    this.bar.follow(event, this.host);
    this.updateSoon();
  }

  private followPlaying(): void {
    const { paused, ended } = this.store.state;
    const isPlaying = !paused && !ended;
    this.presence.hold("paused", !isPlaying);
    this.wakeLock.want(isPlaying && !this.model.audioOnly);
  }

  private handlePointer(event: PointerEvent): void {
    // Chrome also reports a pointer that rests while elements move under it.
    const moved = event.screenX !== this.pointer.x || event.screenY !== this.pointer.y;
    this.pointer = { type: event.pointerType, x: event.screenX, y: event.screenY };
    if (moved && event.pointerType !== "touch") this.presence.wake();
  }

  private handlePress(event: PointerEvent): void {
    this.pointer.type = event.pointerType;
    if (event.pointerType !== "touch" || this.isOwn(event)) this.presence.wake();
    this.updateSoon();
  }

  private handleClick(event: MouseEvent): void {
    if (this.isOwn(event) || this.menuAtPress) return;
    if (this.pointer.type !== "touch") return this.commands.perform({ does: "toggle_play" });
    const { left, width } = this.root.getBoundingClientRect();
    this.taps.tap((event.clientX - left) / width);
  }

  private handleDoubleClick(event: MouseEvent): void {
    if (!this.isOwn(event) && this.pointer.type !== "touch")
      this.commands.perform({ does: "toggle_full_screen" });
  }

  private isOwn(event: Event): boolean {
    return event.target instanceof Element && event.target.closest(OWN_CLICKS) !== null;
  }

  private toggleMenu(name: MenuName, event: Event): void {
    const isOpen = this.menu !== undefined && (this.menu.back ?? this.menu.name) === name;
    if (isOpen) return void this.closeMenu(true);
    this.opener = event.currentTarget as HTMLElement;
    // A click made by the keyboard has a count of 0.
    this.openMenu(name, undefined, (event as UIEvent).detail === 0);
  }

  private openMenu(
    name: MenuName,
    back: MenuName | undefined,
    byKeyboard = this.isItemFocused,
  ): void {
    this.menu = { name, back };
    this.presence.hold("menu", true);
    this.show();
    const element = this.host.querySelector<HTMLElement>(".menu");
    if (element) focusMenu(element, byKeyboard);
  }

  private get isItemFocused(): boolean {
    return this.host.querySelector(".menu :focus-visible") !== null;
  }

  /** Closes the menu. Returns false if none is open. */
  private closeMenu(refocus: boolean): boolean {
    if (!this.menu) return false;
    // Read before the menu, and with it the focus, goes.
    const byKeyboard = this.isItemFocused;
    this.menu = undefined;
    if (refocus && byKeyboard) this.opener?.focus();
    this.opener = undefined;
    this.show();
    this.presence.hold("menu", false);
    return true;
  }

  private closeFromOutside(event: Event): void {
    const target = event.target instanceof Element ? event.target : undefined;
    this.menuAtPress = this.menu !== undefined;
    if (this.menu && !target?.closest(".controls .menu, .controls [data-menu]"))
      this.closeMenu(false);
  }

  private remember(change: Partial<Memory>): void {
    this.memory = { ...this.memory, ...change };
    rememberControls(localStore, this.memory);
    this.updateSoon();
  }
}
