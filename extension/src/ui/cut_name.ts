// Long names, cut in their middle where there is no room for all of them: what tells episodes apart
// is as often at the end as at the beginning.

import type { TemplateResult } from "lit";
import { html } from "lit";

/** A name of so many characters, or fewer, is cut at its end, if at all. */
const SHORT = 24;
/** So many of the last characters stay whatever happens. */
const KEPT = 14;

/** A name that may be wider than its place. Who listens hears it whole. */
export function cutName(name: string): TemplateResult {
  const characters = [...name];
  if (characters.length <= SHORT) return html`<bdi class="cut-start">${name}</bdi>`;
  const [start, end] = [characters.slice(0, -KEPT).join(""), characters.slice(-KEPT).join("")];
  return html`<span class="cut" dir="auto" aria-hidden="true"><span class="cut-start">${start}</span><span class="cut-end">${end}</span></span
    ><span class="unseen">${name}</span>`;
}
