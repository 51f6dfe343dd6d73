// Reads the heads of containers that this worker does not play. Loaded only for such files.

import type { Container } from "../protocol";
import { type Cursor, readAll, type RangeSource } from "../reader";
import { asfHeadSize, readAsf } from "./asf";
import { aviHeadSize, readAvi } from "./avi";
import { readFlv } from "./flv";
import { Bytes, type Head, lasting } from "./head";
import { programDuration, readProgram } from "./program";
import { readFlac, readFrames, readOgg, readWave } from "./sound";

/** How many bytes of a file are read at most, and how many if the head does not tell its size. */
const MOST_HEAD = 1 << 20;
const USUAL_HEAD = 128 << 10;
/** How many bytes at a program stream's end are searched for its last time. */
const TAIL = 256 << 10;

/**
 * Reads the head of a file with a cursor at its start. Never fails on bad data: what it can't read
 * is missing.
 */
export async function readForeign(
  cursor: Cursor,
  container: Container,
  size: number | undefined,
): Promise<Head> {
  await cursor.need(32);
  const first = new Bytes(cursor.peek(cursor.ready));
  const headSize =
    container === "avi"
      ? aviHeadSize(first)
      : container === "asf"
        ? asfHeadSize(first)
        : USUAL_HEAD;
  await cursor.need(Math.min(Math.max(headSize, 4096), MOST_HEAD));
  const bytes = new Bytes(cursor.peek(Math.min(cursor.ready, MOST_HEAD)));
  switch (container) {
    case "avi":
      return readAvi(bytes);
    case "flv":
      return readFlv(bytes);
    case "asf":
      return readAsf(bytes);
    case "mpegps":
      return readProgram(bytes);
    case "ogg":
      return readOgg(bytes);
    case "flac":
      return readFlac(bytes);
    case "wav":
      return readWave(bytes, size);
    case "mp3":
    case "aac":
      return readFrames(bytes, size);
    default:
      return { container, duration: undefined, streams: [] };
  }
}

/** Finds the length (µs) of a program stream from its last time stamps. */
export async function measureProgram(source: RangeSource): Promise<number | undefined> {
  const { size = 0 } = source;
  if (size === 0) return undefined;
  const [first, last] = [
    await readAll(source, 0, Math.min(TAIL, size)),
    await readAll(source, Math.max(0, size - TAIL), Math.min(TAIL, size)),
  ];
  return lasting(programDuration(new Bytes(first), new Bytes(last)) ?? 0);
}
