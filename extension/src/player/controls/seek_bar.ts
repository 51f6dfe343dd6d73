// The seek bar: a slider over the film's track, with a tip that shows time and preview.
//
// During a drag only the bar moves; the film seeks once, at the end. Each place costs downloads, so
// places that the pointer only passes are not requested.

import type { TemplateResult } from "lit";
import { styles } from "../../ui/styles";
import { html, nothing } from "lit";
import type { PiecesView } from "../../model/generated/PiecesView";
import { clockTime } from "../../text/format";
import { percentOf, t } from "../../text/messages";
import type { Preview } from "./frames";
import { isChord } from "./keys";
import type { MediaState } from "./media_state";
import type { Seeker } from "./seeker";
import { cellsFor, isThere, paint, shareAt, shareThere, timeAt } from "./track";
import { placeValue } from "./words";

const STEP_S = 5;
const PAGE_S = 60;
/** A picture from within this many px is near enough. */
const NEAR_PX = 4;

/** What the seek bar shows and reports. */
export interface BarScene {
  state(): MediaState;
  /** The film's current time in seconds. */
  timeS(): number;
  durationS(): number;
  pieces(): PiecesView | undefined;
  readonly seeker: Seeker;
  readonly preview: Preview;
  /** Called when the bar's own state has changed. */
  changed(): void;
  /** Called when a drag begins or ends. */
  held(isHeld: boolean): void;
}

/** The seek bar. */
export class SeekBar {
  /** Where the thumb is dragged to, in seconds. */
  private dragS: number | undefined;
  /** The place under the pointer. */
  private hover: { x: number; atS: number } | undefined;
  private saidS = 0;
  private width = 0;
  private there: { pieces: PiecesView; share: number } | undefined;

  constructor(private readonly scene: BarScene) {}

  /** The time to show: of the drag, the pending seek, or the element. */
  get positionS(): number {
    return this.dragS ?? this.scene.seeker.target ?? this.scene.timeS();
  }

  /** How many cells of pieces the bar can show. */
  get cells(): number {
    return cellsFor(this.width);
  }

  /** Cancels a drag. Returns false if there is none. */
  cancel(): boolean {
    const dragged = this.dragS !== undefined;
    this.hover = undefined;
    this.scene.preview.look(undefined, 0, false);
    this.endDrag();
    return dragged;
  }

  view(): TemplateResult {
    const duration = this.scene.durationS();
    const known = Number.isFinite(duration) && duration > 0;
    const { hover } = this;
    const left = `${(shareAt(this.positionS, duration) * 100).toFixed(3)}%`;
    return html`<div
      class="seek"
      role="slider"
      tabindex="0"
      aria-label=${t("playerPosition")}
      aria-valuemin="0"
      aria-valuemax=${known ? Math.round(duration) : 0}
      aria-valuenow=${known ? Math.round(Math.min(this.saidS, duration)) : 0}
      aria-valuetext=${placeValue(this.saidS, duration)}
      aria-describedby="controls-there"
      aria-disabled=${String(!known)}
      data-testid="control-seek"
      ?data-dragged=${this.dragS !== undefined}
      @pointerdown=${(event: PointerEvent) => this.handleDown(event)}
      @pointermove=${(event: PointerEvent) => this.handleMove(event)}
      @pointerup=${(event: PointerEvent) => this.handleUp(event)}
      @pointercancel=${() => this.cancel()}
      @pointerleave=${() => this.dragS ?? this.cancel()}
      @keydown=${(event: KeyboardEvent) => this.handleKey(event)}
      @focus=${() => this.tellPlace()}
    >
      <canvas class="track" data-testid="strip"></canvas>
      ${known ? html`<span class="thumb" ${styles({ left })}></span>` : nothing}
      <div
        class="tip"
        data-testid="control-tip"
        ?data-picture=${this.scene.preview.picture !== undefined}
        ?hidden=${!hover}
        ${styles({ "--x": `${hover?.x ?? 0}px` })}
      >
        <canvas class="tip-picture" width="160" height="90"></canvas>
        <span class="tip-time">${clockTime(hover?.atS ?? 0, duration)}</span>
        ${
          hover && this.isMissing(hover.atS)
            ? html`<span class="tip-note">${t("playerMissing")}</span>`
            : nothing
        }
      </div>
    </div>
    <span class="unseen" id="controls-there">${this.thereWords()}</span>`;
  }

