// Writes PGS segments, as an encoder would.

export interface Picture {
  id?: number;
  x: number;
  y: number;
  width: number;
  height: number;
  /** The index of a colour for each pixel. */
  pixel: (x: number, y: number) => number;
  crop?: [x: number, y: number, width: number, height: number];
}

const u16 = (value: number): number[] => [value >> 8, value & 255];
export const segment = (type: number, body: number[]): number[] => [
  type,
  ...u16(body.length),
  ...body,
];
export const END = segment(0x80, []);

/** A composition segment. The `state` 0x80 starts afresh, and 0 continues. */
export function composition(
  plane: [number, number],
  state: number,
  pictures: readonly Picture[],
  palette = 0,
): number[] {
  const shown = pictures.flatMap(({ id = 0, x, y, crop }) => [
    ...u16(id),
    0,
    crop ? 0x80 : 0,
    ...u16(x),
    ...u16(y),
    ...(crop ?? []).flatMap(u16),
  ]);
  return segment(0x16, [
    ...u16(plane[0]),
    ...u16(plane[1]),
    0x10,
    ...u16(0),
    state,
    0,
    palette,
    pictures.length,
    ...shown,
  ]);
}

/** A palette segment. An entry is index, Y, Cr, Cb, alpha. */
export const palette = (entries: readonly number[][], id = 0): number[] =>
  segment(0x14, [id, 0, ...entries.flat()]);

/** An object in `segments` segments. */
export function object({ id = 0, width, height, pixel }: Picture, segments = 1): number[] {
  const runs: number[] = [];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; ) {
      const colour = pixel(x, y);
      let length = 1;
      while (x + length < width && length < 0x3fff && pixel(x + length, y) === colour) length += 1;
      runs.push(...run(colour, length));
      x += length;
    }
    runs.push(0, 0);
  }
  const all = [...u16(width), ...u16(height), ...runs];
  const size = Math.ceil(all.length / segments);
  return Array.from({ length: segments }, (_, index) => {
    const flags = (index === 0 ? 0x80 : 0) | (index === segments - 1 ? 0x40 : 0);
    const length = index === 0 ? [all.length >> 16, ...u16(all.length & 0xffff)] : [];
    return segment(0x15, [
      ...u16(id),
      0,
      flags,
      ...length,
      ...all.slice(index * size, (index + 1) * size),
    ]);
  }).flat();
}

function run(colour: number, length: number): number[] {
  if (colour !== 0 && length < 3) return Array.from({ length }, () => colour);
  const long = length > 63;
  const head = [
    0,
    (colour ? 0x80 : 0) | (long ? 0x40 : 0) | (long ? length >> 8 : length),
    ...(long ? [length & 255] : []),
  ];
  return colour ? [...head, colour] : head;
}
