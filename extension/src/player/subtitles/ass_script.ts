// Parses SSA and ASS scripts: events as plain text, for when libass is not available.

import type { Place, TextCue } from "./cues";
import { MOST_CUES } from "./cues";
import { oldPlace, parseMarkup } from "./markup";
import { linesOf } from "./srt";

/** Where each style places its text. */
export type StylePlaces = ReadonlyMap<string, Place>;

/** The header that libass needs before it takes single events. */
const EVENTS =
  "[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n";
const STYLE_FIELDS = [
  "Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour",
  "Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle",
  "BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding",
];
const DEFAULT_HEAD = `[Script Info]
ScriptType: v4.00+
PlayResX: 384
PlayResY: 288
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: ${STYLE_FIELDS.join(", ")}
Style: Default,Liberation Sans,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0

`;

/** Turns a track's CodecPrivate into a script head for single events. */
export function headOf(header: Uint8Array | undefined): string {
  const head = header ? new TextDecoder().decode(header).replaceAll("\0", "") : "";
  if (!/\[V4\+? Styles\+?\]/i.test(head)) return DEFAULT_HEAD + EVENTS;
  return /\[Events\][^[]*?Format:/i.test(head)
    ? head
    : `${head.replace(/\[Events\][\s\S]*$/i, "")}\n${EVENTS}`;
}

/** The events of a script as text cues. */
export function parseAss(script: string): TextCue[] {
  const places = stylePlaces(script);
  const cues: TextCue[] = [];
  let section = "";
  let format = [
    "layer",
    "start",
    "end",
    "style",
    "name",
    "marginl",
    "marginr",
    "marginv",
    "effect",
    "text",
  ];
  for (const line of linesOf(script)) {
    const heading = /^\s*\[([^\]]+)\]/.exec(line);
    if (heading) section = heading[1]!.toLowerCase();
    else if (section === "events" && /^\s*Format\s*:/i.test(line))
      format = fields(line.slice(line.indexOf(":") + 1), 64).map((name) => name.toLowerCase());
    else if (section === "events" && /^\s*Dialogue\s*:/i.test(line) && cues.length < MOST_CUES) {
      const values = fields(line.slice(line.indexOf(":") + 1), format.length);
      const value = (name: string) => values[format.indexOf(name)] ?? "";
      const cue = textCue(
        value("text"),
        seconds(value("start")),
        seconds(value("end")),
        places.get(value("style").replace(/^\*/, "")),
      );
      if (cue) cues.push(cue);
    }
  }
  return cues.sort((a, b) => a.start - b.start);
}

/**
 * Parses a block of a Matroska track: ReadOrder, Layer, Style, Name, three margins, Effect, Text.
 */
export function parseEvent(
  event: string,
  start: number,
  end: number | undefined,
  places: StylePlaces,
): TextCue | undefined {
  const values = fields(event, 9);
  return textCue(values[8] ?? "", start, end, places.get(values[2] ?? ""));
}

/** The places of a script's styles. */
export function stylePlaces(script: string): StylePlaces {
  const places = new Map<string, Place>();
  let section = "";
  let format: string[] = [];
  for (const line of linesOf(script)) {
    const heading = /^\s*\[([^\]]+)\]/.exec(line);
    if (heading) section = heading[1]!.toLowerCase();
    else if (!section.includes("styles")) continue;
    else if (/^\s*Format\s*:/i.test(line))
      format = fields(line.slice(line.indexOf(":") + 1), 64).map((name) => name.toLowerCase());
    else if (/^\s*Style\s*:/i.test(line) && places.size < 1000) {
      const values = fields(line.slice(line.indexOf(":") + 1), 64);
      const alignment = Number(values[format.indexOf("alignment")]);
      const place = section.includes("+")
        ? alignment >= 1 && alignment <= 9
          ? (alignment as Place)
          : undefined
        : oldPlace(alignment);
      const name = values[format.indexOf("name")];
      if (place && name !== undefined) places.set(name.replace(/^\*/, ""), place);
    }
  }
  return places;
}

function textCue(
  text: string,
  start: number,
  end: number | undefined,
  place: Place | undefined,
): TextCue | undefined {
  if (!Number.isFinite(start) || (end !== undefined && !(end > start))) return undefined;
  const marked = parseMarkup(text, true);
  return marked.spans.length > 0
    ? { start, end, place: marked.place ?? place ?? 2, spans: marked.spans }
    : undefined;
}

/**
 * Splits a line into at most `most` trimmed fields. The last one contains the rest, with commas.
 */
function fields(line: string, most: number): string[] {
  const found: string[] = [];
  let at = 0;
  while (found.length < most - 1) {
    const comma = line.indexOf(",", at);
    if (comma < 0) break;
    found.push(line.slice(at, comma).trim());
    at = comma + 1;
  }
  found.push(line.slice(at).trim());
  return found;
}

function seconds(time: string): number {
  const match = /^(\d+):(\d{1,2}):(\d{1,2})(?:[.:,](\d{1,3}))?$/.exec(time);
  return match
    ? Number(match[1]) * 3600 +
        Number(match[2]) * 60 +
        Number(match[3]) +
        Number(`0.${match[4] ?? "0"}`)
    : NaN;
}
