// The tools, folders and files of an open torrent, one line each.
//
// Pure templates, as in torrent_view.ts.

import type { TemplateResult } from "lit";
import { html, nothing } from "lit";
import { live } from "lit/directives/live.js";
import type { FileView } from "../model/generated/FileView";
import type { Priority } from "../model/generated/Priority";
import { playerPage } from "../model/locations";
import type { ContentsState, TorrentRow } from "../model/topics";
import { clockTime, percent, size, splitPath } from "../text/format";
import { isArchive, needsFfmpeg } from "../text/kinds";
import { number, t, tn } from "../text/messages";
import { cutName } from "../ui/cut_name";
import * as icons from "../ui/icons";
import { meter } from "../ui/meter";
import { styles } from "../ui/styles";
import { isChecked } from "./forms";
import type { TorrentActions } from "./torrent_actions";
import type { Folder } from "./tree";

/** Fewest files for which a search field is shown. */
const MANY_FILES = 12;

function isWanted(file: FileView): boolean {
  return file.priority !== "skip";
}

/** The line above the files: select all, search, details. */
export function toolsView(
  torrent: TorrentRow,
  { files }: ContentsState,
  ui: { search: string; hasDetails: boolean },
  actions: TorrentActions,
): TemplateResult {
  const { infoHash } = torrent;
  const chosen = files.filter(isWanted).length;
  const all = files.map((_, at) => at);
  const find = (event: Event) =>
    actions.findFile(infoHash, (event.currentTarget as HTMLInputElement).value);
  return html`<div class="tools">
    ${
      files.length > 1
        ? html`<label class="choose-all">
          <input
            type="checkbox"
            data-testid="want-all"
            data-main
            .checked=${live(chosen === files.length)}
            .indeterminate=${live(chosen > 0 && chosen < files.length)}
            @change=${(event: Event) => actions.wantAll(infoHash, all, isChecked(event))}
          />
          ${
            chosen === files.length
              ? tn("torrentAllFiles", files.length)
              : t("torrentSomeFiles", number(chosen), number(files.length), chosenSize(files))
          }
        </label>`
        : nothing
    }
    ${
      files.length >= MANY_FILES
        ? html`<input
          type="search"
          class="file-search"
          data-testid="file-search"
          aria-label=${t("torrentFindFile")}
          placeholder=${t("torrentFindFile")}
          .value=${live(ui.search)}
          @input=${find}
        />`
        : nothing
    }
    ${
      torrent.next === null
        ? html`<span class="tools-words">${t("torrentNothingPlays")}</span>`
        : nothing
    }
    <button
      class="quiet-button tools-details"
      data-testid="details"
      aria-expanded=${ui.hasDetails ? "true" : "false"}
      @click=${() => actions.toggleDetails(infoHash)}
    >
      <span class="chevron">${icons.chevron}</span>${t("torrentDetails")}
    </button>
  </div>`;
}

function chosenSize(files: readonly FileView[]): string {
  return size(files.reduce((sum, file) => sum + (isWanted(file) ? file.length : 0), 0));
}

/** A folder's line. `files` are all files of the torrent. */
export function folderView(
  infoHash: string,
  files: readonly FileView[],
  { folder, depth, isCollapsed }: { folder: Folder; depth: number; isCollapsed: boolean },
  actions: TorrentActions,
): TemplateResult {
  const { chosen, length, verified } = sums(folder, files);
  return html`<div
    class="folder"
    data-testid="folder"
    data-path=${folder.path}
    data-chosen=${chosen}
    ${styles({ "--depth": String(depth) })}
  >
    <input
      type="checkbox"
      class="file-want"
      data-testid="want-folder"
      aria-label=${t("torrentDownloadNamed", folder.name)}
      .checked=${live(chosen === folder.all.length)}
      .indeterminate=${live(chosen > 0 && chosen < folder.all.length)}
      @change=${(event: Event) => actions.wantAll(infoHash, folder.all, isChecked(event))}
    />
    <button
      class="folder-name"
      data-testid="folder-toggle"
      data-main
      title=${folder.path}
      aria-expanded=${isCollapsed ? "false" : "true"}
      @click=${() => actions.toggleFolder(infoHash, folder.path)}
    >
      <span class="chevron">${icons.chevron}</span>${cutName(folder.name)}
    </button>
    <span class="file-count">${tn("torrentFiles", folder.all.length)}</span>
    <span class="file-share">${percent(verified, length)}</span>
    <span class="file-size">${size(length)}</span>
  </div>`;
}

/** The sums in a folder's line. `guard` compares them to skip a render. */
export function sums(
  folder: Folder,
  files: readonly FileView[],
): { chosen: number; length: number; verified: number } {
  let [chosen, length, verified] = [0, 0, 0];
  for (const at of folder.all) {
    const file = files[at];
    // The list of files may be newer than the folder.
    if (!file) continue;
    chosen += isWanted(file) ? 1 : 0;
    length += file.length;
    verified += file.verified;
  }
  return { chosen, length, verified };
}

