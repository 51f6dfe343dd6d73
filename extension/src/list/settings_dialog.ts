// The settings dialog at work: opened with the settings of the moment, saved when the engine took them, or telling why it did not.
//
// Closing it loses what was typed and nothing else.

import { render } from "lit";
import type { Intent } from "../model/generated/Intent";
import type { IntentReply } from "../model/generated/IntentReply";
import type { Settings } from "../model/generated/Settings";
import type { World } from "../model/generated/World";
import { closeByPressBeside } from "../ui/dialogs";
import type { SettingsForm } from "./settings_form";
import { settingsOf } from "./settings_form";
import type { SettingsUi } from "./settings_view";
import { settingsView } from "./settings_view";
import { reachWords } from "./settings_words";

/** The dialog, and what it shows beside its fields. */
export class SettingsDialog {
  /** Those with which it was opened; `undefined` while it is closed. */
  private opened: Settings | undefined;
  private wrong: SettingsUi["wrong"];
  private saving = false;

  constructor(
    private readonly dialog: HTMLDialogElement,
    private readonly world: () => World | undefined,
    private readonly intent: (intent: Intent) => Promise<IntentReply>,
  ) {
    dialog.addEventListener("close", () => (this.opened = undefined));
    closeByPressBeside(dialog);
  }

  /** Shows the settings, if they are known. */
  open(): void {
    const settings = this.world()?.settings;
    if (!settings) return;
    [this.opened, this.wrong, this.saving] = [settings, undefined, false];
    this.update();
    // What was typed before and not saved is gone.
    this.dialog.querySelector("form")?.reset();
    this.dialog.showModal();
  }

  /** Shows what is new of the world. */
  update(): void {
    const world = this.world();
    if (!this.opened || !world) return;
    const ui = { reach: reachWords(world), wrong: this.wrong, saving: this.saving };
    render(settingsView(this.opened, ui, { save: (form) => void this.save(form), close: () => this.dialog.close() }), this.dialog);
  }

  private async save(form: SettingsForm): Promise<void> {
    const { opened } = this;
    if (!opened) return;
    const meant = settingsOf(form, opened);
    if ("words" in meant) {
      this.refuse(meant);
      this.dialog.querySelector<HTMLElement>(`[name=${meant.field}]`)?.focus();
      return;
    }
    [this.wrong, this.saving] = [undefined, true];
    this.update();
    const reply = await this.intent({ kind: "configure", settings: meant.settings });
    // It may have been closed meanwhile, and opened again.
    if (this.opened !== opened) return;
    this.saving = false;
    if (reply.kind === "failed") this.refuse({ words: reply.message });
    else this.dialog.close();
  }

  private refuse(wrong: SettingsUi["wrong"]): void {
    this.wrong = wrong;
    this.update();
  }
}
