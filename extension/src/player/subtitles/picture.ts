// Where the picture of a `<video>` lies in an element over it.

import type { Rect } from "./renderer";

/** The largest rectangle of a shape inside a box, in its middle; the whole box where the shape is unknown. */
export function fitted(box: Rect, width: number, height: number): Rect {
  if (!(width > 0 && height > 0 && box.width > 0 && box.height > 0)) return box;
  const scale = Math.min(box.width / width, box.height / height);
  const fit = { width: width * scale, height: height * scale };
  return {
    left: box.left + (box.width - fit.width) / 2,
    top: box.top + (box.height - fit.height) / 2,
    ...fit,
  };
}

/**
 * Where a plane of PGS lies: planes of HD have the picture's pixels, and films are often cut to their picture, so that the plane is higher than it
 * and reaches into the black bars. Smaller planes are as wide and high as the picture, whatever shape their pixels have.
 */
export function planeRect(picture: Rect, width: number, height: number): Rect {
  if (height < 720) return picture;
  const high = (picture.width * height) / width;
  // A film that was cut at its sides is as high as the plane.
  if (high < picture.height) {
    const wide = (picture.height * width) / height;
    return {
      left: picture.left + (picture.width - wide) / 2,
      top: picture.top,
      width: wide,
      height: picture.height,
    };
  }
  return {
    left: picture.left,
    top: picture.top + (picture.height - high) / 2,
    width: picture.width,
    height: high,
  };
}

/** Lays an element over a rectangle. */
export function place(element: HTMLElement, { left, top, width, height }: Rect): void {
  Object.assign(element.style, {
    left: `${left}px`,
    top: `${top}px`,
    width: `${width}px`,
    height: `${height}px`,
  });
}
