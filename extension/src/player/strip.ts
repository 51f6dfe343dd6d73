// The strip under the film: which pieces are there, which are under way, where the viewer is.
//
// Pure arithmetic first, painting last. Cells are shares of the file from its first byte to its last; times are placed
// by their share of the duration, which is close enough for the eye: a film's bitrate varies.

import type { PiecesView } from "../model/generated/PiecesView";

/** How full each column of pixels is, 0–1. */
export interface Columns {
  verified: Float32Array;
  underway: Float32Array;
}

/** Spreads cells over columns: each column gets the mean of the cells below it, by how much of each it covers. */
export function columns(pieces: PiecesView, width: number): Columns {
  return { verified: spread(pieces.verified, width), underway: spread(pieces.underway, width) };
}

function spread(cells: number[], width: number): Float32Array {
  const result = new Float32Array(Math.max(0, width));
  if (cells.length === 0) return result;
  const perColumn = cells.length / width;
  for (let column = 0; column < width; column++) {
    const start = column * perColumn;
    const end = start + perColumn;
    let sum = 0;
    for (let cell = Math.floor(start); cell < end && cell < cells.length; cell++) {
      const covered = Math.min(end, cell + 1) - Math.max(start, cell);
      sum += cells[cell]! * covered;
    }
    result[column] = Math.min(1, sum / perColumn / 255);
  }
  return result;
}

/** How many cells to ask for: one for each two pixels is as fine as the eye sees. */
export function cellsFor(width: number): number {
  return Math.min(1024, Math.max(1, Math.round(width / 2)));
}

/** Where a time lies on the strip, pixels. */
export function place(time: number, duration: number, width: number): number {
  if (!(duration > 0) || !Number.isFinite(duration)) return 0;
  return Math.min(1, Math.max(0, time / duration)) * width;
}

/** Which time a place on the strip stands for. */
export function timeAt(x: number, duration: number, width: number): number {
  if (!(duration > 0) || !Number.isFinite(duration) || width <= 0) return 0;
  return Math.min(1, Math.max(0, x / width)) * duration;
}

/** Adjacent columns that look alike, as one run; painting is by runs. */
export function runs(values: Float32Array): { start: number; end: number; value: number }[] {
  const result: { start: number; end: number; value: number }[] = [];
  for (let column = 0; column < values.length; column++) {
    // Sixteen shades are enough, and make long runs.
    const value = Math.ceil(values[column]! * 15) / 15;
    const last = result.at(-1);
    if (last && last.value === value) last.end = column + 1;
    else result.push({ start: column, end: column + 1, value });
  }
  return result;
}

/** What is painted. */
export interface StripPicture {
  pieces: PiecesView | undefined;
  time: number;
  duration: number;
  /** Buffered by the browser, seconds. */
  buffered: { start: number; end: number }[];
}

/** The colours, from the page's style. */
export interface StripColours {
  track: string;
  accent: string;
  playhead: string;
  page: string;
}

/** Paints the strip; `scale` is device pixels per pixel. */
export function paint(context: CanvasRenderingContext2D, picture: StripPicture, colours: StripColours, scale: number): void {
  const { width, height } = context.canvas;
  const line = Math.max(1, Math.round(2 * scale));
  const gap = line;
  const barTop = line + gap;
  const barHeight = height - barTop;
  context.clearRect(0, 0, width, height);

  context.fillStyle = colours.track;
  context.fillRect(0, barTop, width, barHeight);
  if (picture.pieces) {
    const { verified, underway } = columns(picture.pieces, width);
    context.fillStyle = colours.accent;
    for (const [values, strength] of [[underway, 0.4], [verified, 1]] as const) {
      for (const run of runs(values)) {
        if (run.value === 0) continue;
        context.globalAlpha = run.value * strength;
        context.fillRect(run.start, barTop, run.end - run.start, barHeight);
      }
    }
    context.globalAlpha = 1;
  }

  context.fillStyle = colours.playhead;
  context.globalAlpha = 0.45;
  for (const { start, end } of picture.buffered) {
    const from = place(start, picture.duration, width);
    context.fillRect(from, 0, Math.max(line, place(end, picture.duration, width) - from), line);
  }
  context.globalAlpha = 1;

  const x = Math.min(width - line, Math.max(line, Math.round(place(picture.time, picture.duration, width))));
  context.fillStyle = colours.page;
  context.fillRect(x - 2 * line, barTop, 4 * line, barHeight);
  context.fillStyle = colours.playhead;
  context.fillRect(x - line / 2 - (line % 2 ? 0.5 : 0), 0, line + (line % 2), height);
}
