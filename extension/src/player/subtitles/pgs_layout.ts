// Places PGS pictures on their plane when they are scaled or controls cover the bottom.
//
// Pure functions. Pictures of the lower half move together, and so do those of the upper half, so
// that lines never overlap.

/** A rectangle in pixels of the plane. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Smallest scale of a picture. */
const LEAST = 0.5;
/** Gap between a picture and the controls, as a share of the plane's height. */
const AIR = 0.01;

/** The new places of pictures. The plane is covered below the line `until`. */
export function laid(
  parts: readonly Box[],
  plane: { width: number; height: number },
  size: number,
  until: number,
): Box[] {
  const isLow = ({ y, height }: Box) => y + height / 2 > plane.height / 2;
  const low = group(parts.filter(isLow));
  const high = group(parts.filter((part) => !isLow(part)));
  return parts.map((part) => {
    const of = isLow(part) ? low : high;
    const scale = fitting(of, plane, size);
    const width = of.width * scale;
    // Scaled around the centre of the nearer edge of the plane.
    const left = Math.max(0, Math.min(of.x + (of.width - width) / 2, plane.width - width));
    const edge = isLow(part) ? of.y + of.height : of.y;
    const top = edge + (of.y - edge) * scale;
    const over = isLow(part) ? edge - (until - AIR * plane.height) : 0;
    const lift = until < plane.height ? Math.max(0, Math.min(over, top)) : 0;
    return {
      x: left + (part.x - of.x) * scale,
      y: top + (part.y - of.y) * scale - lift,
      width: part.width * scale,
      height: part.height * scale,
    };
  });
}

/** The wanted scale, limited by the plane. Pictures that fill half of the plane are not scaled. */
function fitting(of: Box, plane: { width: number; height: number }, size: number): number {
  if (size <= 1) return Math.max(LEAST, size);
  return Math.max(1, Math.min(size, plane.width / of.width, plane.height / 2 / of.height));
}

/** The box around all parts. */
function group(parts: readonly Box[]): Box {
  const x = Math.min(...parts.map((part) => part.x));
  const y = Math.min(...parts.map((part) => part.y));
  return {
    x,
    y,
    width: Math.max(...parts.map((part) => part.x + part.width)) - x,
    height: Math.max(...parts.map((part) => part.y + part.height)) - y,
  };
}
