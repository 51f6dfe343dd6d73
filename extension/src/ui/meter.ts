// A progress bar that is drawn without a layout.

import type { TemplateResult } from "lit";
import { html } from "lit";
import { styles } from "./styles";

/** A progress bar. `share` is from 0 to 1; `label` says what it measures. */
export function meter(label: string, share: number, testId: string): TemplateResult {
  const percent = share >= 1 ? 100 : Math.min(99, Math.floor(share * 100));
  const transform = `scaleX(${Math.round(share * 1000) / 1000})`;
  return html`<div
    class="meter"
    role="progressbar"
    data-testid=${testId}
    aria-label=${label}
    aria-valuemin="0"
    aria-valuemax="100"
    aria-valuenow=${percent}
  >
    <div class="meter-fill" ${styles({ transform })}></div>
  </div>`;
}
