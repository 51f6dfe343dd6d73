// Draws styled subtitles (SSA, ASS) with libass, which runs in a worker, on a canvas.
//
// The worker is loaded when such subtitles are first shown. If libass can't be loaded, hangs, or
// lacks a font for the script's letters, this renderer fails and the lines are shown as plain text.

import type { FromAss, Size, ToAss } from "./ass_protocol";
import { ENDLESS_S } from "./cues";
import { place } from "./picture";
import type { Content, Renderer, Stage } from "./renderer";

/** Largest height of the canvas in px, whatever the screen. Drawing time grows with the pixels. */
const MOST_LINES = 1440;
/** How far lines move up at most, as a share of the picture's height. */
const MOST_COVERED = 0.5;
/** A worker that is silent for this time hangs in a demanding script, in ms. */
export const SILENT_MS = 10_000;
/** Letters that the bundled font lacks. */
const BEYOND =
  /[^\p{sc=Latin}\p{sc=Greek}\p{sc=Cyrillic}\p{sc=Hebrew}\p{sc=Common}\p{sc=Inherited}]/u;

/** The renderer for styled subtitles. */
export class AssRenderer implements Renderer {
  private content: Extract<Content, { kind: "ass" }> | undefined;
  private stage: Stage | undefined;
  private canvas: HTMLCanvasElement | undefined;
  private worker: Worker | undefined;
  private ready = false;
  private sent = 0;
  /** Whether the worker is drawing, what it drew last, and what to draw next. */
  private busy = false;
  private drawn = NaN;
  private wanted = 0;
  /** Whether the film has fonts of its own, once they were looked for. */
  private fonts: "unknown" | "some" | "none" = "unknown";
  private foreign = false;
  private silence: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly start: () => Worker = () => new Worker("jassub/worker.js", { type: "module" }),
  ) {}

  attach(content: Content, stage: Stage): void {
    if (content.kind !== "ass") return;
    this.content = content;
    this.stage = stage;
    const canvas = (this.canvas = document.createElement("canvas"));
    canvas.dataset["testid"] = "subtitles";
    canvas.style.cssText = "position: absolute; pointer-events: none;";
    stage.host.append(canvas);
    const worker = (this.worker = this.start());
    worker.addEventListener(
      "message",
      ({ data }: MessageEvent<FromAss>) => worker === this.worker && this.receive(data),
    );
    worker.addEventListener("error", () => worker === this.worker && stage.fail());
    this.foreign = BEYOND.test(content.script.slice(content.script.search(/^[ \t]*Dialogue/im)));
    const size = this.layOut();
    const offscreen = canvas.transferControlToOffscreen();
    const at = (name: string) => new URL(`jassub/${name}`, document.baseURI).href;
    this.post(
      {
        kind: "open",
        canvas: offscreen,
        script: content.script,
        wasmUrl: at("jassub.wasm"),
        fontUrl: at("default.woff2"),
        size,
      },
      [offscreen],
    );
    this.expectReply();
    this.wanted = stage.now();
    void this.loadFonts(stage);
  }

  change(what: "cues" | "layout"): void {
    if (!this.stage) return;
    if (what === "layout") this.post({ kind: "size", size: this.layOut() });
    else this.sendEvents();
    this.again();
  }

  draw(time: number): void {
    this.wanted = time;
    if (!this.ready || this.busy || time === this.drawn) return;
    this.busy = true;
    this.drawn = time;
    this.expectReply();
    this.post({ kind: "draw", time });
  }

  detach(): void {
    clearTimeout(this.silence);
    this.worker?.terminate();
    this.canvas?.remove();
    this.worker = this.canvas = this.stage = this.content = undefined;
    this.ready = this.busy = false;
  }

  private expectReply(): void {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.stage?.fail(), SILENT_MS);
  }

  private receive(message: FromAss): void {
    clearTimeout(this.silence);
    if (message.kind === "failed") {
      this.stage?.fail();
      return;
    }
    if (message.kind === "ready") {
      this.ready = true;
      this.sendEvents();
    } else {
      this.busy = false;
    }
    this.draw(this.wanted);
  }

  /** Draws the same time again, because its look has changed. */
  private again(): void {
    this.drawn = NaN;
    if (this.stage) this.draw(this.stage.now());
  }

  private sendEvents(): void {
    if (!this.ready || !this.content) return;
    const events = this.content.events.slice(this.sent);
    this.sent += events.length;
    if (events.length === 0) return;
    this.foreign ||= events.some(({ line }) => BEYOND.test(line));
    this.post({
      kind: "events",
      events: events.map(({ line, start, end }) => ({
        line,
        startMs: Math.round(start * 1000),
        durationMs: Math.round(((end ?? start + ENDLESS_S) - start) * 1000),
      })),
    });
    this.judge();
  }

  private async loadFonts(stage: Stage): Promise<void> {
    for await (const data of stage.fonts()) {
      if (stage !== this.stage) return;
      this.fonts = "some";
      this.post({ kind: "font", data }, [data.buffer]);
      this.again();
    }
    if (stage !== this.stage) return;
    if (this.fonts === "unknown") this.fonts = "none";
    this.judge();
  }

  /** Plain text is better than boxes in place of letters. */
  private judge(): void {
    if (this.foreign && this.fonts === "none") this.stage?.fail();
  }

  /** Places the canvas over the picture. Returns the size to draw in. */
  private layOut(): Size {
    const picture = this.stage!.picture();
    place(this.canvas!, picture);
    const scale = Math.min(devicePixelRatio, MOST_LINES / Math.max(1, picture.height));
    const width = Math.max(1, Math.round(picture.width * scale));
    const height = Math.max(1, Math.round(picture.height * scale));
    const own = this.stage!.pictureSize();
    // The controls cover the bottom of the host; the picture may end above them.
    const { host, insetPx, size } = this.stage!;
    const covered =
      Math.max(0, insetPx - (host.clientHeight - picture.top - picture.height)) /
      Math.max(1, picture.height);
    const look = { scale: size, covered: Math.min(MOST_COVERED, covered) };
    return {
      width,
      height,
      pictureWidth: own.width || width,
      pictureHeight: own.height || height,
      look,
    };
  }

  private post(message: ToAss, transfer: Transferable[] = []): void {
    this.worker?.postMessage(message, transfer);
  }
}

/** Makes the renderer. */
export const renderer = (): Renderer => new AssRenderer();
