// The content of the settings dialog.
//
// A pure template. The dialog's fields hold what the user typed. They start with the settings at
// the time of opening; later changes affect only the line about the router.

import type { TemplateResult } from "lit";
import { html, nothing } from "lit";
import type { Encryption } from "../model/generated/Encryption";
import type { Settings } from "../model/generated/Settings";
import { t } from "../text/messages";
import * as icons from "../ui/icons";
import { folderView } from "./settings_folder";
import type { SettingsForm, SettingsSwitches, SettingsTexts } from "./settings_form";
import { FIELDS, formOf } from "./settings_form";
import type { ReachTone } from "./settings_words";

/** What a user can do in the dialog. */
export interface SettingsActions {
  /** Saves the form. `folder` is the text of the download folder's field. */
  save(form: SettingsForm, folder: string): void;
  /** Closes the dialog, or first asks about unsaved changes. */
  leave(): void;
  /** Closes the dialog and discards changes. */
  close(): void;
  /** Returns to the form. */
  stay(): void;
}

/** What the dialog shows besides its fields. */
export interface SettingsUi {
  reach: { words: string; tone: ReachTone };
  /** What is wrong, and with which field. */
  wrong: { words: string; field?: keyof SettingsTexts | "folder" | undefined } | undefined;
  /** The download folder. `undefined` where it can't be changed. */
  folder: string | undefined;
  /** Whether the dialog asks about unsaved changes. */
  leaving: boolean;
  /** Whether the settings are being saved. */
  saving: boolean;
}

const ENCRYPTION: readonly Encryption[] = ["allowed", "preferred", "forced", "off"];
const SWITCHES: readonly (keyof SettingsSwitches)[] = [
  "tcp",
  "utp",
  "trackers",
  "dht",
  "pex",
  "webSeeds",
];

/** The dialog's content. `settings` are those at the time of opening. */
export function settingsView(
  settings: Settings,
  ui: SettingsUi,
  actions: SettingsActions,
): TemplateResult {
  const form = formOf(settings);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    actions.save(readForm(form), typedFolder(form));
  };
  const text = (field: keyof SettingsTexts, unit: string, none = t("settingsNoLimit")) =>
    textView(form, field, unit, none, ui);
  const box = (name: keyof SettingsSwitches) => boxView(form, name);
  const { wrong } = ui;
  const wrongFolder = wrong?.field === "folder" ? wrong.words : undefined;
  return html`<form class="settings" data-testid="settings-form" novalidate @submit=${submit}>
    <header class="settings-head">
      <h2 id="settings-title">${t("settingsTitle")}</h2>
      <button
        type="button"
        class="icon-button"
        aria-label=${t("settingsClose")}
        title=${t("commonClose")}
        @click=${() => actions.leave()}
      >
        ${icons.cross}
      </button>
    </header>
    <div class="settings-body">
      <p class="reach" data-testid="reach" data-tone=${ui.reach.tone}>
        <span class="reach-dot" aria-hidden="true"></span><span>${ui.reach.words}</span>
      </p>
      ${ui.folder === undefined ? nothing : folderView(ui.folder, wrongFolder)}
      <fieldset>
        <legend>${t("settingsSpeed")}</legend>
        <div class="fields">${text("download", "MB/s")} ${text("upload", "MB/s")}</div>
      </fieldset>
      <fieldset>
        <legend>${t("settingsAdding")}</legend>
        <label class="box">
          <input
            type="checkbox"
            name="startAtOnce"
            data-testid="set-startAtOnce"
            .defaultChecked=${form.startAtOnce}
          />${t("settingsStartAtOnce")}
        </label>
      </fieldset>
      <fieldset>
        <legend>${t("settingsQueue")}</legend>
        <div class="fields">
          ${text("downloads", "", t("settingsAll"))} ${text("seeds", "", t("settingsAll"))}
        </div>
      </fieldset>
      <fieldset>
        <legend>${t("settingsStopSeeding")}</legend>
        <div class="fields">
          ${text("ratio", t("settingsTimesSize"), t("settingsNever"))}
          ${text("seedTime", t("settingsMinutes"), t("settingsNever"))}
        </div>
      </fieldset>
      <fieldset>
        <legend>${t("settingsPeers")}</legend>
        <div class="fields">
          <div class="field">
            <label for="settings-encryption">${t("settingsEncryption")}</label>
            <select id="settings-encryption" name="encryption" data-testid="set-encryption">
              ${ENCRYPTION.map(
                (value) => html`<option
                value=${value}
                ?selected=${value === form.encryption}
              >
                ${t(`settingsEncryption_${value}`)}
              </option>`,
              )}
            </select>
          </div>
          <div class="field">
            <span class="field-label" id="settings-over">${t("settingsProtocols")}</span>
            <div class="boxes" role="group" aria-labelledby="settings-over">
              ${box("tcp")} ${box("utp")}
            </div>
          </div>
          ${text("connections", "", "")}
        </div>
        <p class="hint">${t("settingsNewConnections")}</p>
      </fieldset>
      <fieldset>
        <legend>${t("settingsSources")}</legend>
        <div class="boxes">${box("trackers")} ${box("dht")} ${box("pex")} ${box("webSeeds")}</div>
      </fieldset>
    </div>
    <footer class="settings-foot">
      <p id="settings-words" class="settings-words" data-testid="settings-words" role="alert">
        ${
          ui.leaving
            ? t("settingsUnsaved")
            : wrong && wrong.field !== "folder"
              ? wrong.words
              : nothing
        }
      </p>
      ${
        ui.leaving
          ? html`<button
            type="button"
            class="button"
            data-testid="settings-discard"
            @click=${() => actions.close()}
          >
            ${t("settingsDiscard")}
          </button>
            <button
              type="button"
              class="button"
              data-testid="settings-stay"
              @click=${() => actions.stay()}
            >
              ${t("settingsStay")}
            </button>`
          : html`<button
            type="button"
            class="button"
            data-testid="settings-cancel"
            @click=${() => actions.close()}
          >
            ${t("commonCancel")}
          </button>`
      }
      <button class="button primary" data-testid="settings-save" ?disabled=${ui.saving}>
        ${t("commonSave")}
      </button>
    </footer>
  </form>`;
}

