// The settings dialog at work: opened with the settings of the moment, saved when the engine took
// them, or telling why it did not.
//
// What was changed and not saved is lost only with a person's word: whoever leaves is asked.

import { render } from "lit";
import type { Intent } from "../model/generated/Intent";
import type { IntentReply } from "../model/generated/IntentReply";
import type { Settings } from "../model/generated/Settings";
import type { World } from "../model/generated/World";
import { closeByPressBeside } from "../ui/dialogs";
import { folderOf, newFolder } from "./settings_folder";
import type { SettingsForm } from "./settings_form";
import { formOf, settingsOf, isSame } from "./settings_form";
import type { SettingsUi } from "./settings_view";
import { readForm, settingsView, typedFolder } from "./settings_view";
import { reachWords } from "./settings_words";
import { saidWords } from "../text/sentence_words";

/** The dialog, and what it shows beside its fields. */
export class SettingsDialog {
  /** Those with which it was opened; `undefined` while it is closed. */
  private opened: Settings | undefined;
  private wrong: SettingsUi["wrong"];
  private saving = false;
  /** A person wants to see them, and they are not known yet. */
  private isWanted = false;
  private leaving = false;
  /** Where new torrents were stored when it was opened. */
  private folder: string | undefined;

  constructor(
    private readonly dialog: HTMLDialogElement,
    private readonly world: () => World | undefined,
    private readonly intent: (intent: Intent) => Promise<IntentReply>,
  ) {
    dialog.addEventListener("close", () => (this.opened = undefined));
    closeByPressBeside(dialog, () => this.leave());
    dialog.addEventListener("cancel", (event) => {
      if (!this.isChanged()) return;
      event.preventDefault();
      this.leave();
    });
    // A second Escape would close the dialog whatever is made of its `cancel`.
    dialog.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.isChanged()) return;
      event.preventDefault();
      this.leave();
    });
  }

  /** Shows the settings; as soon as they are known, where they are not yet. */
  open(): void {
    const settings = this.world()?.settings;
    this.isWanted = !settings;
    if (!settings || this.dialog.open) return;
    [this.opened, this.wrong, this.saving, this.leaving] = [settings, undefined, false, false];
    this.folder = folderOf(this.world()!);
    this.update();
    // What was typed before and not saved is gone.
    this.dialog.querySelector("form")?.reset();
    this.dialog.showModal();
  }

  /** Shows what is new of the world. */
  update(): void {
    if (this.isWanted) this.open();
    const world = this.world();
    if (!this.opened || !world) return;
    const { wrong, saving, leaving, folder } = this;
    const ui: SettingsUi = { reach: reachWords(world), wrong, saving, leaving, folder };
    const actions = {
      save: (form: SettingsForm, typed: string) => void this.save(form, typed),
      leave: () => this.leave(),
      close: () => this.dialog.close(),
      stay: () => this.stay(),
    };
    render(settingsView(this.opened, ui, actions), this.dialog);
  }

  /** Closes it, or asks first. */
  private leave(): void {
    if (!this.isChanged()) return this.dialog.close();
    this.leaving = true;
    this.update();
    this.dialog.querySelector<HTMLElement>("[data-testid=settings-stay]")?.focus();
  }

  private stay(): void {
    this.leaving = false;
    this.update();
    this.dialog.querySelector<HTMLElement>("[data-testid=settings-save]")?.focus();
  }

  /** Whether something was changed and not saved. */
  private isChanged(): boolean {
    const form = this.dialog.querySelector("form");
    if (!this.opened || !form) return false;
    const folder =
      this.folder === undefined ? undefined : newFolder(typedFolder(form), this.folder);
    return folder !== undefined || !isSame(readForm(form), formOf(this.opened));
  }

  private async save(form: SettingsForm, typed: string): Promise<void> {
    const { opened } = this;
    if (!opened) return;
    this.leaving = false;
    const meant = settingsOf(form, opened);
    if ("words" in meant) {
      this.refuse(meant);
      if (meant.field) this.focusOn(meant.field);
      return;
    }
    [this.wrong, this.saving] = [undefined, true];
    this.update();
    const path = this.folder === undefined ? undefined : newFolder(typed, this.folder);
    if (path !== undefined) {
      const reply = await this.intent({ kind: "set_download_folder", path });
      if (this.opened !== opened) return;
      if (reply.kind === "failed") {
        this.saving = false;
        this.refuse({ words: saidWords(reply), field: "folder" });
        this.focusOn("folder");
        return;
      }
      this.folder = path;
    }
    const reply = await this.intent({ kind: "configure", settings: meant.settings });
    // It may have been closed meanwhile, and opened again.
    if (this.opened !== opened) return;
    this.saving = false;
    if (reply.kind === "failed") this.refuse({ words: saidWords(reply) });
    else this.dialog.close();
  }

  private focusOn(field: string): void {
    this.dialog.querySelector<HTMLElement>(`[name=${field}]`)?.focus();
  }

  private refuse(wrong: SettingsUi["wrong"]): void {
    this.wrong = wrong;
    this.update();
  }
}
