// The offer to install an update now instead of when the extension is idle.

import type { TemplateResult } from "lit";
import { html } from "lit";
import { t } from "../text/messages";

/** The offer. */
export function updateView(restart: () => void): TemplateResult {
  return html`<section class="notice" data-testid="update-ready" aria-labelledby="update-title">
    <h2 id="update-title">${t("updateReadyTitle")}</h2>
    <p>${t("updateReadyText")}</p>
    <button class="button" data-testid="update-restart" @click=${restart}>
      ${t("updateRestart")}
    </button>
  </section>`;
}
