// The field for adding a link: opened by a button, closed when the link is accepted.
//
// The text lives only in the input element.

import type { TemplateResult } from "lit";
import { html } from "lit";
import { t } from "../text/messages";
import * as icons from "../ui/icons";

/** What a user can do with the field. */
export interface LinkFieldActions {
  submit(typed: string): void;
  close(): void;
}

/** The field. `words` says what is wrong with its text. */
export function linkFieldView(words: string, actions: LinkFieldActions): TemplateResult {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    actions.submit((form.elements.namedItem("link") as HTMLInputElement).value);
  };
  const closeOnEscape = (event: KeyboardEvent) => {
    if (event.key === "Escape") actions.close();
  };
  return html`<form
    class="link-field"
    data-testid="link-form"
    @submit=${submit}
    @keydown=${closeOnEscape}
  >
    <label for="link">${t("addLinkLabel")}</label>
    <div class="link-line">
      <input
        id="link"
        name="link"
        data-testid="link-input"
        type="text"
        inputmode="url"
        placeholder="magnet:?xt=urn:btih:…"
        autocomplete="off"
        autocapitalize="off"
        spellcheck="false"
        aria-describedby="link-words"
        aria-invalid=${words ? "true" : "false"}
      />
      <button class="button primary" data-testid="link-add">${t("commonAdd")}</button>
      <button
        type="button"
        class="icon-button"
        aria-label=${t("addLinkClose")}
        title=${t("commonClose")}
        @click=${() => actions.close()}
      >
        ${icons.cross}
      </button>
    </div>
    <p id="link-words" class="link-words" data-testid="link-words" role="status">${words}</p>
  </form>`;
}
