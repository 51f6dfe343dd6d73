// The seek bar's track: which parts of the film are on disk, downloading, buffered, or watched.
//
// Cells are equal shares of the file. Times are placed by their share of the duration, which is
// close enough although the bitrate varies.

import type { PiecesView } from "../../model/generated/PiecesView";
import type { Span } from "./media_state";

/** Spreads cells over columns. Each column gets the mean (0–1) of the cells that it overlaps. */
export function spread(cells: readonly number[], width: number): Float32Array {
  const result = new Float32Array(Math.max(0, width));
  if (cells.length === 0) return result;
  const perColumn = cells.length / width;
  for (let column = 0; column < width; column++) {
    const start = column * perColumn;
    const end = start + perColumn;
    let sum = 0;
    for (let cell = Math.floor(start); cell < end && cell < cells.length; cell++) {
      sum += cells[cell]! * (Math.min(end, cell + 1) - Math.max(start, cell));
    }
    result[column] = Math.min(1, sum / perColumn / 255);
  }
  return result;
}

/** How many cells to request: one for two px. */
export function cellsFor(width: number): number {
  return Math.min(1024, Math.max(1, Math.round(width / 2)));
}

/** The share of the film before a time, 0–1. It is 0 while the duration is unknown. */
export function shareAt(time: number, duration: number): number {
  if (!(duration > 0) || !Number.isFinite(duration)) return 0;
  return Math.min(1, Math.max(0, time / duration));
}

/** The time at a place of the bar. `undefined` while duration or width is unknown. */
export function timeAt(x: number, duration: number, width: number): number | undefined {
  if (!(duration > 0) || !Number.isFinite(duration) || width <= 0) return undefined;
  return Math.min(1, Math.max(0, x / width)) * duration;
}

/** Whether the bytes at a share of the film are on disk. */
export function isThere(pieces: PiecesView | undefined, share: number): boolean {
  const cells = pieces?.verified ?? [];
  return cells[Math.min(cells.length - 1, Math.floor(share * cells.length))] === 255;
}

/** How much of the file is on disk, 0–1. */
export function shareThere(pieces: PiecesView): number {
  if (pieces.verified.length === 0) return 0;
  return pieces.verified.reduce((sum, cell) => sum + cell, 0) / pieces.verified.length / 255;
}

/** Merges adjacent columns of the same value into runs. */
export function runs(values: Float32Array): { start: number; end: number; value: number }[] {
  const result: { start: number; end: number; value: number }[] = [];
  for (let column = 0; column < values.length; column++) {
    // Sixteen shades are enough and make long runs.
    const value = Math.ceil(values[column]! * 15) / 15;
    const last = result.at(-1);
    if (last && last.value === value) last.end = column + 1;
    else result.push({ start: column, end: column + 1, value });
  }
  return result;
}

/** What the track shows. */
export interface TrackPicture {
  pieces: PiecesView | undefined;
  positionS: number;
  durationS: number;
  buffered: readonly Span[];
}

/**
 * Parts with their own colour. Before the viewer: missing, downloading, on disk, buffered. Behind
 * the viewer: on disk (`played`) and missing (`skipped`).
 */
export type TrackPart = "missing" | "underway" | "there" | "buffered" | "played" | "skipped";

/**
 * Paints the canvas. Missing parts are thin and present ones thick, so that colour is not the only
 * difference.
 */
export function paint(
  context: CanvasRenderingContext2D,
  picture: TrackPicture,
  colourOf: (part: TrackPart) => string,
): void {
  const { width, height } = context.canvas;
  const thin = Math.max(1, Math.round(height / 3));
  const top = Math.floor((height - thin) / 2);
  const x = Math.round(shareAt(picture.positionS, picture.durationS) * width);
  const verified = runs(spread(picture.pieces?.verified ?? [], width));
  const underway = runs(spread(picture.pieces?.underway ?? [], width));
  context.clearRect(0, 0, width, height);

  const side = (
    from: number,
    to: number,
    missing: TrackPart,
    fetched: TrackPart,
    there: TrackPart,
    held: TrackPart,
  ) => {
    const fill = (start: number, end: number, strength = 1) => {
      const left = Math.max(from, start);
      const right = Math.min(to, end);
      if (right <= left || strength === 0) return;
      context.globalAlpha = strength;
      context.fillRect(left, 0, right - left, height);
    };
    context.globalAlpha = 1;
    context.fillStyle = colourOf(missing);
    context.fillRect(from, top, to - from, thin);
    context.fillStyle = colourOf(fetched);
    for (const { start, end, value } of underway) fill(start, end, value);
    context.fillStyle = colourOf(there);
    for (const { start, end, value } of verified) fill(start, end, value);
    context.fillStyle = colourOf(held);
    for (const { start, end } of picture.buffered)
      fill(shareAt(start, picture.durationS) * width, shareAt(end, picture.durationS) * width);
  };
  side(x, width, "missing", "underway", "there", "buffered");
  side(0, x, "skipped", "skipped", "played", "played");
  context.globalAlpha = 1;
}
