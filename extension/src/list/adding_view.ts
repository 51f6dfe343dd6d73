// The content of the dialog for new torrents: files, size, location, and the buttons.
//
// A pure template. Text from torrents is only inserted as text, isolated by `bdi`.

import type { TemplateResult } from "lit";
import { html, nothing } from "lit";
import { live } from "lit/directives/live.js";
import type { FileView } from "../model/generated/FileView";
import type { RootView } from "../model/generated/RootView";
import type { ContentsState, TorrentRow } from "../model/topics";
import { size, splitPath } from "../text/format";
import { t, tn } from "../text/messages";
import * as icons from "../ui/icons";
import type { Touched } from "./adding_choice";
import { bytesOf, filmOf, isChosen, shortage } from "./adding_choice";
import { isChecked } from "./forms";

/** What a user can do in the dialog. */
export interface AddingActions {
  choose(index: number, chosen: boolean): void;
  chooseAll(chosen: boolean): void;
  moreFiles(): void;
  into(root: string): void;
  watch(): void;
  download(): void;
  /** Downloads this torrent and all that are queued behind it. */
  downloadAll(): void;
  /** Removes the torrent again. */
  cancel(): void;
  /** Leaves the torrent undecided in the list. */
  later(): void;
}

/** What the dialog shows besides the torrent. */
export interface AddingUi {
  touched: Touched;
  filesShown: number;
  roots: readonly RootView[];
  /** Key of the download folder that is selected. */
  root: string;
  /** How many more torrents are queued. */
  waiting: number;
  /** Why the last decision was refused. Empty if it was not. */
  words: string;
  busy: boolean;
}

/** The dialog's content. */
export function addingView(
  torrent: TorrentRow & ContentsState,
  ui: AddingUi,
  actions: AddingActions,
): TemplateResult {
  const { files } = torrent;
  const chosen = bytesOf(files, ui.touched);
  const film = filmOf(files, ui.touched, torrent.next?.index);
  const left = files.length - ui.filesShown;
  const shown = files.slice(0, ui.filesShown);
  return html`<form
    class="adding"
    data-testid="adding"
    @submit=${(event: Event) => event.preventDefault()}
  >
    <header class="adding-head">
      <h2 id="adding-title"><bdi>${torrent.name}</bdi></h2>
      <button
        type="button"
        class="icon-button"
        aria-label=${t("addLater")}
        title=${t("addLater")}
        @click=${() => actions.later()}
      >
        ${icons.cross}
      </button>
    </header>
    <div class="adding-body">
      ${files.length > 1 ? allView(files, chosen.count, actions) : nothing}
      <ul class="adding-files" aria-label=${t("addFiles")}>
        ${shown.map((file) => fileView(file, files.length > 1, ui, actions))}
      </ul>
      ${
        left > 0
          ? html`<button type="button" class="quiet-button" @click=${() => actions.moreFiles()}>
            ${tn("addShowMore", left)}
          </button>`
          : nothing
      }
    </div>
    ${folderView(ui, actions)}
    <p
      class="adding-space"
      data-testid="adding-space"
      role="status"
      data-short=${shortage(files, ui.touched, rootOf(ui)) !== undefined ? "true" : "false"}
    >
      ${spaceWords(files, ui, chosen.missing)}
    </p>
    <p class="hint">
      ${film ? t("addWatchHint", splitPath(film.path).name) : t("addDownloadHint")}
    </p>
    <p class="settings-words" data-testid="adding-words" role="alert">${ui.words || nothing}</p>
    <footer class="adding-foot">
      <button
        type="button"
        class="button"
        data-testid="adding-cancel"
        ?disabled=${ui.busy}
        @click=${() => actions.cancel()}
      >
        ${t("addCancel")}
      </button>
      <span class="spacer"></span>
      ${
        ui.waiting > 0
          ? html`<button
            type="button"
            class="button"
            data-testid="adding-download-all"
            ?disabled=${ui.busy}
            @click=${() => actions.downloadAll()}
          >
            ${t("addDownloadAll", ui.waiting + 1)}
          </button>`
          : nothing
      }
      <button
        type="button"
        class="button ${film ? "" : "primary"}"
        data-testid="adding-download"
        ?autofocus=${film === undefined}
        ?disabled=${ui.busy || chosen.count === 0}
        @click=${() => actions.download()}
      >
        ${t("addDownload")}
      </button>
      <button
        type="button"
        class="button primary"
        data-testid="adding-watch"
        ?hidden=${!film}
        ?autofocus=${film !== undefined}
        ?disabled=${ui.busy || !film}
        @click=${() => actions.watch()}
      >
        ${icons.play}${t("addWatch")}
      </button>
    </footer>
  </form>`;
}

