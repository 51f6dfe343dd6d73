// What the list's forms share: submit handlers and the message below a form.

import type { TemplateResult } from "lit";
import { html } from "lit";

/** A submit listener that passes the form to `take` instead of sending it. */
export function submitted(take: (form: HTMLFormElement) => void): (event: SubmitEvent) => void {
  return (event) => {
    event.preventDefault();
    take(event.currentTarget as HTMLFormElement);
  };
}

/** A message below a form. */
export interface FormWords {
  text: string;
  /** Whether the engine refused, or the input was wrong. */
  isWrong: boolean;
}

/** Whether the checkbox that sent this event is checked. */
export function isChecked(event: Event): boolean {
  return (event.currentTarget as HTMLInputElement).checked;
}

/** The message below a form. Takes no space without a message. */
export function wordsView(words: FormWords | undefined): TemplateResult {
  // No spaces inside: the style sheet hides an empty paragraph.
  return html`<p class="details-words" role="status" ?data-wrong=${words?.isWrong}
    >${words?.text ?? ""}</p
  >`;
}
