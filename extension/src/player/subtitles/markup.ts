// Parses the markup of cues into styled spans: tags of SRT and WebVTT, braces of ASS.
//
// Nothing becomes HTML. Known markup sets a flag of a span; the rest stays text or is dropped.

import type { Place, Span } from "./cues";

/** A cue's text after parsing. */
export interface Marked {
  /** Where the text places itself, if it does. */
  place: Place | undefined;
  spans: Span[];
}

/** Longest text of a cue in characters. The rest is cut. */
const MOST_TEXT = 4000;

const TOKEN =
  /\{([^{}]*)\}|<(\/?)([a-zA-Z]+)((?:[\s.=][^<>]*)?)\/?>|<\d[\d:.]*>|&(#?\w{1,10});|\\([Nnh])/g;
const NAMED: Record<string, string> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: "\u00a0",
  lrm: "\u200e",
  rlm: "\u200f",
};
const COLOURS: Record<string, string> = {
  white: "#ffffff",
  yellow: "#ffff00",
  red: "#ff0000",
  green: "#00ff00",
  lime: "#00ff00",
  blue: "#0000ff",
  cyan: "#00ffff",
  magenta: "#ff00ff",
  black: "#000000",
  gray: "#808080",
  grey: "#808080",
  orange: "#ffa500",
};

/** Known tags, and how they are applied. */
const STYLES: Record<string, "italic" | "bold" | "underline"> = {
  i: "italic",
  em: "italic",
  b: "bold",
  strong: "bold",
  u: "underline",
};
const SILENT = new Set(["s", "strike", "c", "v", "lang", "ruby", "span", "p", "div", "body"]);

/** The numbers of SSA's `\a`: 1–3 at the bottom, 5–7 at the top, 9–11 in the middle. */
const OLD_PLACES: Record<number, Place> = {
  1: 1,
  2: 2,
  3: 3,
  5: 7,
  6: 8,
  7: 9,
  9: 4,
  10: 5,
  11: 6,
};

/** The place of a number of SSA's `\a`. */
export function oldPlace(number: number): Place | undefined {
  return OLD_PLACES[number];
}

/**
 * Parses a cue's text. `ass`: an event of ASS, where only braces and backslashes have a meaning.
 */
export function parseMarkup(whole: string, ass = false): Marked {
  const text = whole.slice(0, MOST_TEXT).replaceAll("\0", "");
  const reader = new Reader();
  let at = 0;
  for (const match of text.matchAll(TOKEN)) {
    const [token, braces, closing, tag, attributes, entity, escaped] = match;
    const plain = () => reader.text(token);
    reader.text(text.slice(at, match.index));
    at = match.index + token.length;
    if (braces !== undefined) {
      if (braces.includes("\\")) reader.override(braces);
      else if (!ass) plain();
    } else if (escaped !== undefined) {
      if (escaped === "n" && !ass) plain();
      else reader.text(escaped === "N" ? "\n" : escaped === "h" ? "\u00a0" : " ");
    } else if (ass) plain();
    else if (entity !== undefined) reader.text(decodeEntity(entity) ?? token);
    else if (tag === undefined || reader.tag(tag.toLowerCase(), closing === "/", attributes ?? ""))
      continue;
    else plain();
  }
  reader.text(text.slice(at));
  return reader.end();
}

class Reader {
  private place: Place | undefined;
  private readonly spans: Span[] = [];
  private readonly depth = { italic: 0, bold: 0, underline: 0 };
  private readonly colours: (string | undefined)[] = [];
  /** Depth of hidden text: the reading of a ruby, or the points of a drawing. */
  private hidden = 0;
  private drawing = false;

  text(text: string): void {
    if (text === "" || this.hidden > 0 || this.drawing) return;
    const { depth } = this;
    const span: Span = {
      text,
      italic: depth.italic > 0,
      bold: depth.bold > 0,
      underline: depth.underline > 0,
      colour: this.colours.at(-1),
    };
    const last = this.spans.at(-1);
    const alike =
      last &&
      last.italic === span.italic &&
      last.bold === span.bold &&
      last.underline === span.underline &&
      last.colour === span.colour;
    if (alike) last.text += text;
    else this.spans.push(span);
  }

  /** Handles a tag. Returns false if it is not a known one. */
  tag(name: string, closing: boolean, attributes: string): boolean {
    const style = STYLES[name];
    if (style) this.depth[style] = Math.max(0, this.depth[style] + (closing ? -1 : 1));
    else if (name === "font") {
      if (closing) this.colours.pop();
      else if (this.colours.length < 100)
        this.colours.push(colour(attributes) ?? this.colours.at(-1));
    } else if (name === "rt" || name === "rp") this.hidden = closing ? 0 : 1;
    else if (name === "br") this.text("\n");
    else return SILENT.has(name);
    return true;
  }

  /** Handles braces of ASS: the text's place, and its styles as far as spans have them. */
  override(braces: string): void {
    for (const [, name, digits] of braces.matchAll(/\\(an|a|i|b|u|p)(\d{1,3})(?!\w)/g)) {
      const number = Number(digits);
      if (name === "an" && number >= 1 && number <= 9) this.place ??= number as Place;
      else if (name === "a") this.place ??= oldPlace(number);
      else if (name === "p") this.drawing = number > 0;
      else if (name === "i") this.depth.italic = number;
      else if (name === "b") this.depth.bold = number > 1 ? Number(number >= 600) : number;
      else if (name === "u") this.depth.underline = number;
    }
    if (/\\r(?!\w*nd)/.test(braces)) this.depth.italic = this.depth.bold = this.depth.underline = 0;
  }

  end(): Marked {
    const { spans } = this;
    for (const span of spans)
      span.text = span.text
        .replace(/[ \t]+(?=\n)/g, "")
        .replace(/\n[ \t]+/g, "\n")
        .replace(/\n{2,}/g, "\n");
    while (spans.length > 0 && (spans[0]!.text = spans[0]!.text.trimStart()) === "") spans.shift();
    while (spans.length > 0 && (spans.at(-1)!.text = spans.at(-1)!.text.trimEnd()) === "")
      spans.pop();
    return { place: this.place, spans };
  }
}

function colour(attributes: string): string | undefined {
  const value = /\bcolor\s*=\s*["']?\s*(#?\w+)/i.exec(attributes)?.[1]?.toLowerCase() ?? "";
  if (/^#?[\da-f]{6}$/.test(value)) return value.startsWith("#") ? value : `#${value}`;
  return COLOURS[value];
}

function decodeEntity(entity: string): string | undefined {
  if (!entity.startsWith("#")) return NAMED[entity];
  const code = /^#x/i.test(entity) ? parseInt(entity.slice(2), 16) : Number(entity.slice(1));
  return code >= 32 && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000)
    ? String.fromCodePoint(code)
    : undefined;
}