/** Whether the selected files fit on the disk, in words. */
export function spaceWords(
  files: readonly FileView[],
  ui: Pick<AddingUi, "touched" | "roots" | "root">,
  missing: number,
): string {
  const root = rootOf(ui);
  const short = shortage(files, ui.touched, root);
  if (!short)
    return root?.freeBytes == null
      ? t("addNeeds", size(missing))
      : t("addFits", size(missing), size(root.freeBytes));
  const needs = t("addShort", size(missing), size(short.free));
  if (short.without.length === 0) return needs;
  const without = short.without.map(({ path, length }) =>
    t("addNamed", splitPath(path).name, size(length)),
  );
  return `${needs} ${t("addWithout", without.join(", "))}`;
}

function rootOf(ui: Pick<AddingUi, "roots" | "root">): RootView | undefined {
  return ui.roots.find((root) => root.key === ui.root);
}

function allView(
  files: readonly FileView[],
  chosen: number,
  actions: AddingActions,
): TemplateResult {
  return html`<label class="choose-all">
    <input
      type="checkbox"
      data-testid="adding-all"
      .checked=${live(chosen === files.length)}
      .indeterminate=${live(chosen > 0 && chosen < files.length)}
      @change=${(event: Event) => actions.chooseAll(isChecked(event))}
    />
    ${
      chosen === files.length
        ? tn("addAllFiles", files.length)
        : t("addSomeFiles", chosen, files.length)
    }
  </label>`;
}

function fileView(
  file: FileView,
  several: boolean,
  ui: AddingUi,
  actions: AddingActions,
): TemplateResult {
  const { folder, name } = splitPath(file.path);
  return html`<li>
    <label class="adding-file" data-testid="adding-file" data-index=${file.index}>
      ${
        several
          ? html`<input
            type="checkbox"
            .checked=${live(isChosen(file, ui.touched))}
            @change=${(event: Event) => actions.choose(file.index, isChecked(event))}
          />`
          : nothing
      }
      <span class="adding-path" title=${file.path}>
        <bdi class="adding-name">${name}</bdi
        >${folder ? html`<bdi class="adding-in">${folder.slice(0, -1)}</bdi>` : nothing}
      </span>
      <span class="adding-size">${size(file.length)}</span>
    </label>
  </li>`;
}

function folderView(ui: AddingUi, actions: AddingActions): TemplateResult {
  const change = (event: Event) => actions.into((event.currentTarget as HTMLSelectElement).value);
  const only = ui.roots.length === 1 ? ui.roots[0]!.label : undefined;
  return html`<p class="adding-folder">
    <label for="adding-root">${t("addFolder")}</label>
    ${
      only === undefined
        ? html`<select id="adding-root" data-testid="adding-root" @change=${change}>
          ${ui.roots.map(
            (root) => html`<option value=${root.key} ?selected=${root.key === ui.root}>
            ${root.label}
          </option>`,
          )}
        </select>`
        : html`<output id="adding-root"><bdi>${only}</bdi></output>`
    }
  </p>`;
}
