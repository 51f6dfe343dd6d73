// The settings dialog: shows the current settings, saves them, shows why saving failed.
//
// Unsaved changes are discarded only after the user confirms.

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
import { engineWords } from "../text/sentence_words";

/** Controls the dialog. */
export class SettingsDialog {
  /** The settings when the dialog was opened. `undefined` while it is closed. */
  private opened: Settings | undefined;
  private wrong: SettingsUi["wrong"];
  private saving = false;
  /** Whether to open the dialog as soon as the settings are known. */
  private isWanted = false;
  private leaving = false;
  /** The download folder when the dialog was opened. */
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
    // A second Escape would close the dialog even if `cancel` is prevented.
    dialog.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.isChanged()) return;
      event.preventDefault();
      this.leave();
    });
  }

  /** Opens the dialog, now or as soon as the settings are known. */
  open(): void {
    const settings = this.world()?.settings;
    this.isWanted = !settings;
    if (!settings || this.dialog.open) return;
    [this.opened, this.wrong, this.saving, this.leaving] = [settings, undefined, false, false];
    this.folder = folderOf(this.world()!);
    this.update();
    // Discards what was typed before.
    this.dialog.querySelector("form")?.reset();
    this.dialog.showModal();
  }

  /** Renders the dialog again after the engine's state has changed. */
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

  /** Closes the dialog, or first asks about unsaved changes. */
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

  /** Whether there are unsaved changes. */
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
        this.refuse({ words: engineWords(reply), field: "folder" });
        this.focusOn("folder");
        return;
      }
      this.folder = path;
    }
    const reply = await this.intent({ kind: "configure", settings: meant.settings });
    // The dialog may have been closed and opened again meanwhile.
    if (this.opened !== opened) return;
    this.saving = false;
    if (reply.kind === "failed") this.refuse({ words: engineWords(reply) });
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
