// Where the pictures of PGS are drawn on their plane when a person wants them larger or smaller,
// and while controls cover its lower end. Pure.
//
// What belongs to the lower half stays together, and so does what belongs to the upper half: lines
// never run into each other.

/** Pixels of the plane. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** No picture is drawn smaller than this. */
const LEAST = 0.5;
/** The air between a picture and what covers the plane, as a share of the plane's height. */
const AIR = 0.01;

/** Where these pictures go. `until`: beyond this line the plane is covered. */
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
    // About the middle of the end of the plane that they are next to.
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

/** The size that is wanted, within what the plane has room for. Pictures that fill half of it as they are stay as they are. */
function fitting(of: Box, plane: { width: number; height: number }, size: number): number {
  if (size <= 1) return Math.max(LEAST, size);
  return Math.max(1, Math.min(size, plane.width / of.width, plane.height / 2 / of.height));
}

/** What surrounds them all. */
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
