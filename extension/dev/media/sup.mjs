// Writes PGS as a .sup file: coloured boxes with times. ffmpeg copies it into Matroska.

const u16 = (value) => [value >> 8, value & 255];
const u32 = (value) => [value >>> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255];

/**
 * Encodes boxes on a plane. A box is
 * { start, end, x, y, width, height, colour: [Y, Cr, Cb, alpha] } with times in seconds. At most
 * one box is shown at a time.
 */
export function sup(plane, boxes) {
  const bytes = boxes.flatMap((box) => [
    ...set(plane, box.start, box),
    ...set(plane, box.end, undefined),
  ]);
  return Buffer.from(bytes);
}

function set(plane, time, box) {
  const segment = (type, body) => [
    0x50,
    0x47,
    ...u32(Math.round(time * 90_000)),
    0,
    0,
    0,
    0,
    type,
    ...u16(body.length),
    ...body,
  ];
  const shown = box ? [0, 0, 0, 0, ...u16(box.x), ...u16(box.y)] : [];
  const composition = segment(0x16, [
    ...u16(plane.width),
    ...u16(plane.height),
    0x10,
    0,
    0,
    box ? 0x80 : 0,
    0,
    0,
    box ? 1 : 0,
    ...shown,
  ]);
  const whole = box ?? { x: 0, y: 0, width: 8, height: 8 };
  const windows = segment(0x17, [
    1,
    0,
    ...u16(whole.x),
    ...u16(whole.y),
    ...u16(whole.width),
    ...u16(whole.height),
  ]);
  if (!box) return [...composition, ...windows, ...segment(0x80, [])];
  const line = [0, 0xc0 | (box.width >> 8), box.width & 255, 1, 0, 0];
  const data = [
    ...u16(box.width),
    ...u16(box.height),
    ...Array.from({ length: box.height }, () => line).flat(),
  ];
  const object = segment(0x15, [
    0,
    0,
    0,
    0xc0,
    data.length >> 16,
    ...u16(data.length & 0xffff),
    ...data,
  ]);
  return [
    ...composition,
    ...windows,
    ...segment(0x14, [0, 0, 1, ...box.colour]),
    ...object,
    ...segment(0x80, []),
  ];
}
