// Parses H.264 sequence parameter sets (ISO/IEC 14496-10, 7.3.2.1.1 and E.1.1): picture size and
// reordering.

/** What a sequence parameter set says about pictures. */
export interface Sequence {
  /** In px. */
  width: number;
  height: number;
  /**
   * How many pictures may come before another one in the file and after it on the screen.
   * `undefined` if unknown.
   */
  reordered: number | undefined;
}

/** Profiles whose parameter sets contain the colour format. */
const HIGH: ReadonlySet<number> = new Set([
  44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244,
]);

/** Parses a unit of type 7 with its first byte. `undefined` if it makes no sense. */
export function parseSequence(unit: Uint8Array): Sequence | undefined {
  const bits = new Bits(unescaped(unit.subarray(1)));
  const profile = bits.read(8);
  bits.read(16);
  bits.unsigned();
  let colours = 1;
  if (HIGH.has(profile)) {
    colours = bits.unsigned();
    if (colours === 3) bits.read(1);
    bits.unsigned();
    bits.unsigned();
    bits.read(1);
    const lists = bits.read(1) ? (colours === 3 ? 12 : 8) : 0;
    for (let list = 0; list < lists; list += 1) {
      const isGiven = bits.read(1);
      if (isGiven) skipScaling(bits, list < 6 ? 16 : 64);
    }
  }
  bits.unsigned();
  const order = bits.unsigned();
  if (order === 0) bits.unsigned();
  else if (order === 1) {
    bits.read(1);
    bits.unsigned();
    bits.unsigned();
    const cycle = bits.unsigned();
    for (let count = 0; count < cycle && !bits.isOver; count += 1) bits.unsigned();
  }
  bits.unsigned();
  bits.read(1);
  const across = bits.unsigned() + 1;
  const down = bits.unsigned() + 1;
  const whole = bits.read(1);
  if (!whole) bits.read(1);
  bits.read(1);
  let [cutX, cutY] = [0, 0];
  if (bits.read(1)) {
    cutX = bits.unsigned() + bits.unsigned();
    cutY = bits.unsigned() + bits.unsigned();
  }
  const width = across * 16 - cutX * (colours === 1 || colours === 2 ? 2 : 1);
  const height = (down * 16 - cutY * (colours === 1 ? 2 : 1)) * (2 - whole);
  if (bits.isOver || width <= 0 || height <= 0 || width > 16384 || height > 16384) return undefined;
  // Pictures in decoding order need no reordering.
  if (order === 2) return { width, height, reordered: 0 };
  return { width, height, reordered: bits.read(1) ? reorderingOf(bits) : undefined };
}

/** The reordering limit in the VUI, at whose start the bits are. */
function reorderingOf(bits: Bits): number | undefined {
  if (bits.read(1) && bits.read(8) === 255) bits.read(32);
  if (bits.read(1)) bits.read(1);
  if (bits.read(1)) {
    bits.read(4);
    if (bits.read(1)) bits.read(24);
  }
  if (bits.read(1)) {
    bits.unsigned();
    bits.unsigned();
  }
  if (bits.read(1)) bits.read(65);
  const nal = bits.read(1);
  if (nal) skipRates(bits);
  const vcl = bits.read(1);
  if (vcl) skipRates(bits);
  if (nal || vcl) bits.read(1);
  bits.read(1);
  if (!bits.read(1)) return undefined;
  bits.read(1);
  for (let count = 0; count < 4; count += 1) bits.unsigned();
  const reordered = bits.unsigned();
  return bits.isOver || reordered > 16 ? undefined : reordered;
}

function skipRates(bits: Bits): void {
  const count = bits.unsigned() + 1;
  bits.read(8);
  for (let index = 0; index < count && !bits.isOver; index += 1) {
    bits.unsigned();
    bits.unsigned();
    bits.read(1);
  }
  bits.read(20);
}

function skipScaling(bits: Bits, size: number): void {
  let [last, next] = [8, 8];
  for (let index = 0; index < size; index += 1) {
    if (next !== 0) next = (last + bits.signed() + 256) % 256;
    if (next !== 0) last = next;
  }
}

/** The first sequence of an avcC. */
export function sequenceOf(config: Uint8Array | undefined): Sequence | undefined {
  if (!config || config.length < 9 || (config[5]! & 31) === 0) return undefined;
  const size = (config[6]! << 8) | config[7]!;
  const unit = config.subarray(8, 8 + size);
  return unit.length === size && (unit[0]! & 31) === 7 ? parseSequence(unit) : undefined;
}

/** Removes the bytes that prevent start codes (7.4.1). */
function unescaped(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(data.length);
  let to = 0;
  let zeros = 0;
  for (const byte of data) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    out[to++] = byte;
  }
  return out.subarray(0, to);
}

class Bits {
  private at = 0;

  constructor(private readonly data: Uint8Array) {}

  /** Whether more was read than there is. */
  get isOver(): boolean {
    return this.at > this.data.length * 8;
  }

  /** Reads a number of `count` bits. Only the last 32 bits count. */
  read(count: number): number {
    let value = 0;
    for (let index = 0; index < count; index += 1, this.at += 1)
      value = ((value << 1) | (((this.data[this.at >> 3] ?? 0) >> (7 - (this.at & 7))) & 1)) >>> 0;
    return value;
  }

  /** Reads an Exp-Golomb number (9.1). */
  unsigned(): number {
    let zeros = 0;
    while (zeros < 32 && !this.isOver && this.read(1) === 0) zeros += 1;
    return 2 ** zeros - 1 + this.read(zeros);
  }

  signed(): number {
    const value = this.unsigned();
    return value & 1 ? (value + 1) / 2 : -value / 2;
  }
}
