// Draws text cues as HTML elements over the picture.
//
// Cue text becomes text nodes, never HTML. Lines stay above the controls.

import type { Place, Span, TextCue } from "./cues";
import type { Content, Renderer, Stage } from "./renderer";
import { place } from "./picture";

/** Height of a line as a share of the picture's height, for pictures of 4:3 and wider. */
const LINE_SHARE = 0.053;
const LEAST_PX = 11;
/** Margin at the picture's top and bottom, as a share of its height. */
const MARGIN_SHARE = 0.045;

const OUTLINE = [
  [-1, -1],
  [0, -1],
  [1, -1],
  [-1, 0],
  [1, 0],
  [-1, 1],
  [0, 1],
  [1, 1],
]
  .map(([x, y]) => `${x! * 0.045}em ${y! * 0.045}em 0.02em #000`)
  .join(", ");
const ROOT = "position: absolute; pointer-events: none; overflow: visible;";
const BLOCK = "position: absolute; left: 4%; right: 4%; display: flex; gap: 0.1em;";
const CUE = `
  color: #fff;
  font: 500 1em/1.28 system-ui, "Noto Sans", sans-serif;
  white-space: pre-wrap;
  overflow-wrap: anywhere;
  text-wrap: balance;
  unicode-bidi: plaintext;
  text-shadow: ${OUTLINE}, 0 0.06em 0.18em #000c;
`;

class TextRenderer implements Renderer {
  private content: Extract<Content, { cues: unknown }> | undefined;
  private stage: Stage | undefined;
  private root: HTMLElement | undefined;
  private shown: readonly TextCue[] = [];
  private readonly blocks = new Map<Place, HTMLElement>();

  attach(content: Content, stage: Stage): void {
    if (content.kind === "pgs") return;
    this.content = content;
    this.stage = stage;
    this.root = document.createElement("div");
    this.root.dataset["testid"] = "subtitles";
    this.root.style.cssText = ROOT;
    stage.host.append(this.root);
    this.change("layout");
  }

  change(what: "cues" | "layout"): void {
    if (what === "layout") this.layOut();
    if (this.stage) this.draw(this.stage.now());
  }

  draw(time: number): void {
    const cues = this.content?.cues.at(time) ?? [];
    if (cues.length === this.shown.length && cues.every((cue, index) => cue === this.shown[index]))
      return;
    this.shown = cues;
    for (const block of this.blocks.values()) block.remove();
    this.blocks.clear();
    for (const cue of cues) this.block(cue.place).append(element(cue.spans));
  }

  detach(): void {
    this.root?.remove();
    this.root = this.stage = this.content = undefined;
    this.shown = [];
    this.blocks.clear();
  }

  private layOut(): void {
    const { root, stage } = this;
    if (!root || !stage) return;
    const picture = stage.picture();
    place(root, picture);
    const line = LINE_SHARE * Math.min(picture.height, picture.width * 0.75);
    root.style.fontSize = `${Math.max(LEAST_PX, line) * stage.size}px`;
    for (const [where, block] of this.blocks) this.margins(where, block);
  }

  /** The block of all cues at one place. The first cue is next to the picture's edge. */
  private block(where: Place): HTMLElement {
    const there = this.blocks.get(where);
    if (there) return there;
    const block = document.createElement("div");
    const column = (where - 1) % 3;
    const side = ["left", "center", "right"][column]!;
    const align = ["flex-start", "center", "flex-end"][column]!;
    const direction = where > 3 ? "column" : "column-reverse";
    block.dataset["place"] = String(where);
    block.style.cssText = `${BLOCK}
      text-align: ${side}; align-items: ${align}; flex-direction: ${direction};`;
    this.margins(where, block);
    this.root!.append(block);
    this.blocks.set(where, block);
    return block;
  }

  private margins(where: Place, { style }: HTMLElement): void {
    const { host, insetPx, picture } = this.stage!;
    const { top, height } = picture.call(this.stage);
    const margin = height * MARGIN_SHARE;
    if (where > 6) style.top = `${margin}px`;
    else if (where > 3) Object.assign(style, { top: "50%", transform: "translateY(-50%)" });
    else {
      // The controls cover the bottom of the host; the picture may end above them.
      const below = host.clientHeight - top - height;
      style.bottom = `${Math.max(margin, insetPx + margin / 3 - below)}px`;
    }
  }
}

function element(spans: readonly Span[]): HTMLElement {
  const cue = document.createElement("div");
  cue.style.cssText = CUE;
  cue.dataset["cue"] = "";
  for (const span of spans) {
    if (!span.italic && !span.bold && !span.underline && span.colour === undefined) {
      cue.append(span.text);
      continue;
    }
    const part = document.createElement("span");
    part.textContent = span.text;
    if (span.italic) part.style.fontStyle = "italic";
    if (span.bold) part.style.fontWeight = "800";
    if (span.underline) part.style.textDecoration = "underline";
    if (span.colour !== undefined) part.style.color = span.colour;
    cue.append(part);
  }
  return cue;
}

/** Makes the renderer. */
export const renderer = (): Renderer => new TextRenderer();