  /** Paints the canvas. To be called after rendering, and when the size has changed. */
  paint(element: Element): void {
    const track = element.querySelector<HTMLCanvasElement>(".track");
    if (!track) return;
    this.width = track.clientWidth;
    const width = Math.round(track.clientWidth * devicePixelRatio);
    const height = Math.round(track.clientHeight * devicePixelRatio);
    if (track.width !== width) track.width = width;
    if (track.height !== height) track.height = height;
    const context = track.getContext("2d");
    if (!context || width === 0) return;
    const { positionS } = this;
    const { state, durationS, pieces } = this.scene;
    const style = getComputedStyle(track);
    const picture = {
      pieces: pieces(),
      positionS,
      durationS: durationS(),
      buffered: state().buffered,
    };
    paint(context, picture, (part) => style.getPropertyValue(`--track-${part}`));
    this.paintTip(element);
  }

  /**
   * Updates the slider's value for screen readers. They speak each change of a focused slider, so
   * it does not change while the film just plays.
   */
  follow(event: string, element: Element): void {
    const isPlaying = event === "timeupdate" || event === "progress";
    if (!isPlaying || !element.querySelector(".seek:focus")) this.saidS = this.positionS;
  }

  private paintTip(element: Element): void {
    const { picture } = this.scene.preview;
    const canvas = element.querySelector<HTMLCanvasElement>(".tip-picture");
    // The ring may have closed the picture meanwhile.
    if (!picture?.width || !canvas) return;
    const height = Math.round((canvas.width * picture.height) / picture.width);
    if (canvas.height !== height) canvas.height = height;
    canvas.getContext("2d")?.drawImage(picture, 0, 0, canvas.width, height);
  }

  private thereWords(): string {
    const pieces = this.scene.pieces();
    if (!pieces) return "";
    if (this.there?.pieces !== pieces) this.there = { pieces, share: shareThere(pieces) };
    return t("playerDownloaded", percentOf(Math.floor(this.there.share * 100) / 100));
  }

  private isMissing(atS: number): boolean {
    const pieces = this.scene.pieces();
    return pieces !== undefined && !isThere(pieces, shareAt(atS, this.scene.durationS()));
  }

  private handleDown(event: PointerEvent): void {
    if (event.button !== 0 || !event.isPrimary) return;
    const atS = this.point(event);
    if (atS === undefined) return;
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    this.dragS = atS;
    this.scene.held(true);
    this.scene.changed();
  }

  private handleMove(event: PointerEvent): void {
    if (!event.isPrimary || (event.pointerType === "touch" && this.dragS === undefined)) return;
    const atS = this.point(event);
    if (this.dragS !== undefined && atS !== undefined) this.dragS = atS;
    this.scene.changed();
  }

  private handleUp(event: PointerEvent): void {
    const to = this.dragS;
    if (to === undefined) return;
    // Requested first, so that the thumb does not jump back in between.
    this.scene.seeker.to(to);
    if (event.pointerType === "touch") this.hover = undefined;
    this.endDrag();
  }

  private endDrag(): void {
    if (this.dragS !== undefined) {
      this.dragS = undefined;
      this.scene.held(false);
    }
    this.scene.changed();
  }

  /**
   * Returns the time under the pointer, and shows it in the tip. `undefined` while the film's
   * length is unknown.
   */
  private point(event: PointerEvent): number | undefined {
    const { left, width } = (event.currentTarget as Element).getBoundingClientRect();
    const x = Math.min(width, Math.max(0, event.clientX - left));
    const duration = this.scene.durationS();
    const atS = timeAt(x, duration, width);
    this.hover = atS === undefined ? undefined : { x, atS };
    this.scene.preview.look(
      atS,
      (NEAR_PX * duration) / width,
      atS !== undefined && isThere(this.scene.pieces(), shareAt(atS, duration)),
    );
    return atS;
  }

  private handleKey(event: KeyboardEvent): void {
    if (isChord(event)) return;
    const { seeker } = this.scene;
    const duration = this.scene.durationS();
    const by = {
      ArrowLeft: -STEP_S,
      ArrowDown: -STEP_S,
      ArrowRight: STEP_S,
      ArrowUp: STEP_S,
      PageDown: -PAGE_S,
      PageUp: PAGE_S,
    }[event.key];
    if (by !== undefined) seeker.by(by);
    else if (event.key === "Home") seeker.to(0);
    else if (event.key === "End" && Number.isFinite(duration)) seeker.to(duration);
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.tellPlace();
  }

  private tellPlace(): void {
    this.saidS = this.positionS;
    this.scene.changed();
  }
}
