// Calculates where the picture of a `<video>` is inside an element over it.

import type { Rect } from "./renderer";

/**
 * The largest centred rectangle with a shape inside a box. The whole box if the shape is unknown.
 */
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
 * Where a PGS plane is. HD planes have the picture's pixels; cropped films are lower than their
 * plane, which then covers the black bars. Smaller planes are stretched to the picture.
 */
export function planeRect(picture: Rect, width: number, height: number): Rect {
  if (height < 720) return picture;
  const high = (picture.width * height) / width;
  // A film that was cropped at its sides is as high as the plane.
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

/** Places an element over a rectangle. */
export function place(element: HTMLElement, { left, top, width, height }: Rect): void {
  Object.assign(element.style, {
    left: `${left}px`,
    top: `${top}px`,
    width: `${width}px`,
    height: `${height}px`,
  });
}
