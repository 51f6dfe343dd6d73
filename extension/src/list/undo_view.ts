// The lines with removed torrents and their Undo buttons.
//
// A pure template.

import type { TemplateResult } from "lit";
import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import type { RemovedView } from "../model/generated/RemovedView";
import { t } from "../text/messages";
import { engineWords } from "../text/sentence_words";

/** Why an undo failed. */
export interface UndoProblem {
  name: string;
  words: string;
}

/** Most lines that are shown. */
const MOST = 4;

/** The lines, the newest removal first. */
export function undoView(
  removed: readonly RemovedView[],
  problem: UndoProblem | undefined,
  undo: (infoHash: string, name: string) => void,
): TemplateResult {
  return html`${problem ? lineView(problem.name, problem.words) : nothing}${repeat(
    removed.slice(0, MOST),
    ({ infoHash }) => infoHash,
    ({ infoHash, name, undoS, message, says }) =>
      message !== null
        ? lineView(name, engineWords({ message, ...(says && { says }) }))
        : undoS > 0
          ? html`<div class="undo" data-testid="removed">
              <span class="undo-words">${t("undoRemoved", name)}</span>
              <button class="button" data-testid="undo" @click=${() => undo(infoHash, name)}>
                ${t("undoUndo")}
              </button>
            </div>`
          : nothing,
  )}`;
}

function lineView(name: string, words: string): TemplateResult {
  return html`<div class="undo" data-testid="removed-words">
    <span class="undo-words"><bdi class="note-name">${name}</bdi> ${words}</span>
  </div>`;
}
