// What the list's forms have in common.

import type { TemplateResult } from "lit";
import { html } from "lit";

/** A listener for a form that the page takes itself. */
export function submitted(take: (form: HTMLFormElement) => void): (event: SubmitEvent) => void {
  return (event) => {
    event.preventDefault();
    take(event.currentTarget as HTMLFormElement);
  };
}

/** What came of a form. */
export interface FormWords {
  text: string;
  /** Whether it was refused. */
  isWrong: boolean;
}

export function wordsView(words: FormWords | undefined): TemplateResult {
  return html`<p class="details-words" role="status" ?data-wrong=${words?.isWrong}>${words?.text ?? ""}</p>`;
}