function textView(
  form: SettingsForm,
  field: keyof SettingsTexts,
  unit: string,
  none: string,
  ui: SettingsUi,
): TemplateResult {
  const wrong = ui.wrong?.field === field;
  return html`<div class="field">
    <label for="settings-${field}">${t(`settingsLabel_${field}`)}</label>
    <span class="field-line">
      <input
        id="settings-${field}"
        name=${field}
        data-testid="set-${field}"
        type="text"
        inputmode=${unit ? "decimal" : "numeric"}
        placeholder=${none}
        autocomplete="off"
        ?autofocus=${field === "download"}
        .defaultValue=${form.texts[field]}
        aria-invalid=${wrong ? "true" : "false"}
        aria-describedby=${unit ? `settings-${field}-unit settings-words` : "settings-words"}
      />
      ${unit ? html`<span class="field-unit" id="settings-${field}-unit">${unit}</span>` : nothing}
    </span>
  </div>`;
}

function boxView(form: SettingsForm, name: keyof SettingsSwitches): TemplateResult {
  return html`<label class="box">
    <input
      type="checkbox"
      name=${name}
      data-testid="set-${name}"
      .defaultChecked=${form.switches[name]}
    />${t(`settingsSwitch_${name}`)}
  </label>`;
}

/** The text of the download folder's field. Empty if there is no such field. */
export function typedFolder(form: HTMLFormElement): string {
  return (form.elements.namedItem("folder") as HTMLInputElement | null)?.value ?? "";
}

/** Reads the form's fields. */
export function readForm(form: HTMLFormElement): SettingsForm {
  const field = (name: string) => form.elements.namedItem(name) as HTMLInputElement;
  const read = <K extends string, V>(names: readonly K[], of: (input: HTMLInputElement) => V) =>
    Object.fromEntries(names.map((name) => [name, of(field(name))])) as { [N in K]: V };
  return {
    texts: read(FIELDS, (input) => input.value),
    encryption: field("encryption").value as Encryption,
    switches: read(SWITCHES, (input) => input.checked),
    startAtOnce: field("startAtOnce").checked,
  };
}
