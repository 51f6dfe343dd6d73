// Messages between the page and the libass worker. Types only.

import type { Look } from "./ass_look";

/** The sizes in which libass draws. */
export interface Size {
  /** The canvas, in device pixels. */
  width: number;
  height: number;
  /** The picture, in its own pixels. */
  pictureWidth: number;
  pictureHeight: number;
  look: Look;
}

/** Page → worker. */
export type ToAss =
  | {
      kind: "open";
      canvas: OffscreenCanvas;
      script: string;
      wasmUrl: string;
      fontUrl: string;
      size: Size;
    }
  | { kind: "events"; events: { line: string; startMs: number; durationMs: number }[] }
  | { kind: "font"; data: Uint8Array<ArrayBuffer> }
  | { kind: "size"; size: Size }
  /** Draws a time in seconds. The answer is `drawn`. */
  | { kind: "draw"; time: number };

/** Worker → page. */
export type FromAss = { kind: "ready" } | { kind: "drawn" } | { kind: "failed"; detail: string };
