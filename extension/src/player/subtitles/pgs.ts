// Draws PGS pictures on a canvas that covers the disc's original plane.

import { place, planeRect } from "./picture";
import type { Screen } from "./pgs_decode";
import { laid } from "./pgs_layout";
import type { Content, Renderer, Stage } from "./renderer";

class PgsRenderer implements Renderer {
  private content: Extract<Content, { kind: "pgs" }> | undefined;
  private stage: Stage | undefined;
  private canvas: HTMLCanvasElement | undefined;
  private screen: Screen | undefined;
  /** Number of the picture on the canvas. `undefined` if it is empty. */
  private drawn: number | undefined;

  attach(content: Content, stage: Stage): void {
    if (content.kind !== "pgs") return;
    this.content = content;
    this.stage = stage;
    this.canvas = document.createElement("canvas");
    this.canvas.dataset["testid"] = "subtitles";
    this.canvas.style.cssText = "position: absolute; pointer-events: none;";
    this.canvas.width = this.canvas.height = 0;
    stage.host.append(this.canvas);
    this.draw(stage.now());
  }

  change(what: "cues" | "layout"): void {
    // The new blocks may belong to the current picture.
    if (what === "cues") this.drawn = undefined;
    else this.paint();
    if (this.stage) this.draw(this.stage.now());
  }

  draw(time: number): void {
    const index = this.content?.sets.indexAt(time);
    if (index === this.drawn && (index !== undefined || this.screen === undefined)) return;
    this.drawn = index;
    this.screen = index === undefined ? undefined : this.content!.sets.screen(index);
    this.paint();
  }

  detach(): void {
    this.canvas?.remove();
    this.canvas = this.stage = this.content = this.screen = undefined;
    this.drawn = undefined;
  }

  private paint(): void {
    const { canvas, screen } = this;
    const context = canvas?.getContext("2d");
    if (!canvas || !context) return;
    if (!screen) {
      context.clearRect(0, 0, canvas.width, canvas.height);
      return;
    }
    // Setting a size clears the canvas.
    canvas.width = screen.width;
    canvas.height = screen.height;
    const { size, insetPx, host, picture } = this.stage!;
    const rect = planeRect(picture.call(this.stage), screen.width, screen.height);
    place(canvas, rect);
    // The controls cover the bottom of the host.
    const covered =
      insetPx > 0
        ? ((host.clientHeight - insetPx - rect.top) * screen.height) / rect.height
        : screen.height;
    const boxes = laid(screen.placed, screen, size, covered);
    for (const [index, { width, height, rgba }] of screen.placed.entries()) {
      const part = new OffscreenCanvas(width, height);
      part.getContext("2d")!.putImageData(new ImageData(rgba, width, height), 0, 0);
      const box = boxes[index]!;
      context.drawImage(part, box.x, box.y, box.width, box.height);
    }
  }
}

/** Makes the renderer. */
export const renderer = (): Renderer => new PgsRenderer();
