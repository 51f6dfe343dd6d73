// The messages between the page and the worker that holds libass. Types only.

import type { Look } from "./ass_look";

export interface Size {
  /** The canvas, device pixels. */
  width: number;
  height: number;
  /** The picture, its own pixels. */
  pictureWidth: number;
  pictureHeight: number;
  look: Look;
}

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
  /** Draws a time, seconds; answered by `drawn`. */
  | { kind: "draw"; time: number };

export type FromAss = { kind: "ready" } | { kind: "drawn" } | { kind: "failed"; detail: string };
