// Parses SubRip and WebVTT files. Any file gives a list of cues, perhaps an empty one.
//
// SubRip has no standard, so a cue reaches from one line of times to the next; numbers and blank
// lines are not needed. In WebVTT, a blank line ends a cue.

import type { Place, TextCue } from "./cues";
import { MOST_CUES } from "./cues";
import { parseMarkup } from "./markup";

const TIME = String.raw`(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[.,:;]\s?(\d{1,3}))?`;
const TIMES = new RegExp(String.raw`^\s*${TIME}\s*-{1,2}>\s*${TIME}(?!\d)(.*)$`);
const NUMBER = /^\s*\d{1,6}\s*$/;
/** A quick test: most lines have no times. */
const ARROW = /->/;

interface Times {
  start: number;
  end: number;
  /** The text after the times. */
  rest: string;
}

/** The cues of a SubRip file. */
export function parseSrt(text: string): TextCue[] {
  const lines = linesOf(text);
  const heads: { line: number; times: Times }[] = [];
  for (const [line, content] of lines.entries()) {
    const times = timesOf(content);
    if (times) heads.push({ line, times });
    if (heads.length === MOST_CUES) break;
  }
  const numbered =
    heads.filter(({ line }) => NUMBER.test(lines[line - 1] ?? "")).length * 2 > heads.length;
  const cues: TextCue[] = [];
  for (const [index, { line, times }] of heads.entries()) {
    const next = heads[index + 1]?.line ?? lines.length;
    let end = next;
    // The line above the next times is its number if it follows a blank line, or is the expected
    // number.
    if (numbered && next < lines.length && next > line + 1 && NUMBER.test(lines[next - 1]!)) {
      const mine = Number(lines[line - 1]);
      const blank = next - 2 === line || lines[next - 2]!.trim() === "";
      if (blank || Number(lines[next - 1]) === mine + 1) end = next - 1;
    }
    push(
      cues,
      times,
      lines.slice(line + 1, end).filter((content) => content.trim() !== ""),
      undefined,
    );
  }
  return cues;
}

/** The cues of a WebVTT file. */
export function parseVtt(text: string): TextCue[] {
  const lines = linesOf(text);
  const cues: TextCue[] = [];
  for (let line = 0; line < lines.length && cues.length < MOST_CUES; ) {
    const content = lines[line]!;
    const times = timesOf(content);
    if (!times) {
      // Notes, styles and regions are blocks of their own. An arrow in them is text.
      if (/^(NOTE|STYLE|REGION)(\s|$)/.test(content))
        while (line < lines.length && lines[line]!.trim() !== "") line += 1;
      line += 1;
      continue;
    }
    line += 1;
    const first = line;
    while (
      line < lines.length &&
      lines[line]!.trim() !== "" &&
      !(ARROW.test(lines[line]!) && timesOf(lines[line]!))
    )
      line += 1;
    push(cues, times, lines.slice(first, line), placeOf(times.rest));
  }
  return cues;
}

function push(
  cues: TextCue[],
  { start, end }: Times,
  lines: string[],
  place: Place | undefined,
): void {
  if (!(end > start)) return;
  const marked = parseMarkup(lines.join("\n"));
  if (marked.spans.length > 0)
    cues.push({ start, end, place: marked.place ?? place ?? 2, spans: marked.spans });
}

/** Splits a text into lines, with any line ending. */
export function linesOf(text: string): string[] {
  return text.replace(/^\ufeff/, "").split(/\r{0,3}\n|\r/);
}

function timesOf(line: string): Times | undefined {
  if (!ARROW.test(line) || line.length > 1000) return undefined;
  const match = TIMES.exec(line);
  return match ? { start: seconds(match, 1), end: seconds(match, 5), rest: match[9]! } : undefined;
}

function seconds(match: RegExpExecArray, from: number): number {
  const [hours = "0", minutes = "0", whole = "0", fraction = ""] = match
    .slice(from, from + 4)
    .map((part) => part ?? undefined);
  return (
    Number(hours) * 3600 +
    Number(minutes) * 60 +
    Number(whole) +
    Number(fraction.padEnd(3, "0")) / 1000
  );
}

/** The place that WebVTT's settings give a cue, rounded to the nine places. */
function placeOf(settings: string): Place | undefined {
  const [, line, percent] = /(?:^|\s)line:(-?[\d.]+)(%?)/.exec(settings) ?? [];
  const [, align] = /(?:^|\s)align:(\w+)/.exec(settings) ?? [];
  const number = Number(line);
  const row =
    line === undefined
      ? 0
      : percent
        ? number < 40
          ? 2
          : number < 60
            ? 1
            : 0
        : number >= 0 && number < 7
          ? 2
          : 0;
  const column =
    align === "start" || align === "left" ? 0 : align === "end" || align === "right" ? 2 : 1;
  const place = row * 3 + column + 1;
  return place === 2 ? undefined : (place as Place);
}
