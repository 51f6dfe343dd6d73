// The download folder in the settings: a field, and why a folder is refused.
//
// Pure. The daemon decides which folders it can use.

import type { TemplateResult } from "lit";
import { html, nothing } from "lit";
import type { World } from "../model/generated/World";
import { t } from "../text/messages";

/** The download folder. `undefined` where it can't be changed. */
export function folderOf({ roots, folders }: Pick<World, "roots" | "folders">): string | undefined {
  return folders ? roots[0]?.path : undefined;
}

/** The folder that the user typed, if it differs from `before`. */
export function newFolder(typed: string, before: string): string | undefined {
  const trimmed = typed.trim();
  return trimmed === before ? undefined : trimmed;
}

/** The field. `folder` is the download folder when the dialog was opened. */
export function folderView(folder: string, wrong: string | undefined): TemplateResult {
  return html`<fieldset>
    <legend>${t("settingsFolder")}</legend>
    <div class="field">
      <label for="settings-folder">${t("settingsFolderLabel")}</label>
      <input
        id="settings-folder"
        name="folder"
        data-testid="set-folder"
        type="text"
        autocomplete="off"
        spellcheck="false"
        .defaultValue=${folder}
        aria-invalid=${wrong === undefined ? "false" : "true"}
        aria-describedby="settings-folder-words settings-folder-hint"
      />
      <p id="settings-folder-words" class="settings-words" data-testid="folder-words" role="alert">
        ${wrong ?? nothing}
      </p>
    </div>
    <p id="settings-folder-hint" class="hint">${t("settingsFolderHint")}</p>
  </fieldset>`;
}
