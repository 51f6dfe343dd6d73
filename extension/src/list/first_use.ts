// The card on first use: watching also uploads, with a choice of upload limits.
//
// A pure template. The card is shown until it is answered; the settings record the answer.

import type { TemplateResult } from "lit";
import { html } from "lit";
import type { Settings } from "../model/generated/Settings";
import { rate } from "../text/format";
import { t } from "../text/messages";

const MB = 1_000_000;
/** The limits offered, in bytes per second. `null` is no limit, the default. */
const LIMITS: readonly (number | null)[] = [null, 5 * MB, MB, MB / 4];

/** The card. `save` is called with the chosen settings. */
export function firstUseView(
  settings: Settings,
  save: (settings: Settings) => void,
): TemplateResult {
  const limits = LIMITS.includes(settings.upLimitBps) ? LIMITS : [settings.upLimitBps, ...LIMITS];
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const chosen = new FormData(event.currentTarget as HTMLFormElement).get("limit");
    save({ ...settings, sharingTold: true, upLimitBps: limits[Number(chosen)] ?? null });
  };
  const now =
    settings.upLimitBps === null
      ? t("firstUseNoLimit")
      : t("firstUseLimit", rate(settings.upLimitBps));
  return html`<form
    class="notice first-use"
    data-testid="first-use"
    aria-labelledby="first-use-words"
    @submit=${submit}
  >
    <p id="first-use-words">${t("firstUse")} ${now}</p>
    <p class="first-use-line">
      <label for="first-use-limit">${t("firstUseChoose")}</label>
      <select id="first-use-limit" name="limit" data-testid="first-use-limit">
        ${limits.map(
          (limit, index) =>
            html`<option value=${index} ?selected=${limit === settings.upLimitBps}>
              ${limit === null ? t("firstUseUnlimited") : rate(limit)}
            </option>`,
        )}
      </select>
      <button class="button primary" data-testid="first-use-done">${t("firstUseDone")}</button>
    </p>
  </form>`;
}
