// Parses EBML elements (RFC 8794), from memory or from a cursor.
//
// Sizes are not trusted: an element in memory ends with its parent, and one in a file is only
// measured here.

import type { Cursor } from "../reader";

/** The unknown size (RFC 8794, 6.2): the element ends before one that can't be inside it. */
export const UNKNOWN = -1;

/** The header of an element. */
export interface Header {
  /** With its length marker, as documents write it: 0x1A45DFA3. */
  id: number;
  /** Size of the body in bytes, or `UNKNOWN`. Not exact above 2^53. */
  size: number;
  /** Size of the header in bytes. */
  length: number;
}

/** Parses a header at `at`. `"short"` if bytes are missing, `"invalid"` if it can't be a header. */
export function header(bytes: Uint8Array, at = 0): Header | "short" | "invalid" {
  const first = bytes[at];
  if (first === undefined) return "short";
  const idLength = Math.clz32(first) - 23;
  if (idLength > 4) return "invalid";
  if (at + idLength >= bytes.length) return "short";
  let id = 0;
  for (let i = 0; i < idLength; i += 1) id = id * 256 + bytes[at + i]!;
  const size = vint(bytes, at + idLength);
  if (size === "short" || size === "invalid") return size;
  return { id, size: size.value, length: idLength + size.length };
}

/** Parses a number of variable length, without its marker. All ones give `UNKNOWN`. */
export function vint(
  bytes: Uint8Array,
  at: number,
): { value: number; length: number } | "short" | "invalid" {
  const first = bytes[at];
  if (first === undefined) return "short";
  const length = Math.clz32(first) - 23;
  if (length > 8) return "invalid";
  if (at + length > bytes.length) return "short";
  let value = first & ((1 << (8 - length)) - 1);
  let ones = value === (1 << (8 - length)) - 1;
  for (let i = 1; i < length; i += 1) {
    const byte = bytes[at + i]!;
    ones &&= byte === 0xff;
    value = value * 256 + byte;
  }
  return { value: ones ? UNKNOWN : value, length };
}

/** An element in memory. */
export interface Element {
  id: number;
  data: Uint8Array;
  /** Offset of the body in the parent's body. */
  at: number;
}

/** The children in an element's body. Ends silently where the body stops making sense. */
export function* children(body: Uint8Array): Generator<Element> {
  let at = 0;
  while (at < body.length) {
    const head = header(body, at);
    if (head === "short" || head === "invalid") return;
    const start = at + head.length;
    const end = head.size === UNKNOWN ? body.length : Math.min(start + head.size, body.length);
    yield { id: head.id, data: body.subarray(start, end), at: start };
    at = end;
  }
}

/** An unsigned integer of up to eight bytes. Not exact above 2^53. */
export function uint(data: Uint8Array): number {
  let value = 0;
  for (let i = 0; i < Math.min(data.length, 8); i += 1) value = value * 256 + data[i]!;
  return value;
}

/** A float of four or eight bytes. 0 for any other length. */
export function float(data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (data.length === 4) return view.getFloat32(0);
  return data.length === 8 ? view.getFloat64(0) : 0;
}

/** A string of at most 4096 bytes, without zero padding. */
export function text(data: Uint8Array): string {
  const end = data.indexOf(0);
  return new TextDecoder().decode(data.subarray(0, Math.min(end < 0 ? data.length : end, 4096)));
}

/** The header at the cursor, which does not move. `undefined` at the end of the file. */
export async function peekHeader(cursor: Cursor): Promise<Header | "invalid" | undefined> {
  for (let count = Math.max(2, Math.min(12, cursor.ready)); ; count = Math.min(12, count + 1)) {
    const whole = await cursor.need(count);
    const head = header(cursor.peek(Math.min(12, cursor.ready)));
    if (head !== "short") return head;
    if (!whole || count === 12) return undefined;
  }
}
