// Shortens long names in their middle: episodes often differ at the end.

import type { TemplateResult } from "lit";
import { html } from "lit";

/** Names up to this length are shortened at their end only. */
const SHORT = 24;
/** How many of the last characters are always shown. */
const KEPT = 14;

/** A name that may be wider than its place. Screen readers get the whole name. */
export function cutName(name: string): TemplateResult {
  const characters = [...name];
  if (characters.length <= SHORT) return html`<bdi class="cut-start">${name}</bdi>`;
  const [start, end] = [characters.slice(0, -KEPT).join(""), characters.slice(-KEPT).join("")];
  return html`<span class="cut" dir="auto" aria-hidden="true"
      ><span class="cut-start">${start}</span><span class="cut-end">${end}</span></span
    ><span class="unseen">${name}</span>`;
}
