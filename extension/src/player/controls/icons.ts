// The icons of the controls, besides those in ui/icons.ts: strokes on a 20 × 20 grid.

import { svg } from "lit";
import { icon } from "../../ui/icons";

const SPEAKER = "M3.5 8v4h2.6l3.9 3.3V4.7L6.1 8Z";

export const pauseSolid = icon(svg`<path class="solid" d="M5 4h3.6v12H5Zm6.4 0H15v12h-3.6Z" />`);
export const again = icon(svg`<path d="M4.2 10a5.8 5.8 0 1 0 1.9-4.3M6 2.8v3h3" />`);
export const next = icon(
  svg`<path
      class="solid"
      d="M4.5 4.9v10.2c0 .5.6.8 1 .5l7.4-5.1a.6.6 0 0 0 0-1L5.5 4.4c-.4-.3-1 0-1 .5Z"
    />
    <path d="M15.5 4.5v11" />`,
);
export const previous = icon(
  svg`<path
      class="solid"
      d="M15.5 4.9v10.2c0 .5-.6.8-1 .5l-7.4-5.1a.6.6 0 0 1 0-1l7.4-5.1c.4-.3 1 0 1 .5Z"
    />
    <path d="M4.5 4.5v11" />`,
);
export const loud = icon(
  svg`<path d=${SPEAKER} /><path d="M12.6 7.4a3.6 3.6 0 0 1 0 5.2M14.8 5.2a6.8 6.8 0 0 1 0 9.6" />`,
);
export const soft = icon(svg`<path d=${SPEAKER} /><path d="M12.6 7.4a3.6 3.6 0 0 1 0 5.2" />`);
export const silent = icon(svg`<path d=${SPEAKER} /><path d="m13 8 4 4m0-4-4 4" />`);
export const subtitles = icon(
  svg`<rect x="2.5" y="4" width="15" height="12" rx="2" />
    <path d="M5.5 10H9m2 0h3.5m-9 3H11m2 0h1.5" />`,
);
/** A note, for the choice of a sound track. */
export const sound = icon(
  svg`<path d="M8 14.5V5l7.5-1.5V13" />
    <circle cx="6" cy="14.5" r="2" /><circle cx="13.5" cy="13" r="2" />`,
);
export const speed = icon(
  svg`<path d="M4.6 15.4a7.2 7.2 0 1 1 10.8 0M10 11l3-3.6" />
    <circle class="solid" cx="10" cy="11" r="1.4" />`,
);
export const pictureInPicture = icon(
  svg`<path d="M17.5 8.5V4h-15v11h5" /><path class="solid" d="M10 11h8v5h-8Z" />`,
);
export const enterFull = icon(svg`<path d="M3.5 7.5v-4h4m5 0h4v4m0 5v4h-4m-5 0h-4v-4" />`);
export const leaveFull = icon(svg`<path d="M7.5 3.5v4h-4m13 0h-4v-4m0 13v-4h4m-13 0h4v4" />`);
export const more = icon(
  svg`<circle class="solid" cx="10" cy="4.5" r="1.5" />
    <circle class="solid" cx="10" cy="10" r="1.5" />
    <circle class="solid" cx="10" cy="15.5" r="1.5" />`,
);
export const minus = icon(svg`<path d="M4.5 10h11" />`);
export const forward = icon(svg`<path d="m8 5 5 5-5 5" />`);
