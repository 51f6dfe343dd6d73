// The dialog for a problem report.
//
// The engine writes the report, the page adds its own version and browser, and the user reads it
// before copying it.

import { html, render } from "lit";
import type { Host } from "../host/host";
import { t } from "../text/messages";
import { engineWords } from "../text/sentence_words";
import * as icons from "../ui/icons";

/** The page's version, browser and language, one per line. */
export function aboutPage(version: string | undefined, agent: string, language: string): string[] {
  return [
    ...(version === undefined ? [] : [`Extension: ${version}`]),
    `Browser: ${agent}`,
    `Language: ${language}`,
  ];
}

/** The dialog that shows the report. */
export class ReportDialog {
  constructor(
    private readonly dialog: HTMLDialogElement,
    private readonly host: Pick<Host, "intent">,
    private readonly about: () => string[],
  ) {}

  /** Requests a report from the engine and shows it. */
  async open(): Promise<void> {
    this.show(t("reportWriting"), false);
    this.dialog.showModal();
    const reply = await this.host.intent({ kind: "report", about: this.about() });
    if (reply.kind === "text") this.show(reply.text, true);
    else this.show(reply.kind === "failed" ? engineWords(reply) : "", false);
  }

  private show(text: string, ready: boolean, copied = false): void {
    const copy = async () => {
      try {
        await navigator.clipboard.writeText(text);
        this.show(text, ready, true);
      } catch {
        // A page without HTTPS has no clipboard: the text is selected, to be copied by hand.
        this.dialog.querySelector("textarea")?.select();
      }
    };
    render(
      html`<header class="adding-head">
          <h2 id="report-title">${t("reportTitle")}</h2>
          <button
            type="button"
            class="icon-button"
            aria-label=${t("reportClose")}
            title=${t("reportClose")}
            @click=${() => this.dialog.close()}
          >
            ${icons.cross}
          </button>
        </header>
        <p class="hint">${t("reportHint")}</p>
        <textarea
          class="report-text"
          data-testid="report-text"
          readonly
          rows="16"
          aria-labelledby="report-title"
          .value=${text}
        ></textarea>
        <div class="dialog-buttons">
          <span class="spacer"></span>
          <button
            class="button primary"
            data-testid="report-copy"
            ?disabled=${!ready}
            @click=${() => void copy()}
          >
            ${copied ? t("reportCopied") : t("reportCopy")}
          </button>
        </div>`,
      this.dialog,
    );
  }
}