/** A file's line. */
export function fileView(
  infoHash: string,
  file: FileView,
  ui: { depth: number; isAlone: boolean; isCopied: boolean; isOnline: boolean },
  actions: TorrentActions,
): TemplateResult {
  const { name } = splitPath(file.path);
  const kind = kindWords(file);
  const done = file.length > 0 ? file.verified / file.length : 1;
  return html`<div
    class="file"
    data-testid="file"
    data-index=${file.index}
    data-priority=${file.priority}
    ?data-alone=${ui.isAlone}
    ${styles({ "--depth": String(ui.depth) })}
  >
    ${ui.isAlone ? nothing : wantView(infoHash, file, name, actions)}
    ${leadView(infoHash, file, name, actions)}
    <span class="file-path" title=${file.path}>
      <span class="file-name">${cutName(name)}</span>
      ${kind ? html`<span class="file-kind">${kind}</span>` : nothing}
    </span>
    ${meter(t("torrentDownloaded"), done, "file-progress")}
    <span class="file-share">${percent(file.verified, file.length)}</span>
    <span class="file-size">${size(file.length)}</span>
    ${ui.isAlone ? nothing : priorityView(infoHash, file, name, actions)}
    <span class="file-buttons">
      ${file.playable ? watchedView(infoHash, file, name, actions) : nothing}
      <button
        class="icon-button"
        data-testid="rename"
        ?disabled=${!ui.isOnline}
        aria-label=${t("torrentRenameNamed", name)}
        title=${t("torrentRename")}
        @click=${() => actions.rename(infoHash, file)}
      >
        ${icons.pencil}
      </button>
      <button
        class="icon-button file-copy"
        data-testid="copy-url"
        ?data-copied=${ui.isCopied}
        ?disabled=${!ui.isOnline}
        aria-label=${t("torrentCopyAddressOf", name)}
        title=${ui.isCopied ? t("torrentCopied") : t("torrentCopyAddress")}
        @click=${() => actions.copyAddress(infoHash, file)}
      >
        ${ui.isCopied ? icons.check : icons.copy}
      </button>
    </span>
  </div>`;
}

/** Why a file may not play, judged by its name. Empty if nothing is known against it. */
function kindWords({ path, playable }: FileView): string {
  if (!playable) return isArchive(path) ? t("torrentArchive") : "";
  const kind = needsFfmpeg(path);
  return kind ? t("torrentNeedsFfmpeg", kind) : "";
}

function leadView(
  infoHash: string,
  file: FileView,
  name: string,
  actions: TorrentActions,
): TemplateResult {
  if (!file.playable) return html`<span class="file-play file-still">${icons.document_}</span>`;
  const title =
    file.positionS > 0 ? t("torrentResumeAt", clockTime(file.positionS)) : t("torrentPlayIt");
  return html`<a
    class="file-play"
    data-testid="play"
    data-main
    data-index=${file.index}
    href=${playerPage(infoHash, file.index)}
    aria-label=${t("torrentPlay", name)}
    title=${title}
    @pointerenter=${() => actions.prepare(infoHash, file.index)}
    >${icons.play}</a
  >`;
}

/** The checkbox that selects a file for download. */
function wantView(
  infoHash: string,
  file: FileView,
  name: string,
  actions: TorrentActions,
): TemplateResult {
  const change = (event: Event) => {
    const priority = isChecked(event) ? "normal" : "skip";
    actions.want(infoHash, [{ index: file.index, priority }]);
  };
  return html`<input
    type="checkbox"
    class="file-want"
    data-testid="want"
    aria-label=${t("torrentDownloadNamed", name)}
    .checked=${live(isWanted(file))}
    @change=${change}
  />`;
}

/** The choice of a file's priority. */
function priorityView(
  infoHash: string,
  file: FileView,
  name: string,
  actions: TorrentActions,
): TemplateResult {
  const change = (event: Event) => {
    const priority = (event.currentTarget as HTMLSelectElement).value as Priority;
    actions.want(infoHash, [{ index: file.index, priority }]);
  };
  return html`<select
    class="file-priority"
    data-testid="priority"
    aria-label=${t("torrentPriorityOf", name)}
    ?disabled=${!isWanted(file)}
    .value=${live(isWanted(file) ? file.priority : "normal")}
    @change=${change}
  >
    <option value="high">${t("torrentPriorityHigh")}</option>
    <option value="normal">${t("torrentPriorityNormal")}</option>
    <option value="low">${t("torrentPriorityLow")}</option>
  </select>`;
}

/** The button that marks a film as watched. Until then it shows how far the film was watched. */
function watchedView(
  infoHash: string,
  file: FileView,
  name: string,
  actions: TorrentActions,
): TemplateResult {
  const { positionS, durationS, watched } = file;
  const isBegun = durationS !== null && positionS > 0;
  const words = watched
    ? t("torrentWatched")
    : isBegun
      ? t("torrentLeftAt", clockTime(positionS), clockTime(durationS))
      : t("torrentUnwatched");
  const part = isBegun && durationS > 0 ? Math.round(Math.min(1, positionS / durationS) * 100) : 0;
  return html`<button
    class="icon-button file-watched"
    data-testid="watched"
    aria-pressed=${watched ? "true" : "false"}
    aria-label=${t("torrentWatchedNamed", name)}
    title=${words}
    @click=${() => actions.watched(infoHash, file.index, !watched)}
  >
    ${
      watched
        ? icons.check
        : html`<span class="unwatched" ${styles({ "--part": `${part}%` })}></span>`
    }
  </button>`;
}
