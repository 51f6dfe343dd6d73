// The interface of subtitle renderers: text as HTML, ASS with libass, PGS as pictures.
//
// One renderer is attached at a time. It draws over the picture and changes nothing else.
// Invariant: after `detach` nothing of it is left in the page, it calls nothing, and a pending load
// has no effect.

import type { CueList, TextCue } from "./cues";
import type { PgsSets } from "./pgs_decode";

/** An event of an ASS track, as in Matroska. */
export interface AssEvent {
  start: number;
  end: number | undefined;
  /** ReadOrder, Layer, Style, Name, three margins, Effect, Text. */
  line: string;
}

/** The content of a track. It grows while the film plays; renderers only read it. */
export type Content =
  | { readonly kind: "text"; readonly cues: CueList<TextCue> }
  | {
      readonly kind: "ass";
      /** The whole script, or its head if events come one by one. */
      readonly script: string;
      /** In their order of arrival. */
      readonly events: readonly AssEvent[];
      /** The same as plain text. */
      readonly cues: CueList<TextCue>;
    }
  | { readonly kind: "pgs"; readonly sets: PgsSets };

/** A rectangle in CSS pixels of the host element. */
export interface Rect {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** What a renderer gets from its owner. */
export interface Stage {
  /** The element over the picture. */
  readonly host: HTMLElement;
  /** Where the picture is in the host, without black bars. */
  picture(): Rect;
  /** The picture's own size in px. 0 before it is known. */
  pictureSize(): { width: number; height: number };
  /** Scale of text. 1 is normal. */
  readonly size: number;
  /** Height that controls cover at the host's bottom, in CSS pixels. */
  readonly insetPx: number;
  /** Fonts inside the film. */
  fonts(): AsyncIterable<Uint8Array<ArrayBuffer>>;
  /** The film's time plus the subtitles' delay, in seconds. */
  now(): number;
  /** To be called when the renderer can't continue. Another one may. */
  fail(): void;
}

/** A renderer that is loaded on demand. What it can draw is known before. */
export interface Way {
  canRender(kind: Content["kind"]): boolean;
  load(): Promise<{ renderer(): Renderer }>;
}

/** Draws one track. */
export interface Renderer {
  /** Starts drawing. */
  attach(content: Content, stage: Stage): void;
  /** To be called when cues were added or the layout has changed. */
  change(what: "cues" | "layout"): void;
  /** Shows the cues of a time in seconds. Called for every frame: repeated calls must be cheap. */
  draw(time: number): void;
  detach(): void;
}
