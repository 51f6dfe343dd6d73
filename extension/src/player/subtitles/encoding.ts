// Decodes text files of unknown encoding.
//
// It tries, in order: a byte order mark, the positions of NULs, strict UTF-8, and statistics over
// lines with non-ASCII characters.

/** A decoded text, and its encoding. */
export interface Decoded {
  text: string;
  /** A label of the Encoding Standard. */
  encoding: string;
}

/** How many bytes the statistics read. */
const SAMPLE = 64 << 10;
/** A file counts as damaged UTF-8 if at most one in `DAMAGE` non-ASCII characters is broken. */
const DAMAGE = 5;

/** Decodes a file's bytes. `undefined` when they are not text. */
export async function decodeText(bytes: Uint8Array): Promise<Decoded | undefined> {
  const marked = byMark(bytes);
  if (marked !== undefined) return decode(bytes, marked);
  const wide = byNuls(bytes);
  if (wide === "binary") return undefined;
  if (wide !== undefined) return decode(bytes, wide);
  return asUtf8(bytes) ?? decode(bytes, await byStatistics(bytes));
}

function decode(bytes: Uint8Array, encoding: string): Decoded {
  return { text: new TextDecoder(encoding).decode(bytes).replaceAll("\0", ""), encoding };
}

function byMark(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return "utf-8";
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return "utf-16be";
  return undefined;
}

/**
 * Times and line ends are ASCII in every language. So UTF-16 has NULs, mostly on one side of its
 * pairs.
 */
function byNuls(bytes: Uint8Array): "utf-16le" | "utf-16be" | "binary" | undefined {
  const sides = [0, 0];
  const length = Math.min(bytes.length, SAMPLE);
  for (let at = 0; at < length; at += 1) if (bytes[at] === 0) sides[at & 1]! += 1;
  const [even, odd] = sides as [number, number];
  if (even + odd === 0) return undefined;
  const many = length / 20;
  if (odd > many && even * 10 <= odd) return "utf-16le";
  if (even > many && odd * 10 <= even) return "utf-16be";
  return (even + odd) * 100 > length ? "binary" : undefined;
}

function asUtf8(bytes: Uint8Array): Decoded | undefined {
  const decoded = decode(bytes, "utf-8");
  let broken = 0;
  for (
    let at = decoded.text.indexOf("\ufffd");
    at >= 0;
    at = decoded.text.indexOf("\ufffd", at + 1)
  )
    broken += 1;
  if (broken === 0) return decoded;
  let beyond = 0;
  for (const byte of bytes) if (byte >= 0xc0) beyond += 1;
  return broken * DAMAGE <= beyond - broken ? decoded : undefined;
}

async function byStatistics(bytes: Uint8Array): Promise<string> {
  const { guesses } = await import("./statistics");
  for (const name of guesses(spoken(bytes))) {
    try {
      return new TextDecoder(name).encoding;
    } catch {
      // The browser does not know the encoding: try the next guess.
    }
  }
  return "windows-1252";
}

/** The lines with non-ASCII characters, without tags: times and tags look like English. */
function spoken(bytes: Uint8Array): Uint8Array {
  const kept = new Uint8Array(Math.min(bytes.length + 1, SAMPLE));
  let length = 0;
  for (let start = 0; start < bytes.length && length < kept.length; ) {
    let end = bytes.indexOf(10, start);
    if (end < 0) end = bytes.length;
    const line = bytes.subarray(start, end);
    start = end + 1;
    if (!line.some((byte) => byte >= 0x80)) continue;
    const before = length;
    let tag = 0;
    for (const byte of line) {
      // Second bytes of multi-byte encodings are rarely "<" or "{".
      if (byte === 0x3c) tag = 0x3e;
      if (tag === 0 && length < kept.length) kept[length++] = byte;
      if (byte === tag) tag = 0;
    }
    // A "<" without a ">" is not a tag.
    if (tag !== 0) {
      length = before;
      for (const byte of line) if (length < kept.length) kept[length++] = byte;
    }
    if (length < kept.length) kept[length++] = 10;
  }
  return kept.subarray(0, length);
}
