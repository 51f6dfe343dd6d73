// Two small dialogs of the list: removing torrents, and renaming a file.
//
// One is open at a time, in the page's `<dialog>`. Escape and a click outside close it.

import type { TemplateResult } from "lit";
import { html, render } from "lit";
import type { FileView } from "../model/generated/FileView";
import type { TorrentRow } from "../model/topics";
import { size, splitPath } from "../text/format";
import { t, tn } from "../text/messages";
import { closeByPressBeside } from "../ui/dialogs";

/** Shows one of the two dialogs at a time. */
export class Dialogs {
  /** Counts the dialogs shown, to ignore an answer that belongs to an earlier one. */
  private shown = 0;

  constructor(private readonly dialog: HTMLDialogElement) {
    closeByPressBeside(dialog);
  }

  /** Asks whether to remove these torrents, and whether to delete their data. */
  askToRemove(torrents: readonly TorrentRow[], remove: (deleteData: boolean) => void): void {
    const decide = (deleteData: boolean) => {
      this.dialog.close();
      remove(deleteData);
    };
    this.show(removeView(torrents, decide, () => this.dialog.close()));
    this.dialog.querySelector<HTMLElement>("[data-testid=remove-keep]")?.focus();
  }

  /** Asks for a file's new name. `rename` returns the reason if the engine refuses the name. */
  askForName({ path }: FileView, rename: (name: string) => Promise<string | undefined>): void {
    const { name } = splitPath(path);
    const view = (words: string) => renameView(name, words, submit, () => this.dialog.close());
    let isAsking = false;
    const submit = async (typed: string) => {
      if (isAsking) return;
      isAsking = true;
      const asked = this.shown;
      const words = typed.trim() === name ? undefined : await rename(typed.trim());
      isAsking = false;
      if (this.shown !== asked || !this.dialog.open) return;
      if (words === undefined) this.dialog.close();
      else render(view(words), this.dialog);
    };
    this.show(view(""));
    const field = this.dialog.querySelector<HTMLInputElement>("[data-testid=rename-name]")!;
    field.value = name;
    field.focus();
    const end = name.lastIndexOf(".");
    field.setSelectionRange(0, end > 0 ? end : name.length);
  }

  private show(view: TemplateResult): void {
    this.shown += 1;
    render(view, this.dialog);
    this.dialog.showModal();
  }
}

/** Most torrent names that are listed. */
const NAMES = 5;

function removeView(
  torrents: readonly TorrentRow[],
  decide: (deleteData: boolean) => void,
  cancel: () => void,
): TemplateResult {
  const verified = torrents.reduce((sum, torrent) => sum + torrent.verified, 0);
  const more = torrents.length - NAMES;
  const names = torrents.slice(0, NAMES).map(({ name }) => name);
  return html`<h2 id="dialog-title">${tn("removeTitle", torrents.length)}</h2>
    <ul class="dialog-names">
      ${names.map((name) => html`<li class="dialog-name"><bdi>${name}</bdi></li>`)}
      ${more > 0 ? html`<li>${tn("removeMore", more)}</li>` : ""}
    </ul>
    <p>${verified > 0 ? t("removeOnDisk", size(verified)) : t("removeNothingYet")}</p>
    <div class="dialog-buttons">
      <button class="button" data-testid="remove-cancel" @click=${cancel}>${t("cancel")}</button>
      <span class="spacer"></span>
      <button class="button danger" data-testid="remove-delete" @click=${() => decide(true)}>
        ${t("removeAndDelete")}
      </button>
      <button class="button primary" data-testid="remove-keep" @click=${() => decide(false)}>
        ${t("torrentRemove")}
      </button>
    </div>`;
}

function renameView(
  name: string,
  words: string,
  submit: (typed: string) => void,
  cancel: () => void,
): TemplateResult {
  const submitted = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    submit((form.elements.namedItem("name") as HTMLInputElement).value);
  };
  return html`<form @submit=${submitted}>
    <h2 id="dialog-title">${t("renameTitle")}</h2>
    <p class="dialog-name"><bdi>${name}</bdi></p>
    <label class="entry"
      ><span>${t("renameName")}</span
      ><input
        name="name"
        data-testid="rename-name"
        type="text"
        autocomplete="off"
        spellcheck="false"
        required
    /></label>
    <p class="dialog-wrong" role="status">${words}</p>
    <div class="dialog-buttons">
      <button type="button" class="button" data-testid="rename-cancel" @click=${cancel}>
        ${t("cancel")}
      </button>
      <span class="spacer"></span>
      <button class="button primary" data-testid="rename-save">${t("torrentRename")}</button>
    </div>
  </form>`;
}
