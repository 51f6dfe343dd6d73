// What draws subtitles, whatever kind they are: text as lines of the page, ASS by libass, PGS as
// pictures.
//
// One renderer is attached at a time. It draws over the picture and touches nothing else of the
// page. Invariant: after `detach` nothing of it is left in the page, and it calls nobody; a load
// that was under way has no effect.

import type { CueList, TextCue } from "./cues";
import type { PgsSets } from "./pgs_decode";

/** One event of an ASS track, as Matroska holds it. */
export interface AssEvent {
  start: number;
  end: number | undefined;
  /** ReadOrder, Layer, Style, Name, three margins, Effect, Text. */
  line: string;
}

/** What a track shows. It grows while a film plays; renderers read it and change nothing. */
export type Content =
  | { readonly kind: "text"; readonly cues: CueList<TextCue> }
  | {
      readonly kind: "ass";
      /** The whole script, or its head where events come one by one. */
      readonly script: string;
      /** In the order in which they came. */
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

/** What surrounds a renderer. */
export interface Stage {
  /** Lies over the picture. */
  readonly host: HTMLElement;
  /** Where the picture is in it, without black bars. */
  picture(): Rect;
  /** The picture's own size, pixels; 0 before it is known. */
  pictureSize(): { width: number; height: number };
  /** How large text is, 1 for usual. */
  readonly size: number;
  /** What of the host's lower end controls cover, CSS pixels. */
  readonly insetPx: number;
  /** Fonts inside the film. */
  fonts(): AsyncIterable<Uint8Array<ArrayBuffer>>;
  /** The film's place as subtitles count it, seconds. */
  now(): number;
  /** It can't go on: another renderer may. Drawing ends. */
  fail(): void;
}

/** A renderer that is loaded when it is first needed; what it can draw is known before. */
export interface Way {
  canRender(kind: Content["kind"]): boolean;
  load(): Promise<{ renderer(): Renderer }>;
}

/** Draws one track. */
export interface Renderer {
  /** Begins to draw. */
  attach(content: Content, stage: Stage): void;
  /** There are more cues, or the stage is laid out anew. */
  change(what: "cues" | "layout"): void;
  /** Shows what belongs to a time of the subtitles, seconds. Called for every picture: the same again must cost nothing. */
  draw(time: number): void;
  detach(): void;
}
