// The pages' icons: strokes on a 20 × 20 grid, in the colour of the text.

import type { TemplateResult } from "lit";
import { html, svg } from "lit";

/** An icon with these SVG paths. */
export function icon(paths: TemplateResult): TemplateResult {
  return html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
    ${paths}
  </svg>`;
}

export const play = icon(
  svg`<path
    class="solid"
    d="M6.5 4.2v11.6a.7.7 0 0 0 1.07.6l9.1-5.8a.7.7 0 0 0 0-1.2l-9.1-5.8a.7.7 0 0 0-1.07.6Z"
  />`,
);
export const pause = icon(svg`<path d="M7 5v10M13 5v10" />`);
export const resume = icon(svg`<path d="M10 4v9m-4-3.6 4 4 4-4M4.5 16.5h11" />`);
export const remove = icon(
  svg`<path d="M4 5.8h12M8 5.5V4h4v1.5M5.6 6l.7 10h7.4l.7-10M8.6 8.8v4.6M11.4 8.8v4.6" />`,
);
export const chevron = icon(svg`<path d="m6 8 4 4 4-4" />`);
export const back = icon(svg`<path d="m12 5-5 5 5 5" />`);
export const plus = icon(svg`<path d="M10 4.5v11M4.5 10h11" />`);
export const copy = icon(svg`<path d="M7.5 7.5v-3h8v8h-3M4.5 7.5h8v8h-8Z" />`);
export const check = icon(svg`<path d="m4.5 10.5 3.8 3.8 7.2-8" />`);
export const cross = icon(svg`<path d="m5.5 5.5 9 9m0-9-9 9" />`);
export const warning = icon(svg`<path d="M10 3.5 17.3 16H2.7ZM10 8.2v3.6m0 2v.2" />`);
export const link = icon(
  svg`<path
    d="m8.4 11.6 3.2-3.2M9 6.3l1.9-1.9a3.3 3.3 0 0 1 4.7 4.7L13.7 11
      M11 13.7l-1.9 1.9a3.3 3.3 0 0 1-4.7-4.7L6.3 9"
  />`,
);
export const pencil = icon(svg`<path d="m4.5 15.5.8-3.3 8-8 2.5 2.5-8 8Zm7.3-9.8 2.5 2.5" />`);
/** An arrow up and one down. */
export const order = icon(
  svg`<path d="M6.5 15.5v-11m0 0L4 7m2.5-2.5L9 7M13.5 4.5v11m0 0L11 13m2.5 2.5L16 13" />`,
);
/** Sliders. */
export const settings = icon(
  svg`<path d="M3.5 6h7M14.5 6h2M3.5 14h2M9.5 14h7" />
    <circle cx="12.5" cy="6" r="2" /><circle cx="7.5" cy="14" r="2" />`,
);
export const bell = icon(
  svg`<path class="solid" d="M5 13.5h10l-1.4-2.2V8.6a3.6 3.6 0 0 0-7.2 0v2.7Z" />
    <path d="M10 3.4V5M8.6 16h2.8" />`,
);
export const bellOff = icon(
  svg`<path d="M5 13.5h10l-1.4-2.2V8.6a3.6 3.6 0 0 0-7.2 0v2.7ZM10 3.4V5M8.6 16h2.8" />`,
);
export const document_ = icon(svg`<path d="M5.5 3.5h6l3 3v10h-9Zm6 0v3h3" />`);

/** The logo: a play triangle in a ring of pieces. */
export const mark = html`<svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
  ${svg`<circle class="mark-ring" cx="16" cy="16" r="12.4" pathLength="96" />
  <circle class="mark-lit" cx="16" cy="16" r="12.4" pathLength="96" />
  <path
    class="mark-play"
    d="M12.9 10.6v10.8a.8.8 0 0 0 1.22.68l8.6-5.4a.8.8 0 0 0 0-1.36l-8.6-5.4a.8.8 0 0 0-1.22.68Z"
  />`}
</svg>`;
