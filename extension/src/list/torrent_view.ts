// One torrent in the list: its row, and below it, when opened, its files and details.
//
// Pure templates: what they show comes in, what a person does goes out through `TorrentActions`. Foreign text (names,
// paths, messages) is only ever put in as text, isolated by `bdi` because it can be written right to left.

import type { TemplateResult } from "lit";
import { html, nothing } from "lit";
import { live } from "lit/directives/live.js";
import { styleMap } from "lit/directives/style-map.js";
import type { FilePriority } from "../model/generated/FilePriority";
import type { FileView } from "../model/generated/FileView";
import type { Priority } from "../model/generated/Priority";
import type { RootView } from "../model/generated/RootView";
import type { TorrentState } from "../model/generated/TorrentState";
import { clockTime, count, percent, size, splitPath } from "../text/format";
import * as icons from "../ui/icons";
import { playerPage } from "../model/locations";
import type { ContentsState, TorrentRow } from "../model/topics";
import { givenWords, isDescribed, progressWords, rateWords, share, shareWords, stateWords } from "./torrent_words";

/** So many files are shown at first, and so many more each time a person asks. */
export const FILES_AT_FIRST = 50;
export const FILES_MORE = 200;

/** What a person can do with a torrent. */
export interface TorrentActions {
  toggle(infoHash: string): void;
  pause(infoHash: string): void;
  resume(infoHash: string): void;
  remove(infoHash: string): void;
  moreFiles(infoHash: string): void;
  copy(file: FileView, key: string): void;
  addPeers(infoHash: string, form: HTMLFormElement): void;
  /** Wants files more or less. */
  want(infoHash: string, files: FilePriority[]): void;
  /** Hashes everything again, or calls that off. */
  recheck(infoHash: string, begin: boolean): void;
  /** Goes on in the files that had the names of its files. */
  adopt(infoHash: string): void;
  /** A film is likely to be opened soon. */
  prepare(infoHash: string, index: number): void;
  /** Says that a film was watched, or was not. */
  watched(infoHash: string, index: number, watched: boolean): void;
  /** Moves it, or gives it another name. */
  move(infoHash: string, form: HTMLFormElement): void;
}

/** What a page knows of a torrent besides the torrent. */
export interface TorrentUi {
  open: boolean;
  filesShown: number;
  /** Whether its files can be reached now. */
  online: boolean;
  /** Which file's address was just copied. */
  copied: string | undefined;
  /** What came of adding peers. */
  peersWords: string | undefined;
  /** Where it may lie. */
  roots: readonly RootView[];
  /** What came of moving it. */
  moveWords: string | undefined;
}

/** A torrent of whose contents it is known what they are. */
type Opened = TorrentRow & ContentsState;

/** A torrent's entry in the list. Its contents are needed only while it is open. */
export function torrentView(
  torrent: TorrentRow,
  contents: ContentsState | undefined,
  ui: TorrentUi,
  actions: TorrentActions,
): TemplateResult {
  const { infoHash, name, state } = torrent;
  return html`<li class="torrent" data-testid="torrent" data-info-hash=${infoHash} data-state=${state} ?data-open=${ui.open}>
    <div class="torrent-row">
      ${leadView(torrent, actions)}
      <div class="torrent-main">
        <div class="torrent-head">
          <button
            class="torrent-name"
            title=${name}
            aria-expanded=${ui.open ? "true" : "false"}
            data-testid="toggle"
            @click=${() => actions.toggle(infoHash)}
          >
            <bdi>${name}</bdi>
          </button>
          <span class="torrent-share">${shareWords(torrent)}</span>
        </div>
        <progress
          class="bar"
          data-testid="torrent-progress"
          aria-label="Downloaded"
          max="1"
          .value=${share(torrent)}
        ></progress>
        <div class="torrent-meta">
          <span class="torrent-size">${progressWords(torrent)}</span>
          <span class="torrent-state" data-testid="torrent-state">${stateWords(torrent)}</span>
          <span class="torrent-rate" title=${givenWords(torrent)}>${rateWords(torrent)}</span>
          <span class="torrent-peers" data-testid="torrent-peers">${count(torrent.peers, "peer")}</span>
        </div>
        ${torrent.message ? messageView(torrent.state, torrent.message) : nothing}
      </div>
      ${buttonsView(torrent, ui, actions)}
    </div>
    ${ui.open && contents ? openView({ ...torrent, ...contents }, ui, actions) : nothing}
  </li>`;
}

/** What a torrent says of itself: trouble, but while its description is fetched only how that goes. */
function messageView(state: TorrentState, message: string): TemplateResult {
  return html`<p class="torrent-message" data-testid="torrent-message" role="status">
    ${state === "metadata" ? nothing : icons.warning}<bdi>${message}</bdi>
  </p>`;
}

function leadView(torrent: TorrentRow, actions: TorrentActions): TemplateResult {
  if (!isDescribed(torrent)) return html`<span class="lead" title="What is in it is not known yet">${icons.link}</span>`;
  const { next } = torrent;
  if (!next) return html`<span class="lead" title="Nothing in it that plays">${icons.document_}</span>`;
  const does = next.resumes ? `Resume ${next.name} at ${clockTime(next.positionS)}` : `Play ${next.name}`;
  return html`<a
    class="lead lead-play"
    data-testid="play"
    data-index=${next.index}
    href=${playerPage(torrent.infoHash, next.index)}
    aria-label="${next.resumes ? "Resume" : "Play"} ${torrent.name}"
    title=${does}
    @pointerenter=${() => actions.prepare(torrent.infoHash, next.index)}
    >${icons.play}</a
  >`;
}

function buttonsView(torrent: TorrentRow, ui: TorrentUi, actions: TorrentActions): TemplateResult {
  const { infoHash, name, state } = torrent;
  const stopped = state === "paused" || state === "error";
  const [label, icon, act] = stopped
    ? (["Resume", icons.resume, actions.resume] as const)
    : (["Pause", icons.pause, actions.pause] as const);
  const what = isDescribed(torrent) ? "files" : "details";
  return html`<div class="torrent-buttons">
    <button
      class="icon-button ${state === "complete" ? "absent" : ""}"
      data-testid=${stopped ? "resume" : "pause"}
      aria-label="${label} ${name}"
      title=${label}
      @click=${() => act(infoHash)}
    >
      ${icon}
    </button>
    <button
      class="icon-button"
      data-testid="remove"
      aria-label="Remove ${name}"
      title="Remove…"
      @click=${() => actions.remove(infoHash)}
    >
      ${icons.remove}
    </button>
    <button
      class="icon-button torrent-chevron"
      aria-label="${ui.open ? "Hide" : "Show"} the ${what} of ${name}"
      aria-expanded=${ui.open ? "true" : "false"}
      title="${ui.open ? "Hide" : "Show"} ${what}"
      @click=${() => actions.toggle(infoHash)}
    >
      ${icons.chevron}
    </button>
  </div>`;
}

function openView(torrent: Opened, ui: TorrentUi, actions: TorrentActions): TemplateResult {
  const shown = torrent.files.slice(0, ui.filesShown);
  const left = torrent.files.length - shown.length;
  return html`<div class="torrent-open">
    ${torrent.files.length > 1 ? chooseAllView(torrent, actions) : nothing}
    ${
      shown.length > 0
        ? html`<ul class="files" ?data-several=${torrent.files.length > 1} aria-label="Files">
          ${shown.map((file) => fileView(torrent, file, ui, actions))}
        </ul>`
        : nothing
    }
    ${
      left > 0
        ? html`<button class="quiet-button" data-testid="more-files" @click=${() => actions.moreFiles(torrent.infoHash)}>
          Show ${count(Math.min(left, FILES_MORE), "more file", "more files")} of ${left.toLocaleString("en")}
        </button>`
        : nothing
    }
    ${detailsView(torrent, ui, actions)}
  </div>`;
}

/** Chooses all files, or none. */
function chooseAllView(torrent: Opened, actions: TorrentActions): TemplateResult {
  const all = torrent.files.length;
  const chosen = torrent.files.filter(isWanted).length;
  const change = (event: Event) => {
    const box = event.currentTarget as HTMLInputElement;
    const priority = box.checked ? "normal" : "skip";
    const changed = torrent.files.filter((file) => isWanted(file) !== box.checked);
    actions.want(
      torrent.infoHash,
      changed.map(({ index }) => ({ index, priority })),
    );
  };
  return html`<label class="choose-all">
    <input
      type="checkbox"
      data-testid="want-all"
      .checked=${live(chosen === all)}
      .indeterminate=${live(chosen > 0 && chosen < all)}
      @change=${change}
    />
    ${chosen === all ? `All ${all.toLocaleString("en")} files` : `${chosen.toLocaleString("en")} of ${all.toLocaleString("en")} files`}
  </label>`;
}

function isWanted(file: FileView): boolean {
  return file.priority !== "skip";
}

/** Whether a file is wanted, and how much. */
function wantView(torrent: Opened, file: FileView, name: string, actions: TorrentActions): TemplateResult {
  const want = (priority: Priority) => actions.want(torrent.infoHash, [{ index: file.index, priority }]);
  return html`<input
      type="checkbox"
      class="file-want"
      data-testid="want"
      aria-label="Download ${name}"
      title="Download this file"
      .checked=${live(isWanted(file))}
      @change=${(event: Event) => want((event.currentTarget as HTMLInputElement).checked ? "normal" : "skip")}
    />`;
}

function priorityView(torrent: Opened, file: FileView, name: string, actions: TorrentActions): TemplateResult {
  const change = (event: Event) => {
    const priority = (event.currentTarget as HTMLSelectElement).value as Priority;
    actions.want(torrent.infoHash, [{ index: file.index, priority }]);
  };
  return html`<select
    class="file-priority"
    data-testid="priority"
    aria-label="When ${name} is downloaded"
    title="When it is downloaded"
    ?disabled=${!isWanted(file)}
    .value=${live(isWanted(file) ? file.priority : "normal")}
    @change=${change}
  >
    <option value="high">First</option>
    <option value="normal">Normal</option>
    <option value="low">Last</option>
  </select>`;
}

function fileView(torrent: Opened, file: FileView, ui: TorrentUi, actions: TorrentActions): TemplateResult {
  const { folder, name } = splitPath(file.path);
  const several = torrent.files.length > 1;
  const key = `${torrent.infoHash}/${file.index}`;
  const copied = ui.copied === key;
  const lead = file.playable
    ? html`<a
        class="file-play"
        data-testid="play"
        data-index=${file.index}
        href=${playerPage(torrent.infoHash, file.index)}
        aria-label="Play ${name}"
        title=${file.positionS > 0 ? `Resume at ${clockTime(file.positionS)}` : "Play"}
        @pointerenter=${() => actions.prepare(torrent.infoHash, file.index)}
        >${icons.play}</a
      >`
    : html`<span class="file-play file-still">${icons.document_}</span>`;
  return html`<li class="file" data-testid="file" data-index=${file.index} data-priority=${file.priority}>
    ${several ? wantView(torrent, file, name, actions) : nothing} ${lead}
    <span class="file-path" title=${file.path}>
      <bdi class="file-name">${name}</bdi>${folder ? html`<bdi class="file-folder">${folder.slice(0, -1)}</bdi>` : nothing}
    </span>
    <progress class="bar bar-small" aria-label="Downloaded" max=${Math.max(file.length, 1)} .value=${file.length > 0 ? file.verified : 1}></progress>
    <span class="file-share">${percent(file.verified, file.length)}</span>
    <span class="file-size">${size(file.length)}</span>
    ${several ? priorityView(torrent, file, name, actions) : nothing}
    ${file.playable ? watchedView(torrent, file, name, actions) : html`<span></span>`}
    <button
      class="icon-button file-copy"
      data-testid="copy-url"
      ?data-copied=${copied}
      ?disabled=${!ui.online}
      aria-label="Copy the stream address of ${name}, for VLC or mpv"
      title=${copied ? "Copied" : "Copy stream address, for VLC or mpv"}
      @click=${() => actions.copy(file, key)}
    >
      ${copied ? icons.check : icons.copy}
    </button>
  </li>`;
}

/** Whether a film was watched: a tick that a person can set and take away, and else how far it was watched. */
function watchedView(torrent: Opened, file: FileView, name: string, actions: TorrentActions): TemplateResult {
  const left =
    file.durationS !== null && file.positionS > 0 ? `, left at ${clockTime(file.positionS)} of ${clockTime(file.durationS)}` : "";
  const words = file.watched ? "Watched" : `Not watched yet${left}`;
  return html`<button
    class="icon-button file-watched"
    data-testid="watched"
    aria-pressed=${file.watched ? "true" : "false"}
    aria-label="${name}: watched"
    title=${words}
    @click=${() => actions.watched(torrent.infoHash, file.index, !file.watched)}
  >
    ${file.watched ? icons.check : html`<span class="unwatched" style=${styleMap({ "--part": `${part(file)}%` })}></span>`}
  </button>`;
}

function part(file: FileView): number {
  return file.durationS ? Math.round(Math.min(1, file.positionS / file.durationS) * 100) : 0;
}

function contentFacts(torrent: Opened): TemplateResult {
  const { version, pieceCount, pieceLength, files, downloaded, wasted } = torrent;
  const kind = version === "v2" ? "BitTorrent v2" : version === "hybrid" ? "BitTorrent v1 and v2" : "BitTorrent v1";
  return html`<div><dt>Kind</dt><dd>${kind}</dd></div>
    <div><dt>Pieces</dt><dd>${pieceCount.toLocaleString("en")} of ${size(pieceLength)}</dd></div>
    <div><dt>Files</dt><dd>${files.length.toLocaleString("en")}</dd></div>
    <div><dt>Received</dt><dd>${size(downloaded)}${wasted > 0 ? html`, ${size(wasted)} of it in vain` : nothing}</dd></div>`;
}

/** Says which files have a number in their name because others had theirs, and offers to go on in those. */
function displacedView(torrent: Opened, ui: TorrentUi, actions: TorrentActions): TemplateResult | typeof nothing {
  const displaced = torrent.files.filter((file) => file.displaced);
  const [first] = displaced;
  if (first === undefined) return nothing;
  const what = displaced.length === 1 ? `“${splitPath(first.path).name}”` : `${displaced.length.toLocaleString("en")} files`;
  const others = displaced.length === 1 ? "another file was there under its own name" : "other files were there under their own names";
  return html`<div class="recheck" data-testid="displaced">
    <button class="button" data-testid="adopt" ?disabled=${!ui.online} @click=${() => actions.adopt(torrent.infoHash)}>
      Use what was there
    </button>
    <span class="recheck-words">
      ${what} got a number because ${others}. Using what was there overwrites whatever differs in it.
    </span>
  </div>`;
}

function recheckView(torrent: Opened, ui: TorrentUi, actions: TorrentActions): TemplateResult {
  const { infoHash, checkProgress } = torrent;
  const checking = checkProgress !== null;
  return html`<div class="recheck">
    <button
      class="button"
      data-testid=${checking ? "recheck-stop" : "recheck"}
      ?disabled=${!ui.online}
      @click=${() => actions.recheck(infoHash, !checking)}
    >
      ${checking ? "Stop checking" : "Check files again"}
    </button>
    ${
      checking
        ? html`<progress class="bar" data-testid="recheck-progress" aria-label="Checked" max="1" .value=${checkProgress}></progress>
          <span class="recheck-share">${percent(checkProgress, 1)}</span>`
        : html`<span class="recheck-words">Hashes everything that lies on the disk, in case it was damaged.</span>`
    }
  </div>`;
}

function moveView(torrent: Opened, ui: TorrentUi, actions: TorrentActions): TemplateResult {
  const { infoHash, root, liesAt, moveProgress } = torrent;
  const { folder, name } = splitPath(liesAt);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    actions.move(infoHash, event.currentTarget as HTMLFormElement);
  };
  const id = `move-${infoHash}`;
  return html`<form class="peers" @submit=${submit}>
    <label for=${id}>Where it lies: a folder, and its name there</label>
    <div class="peers-line move-line">
      ${
        ui.roots.length > 1
          ? html`<select name="root" data-testid="move-root" aria-label="Download folder">
            ${ui.roots.map(({ key, label }) => html`<option value=${key} ?selected=${key === root}>${label}</option>`)}
          </select>`
          : nothing
      }
      <input id=${id} name="folder" data-testid="move-folder" type="text" .defaultValue=${folder.slice(0, -1)} placeholder="No folder" autocomplete="off" spellcheck="false" />
      <input name="name" data-testid="move-name" type="text" aria-label="Name" .defaultValue=${name} autocomplete="off" spellcheck="false" required />
      <button class="button" data-testid="move" ?disabled=${!ui.online || moveProgress !== null}>Move</button>
    </div>
    ${
      moveProgress === null
        ? html`<p class="peers-words" role="status">${ui.moveWords ?? ""}</p>`
        : html`<progress class="bar" data-testid="move-progress" aria-label="Moved" max="1" .value=${moveProgress}></progress>`
    }
  </form>`;
}

function detailsView(torrent: Opened, ui: TorrentUi, actions: TorrentActions): TemplateResult {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    actions.addPeers(torrent.infoHash, event.currentTarget as HTMLFormElement);
  };
  // There is nothing else to see before the description comes.
  return html`<details class="more" ?open=${!isDescribed(torrent)}>
    <summary data-testid="details">Details</summary>
    <dl class="facts">
      <div><dt>Info hash</dt><dd class="hash">${torrent.infoHash}</dd></div>
      ${isDescribed(torrent) ? contentFacts(torrent) : nothing}
      <div><dt>Peers</dt><dd>${torrent.peers} connected, ${torrent.knownPeers} known</dd></div>
    </dl>
    ${isDescribed(torrent) ? html`${displacedView(torrent, ui, actions)}${recheckView(torrent, ui, actions)}${moveView(torrent, ui, actions)}` : nothing}
    <form class="peers" @submit=${submit}>
      <label for="peers-${torrent.infoHash}">Add a peer by hand</label>
      <div class="peers-line">
        <input
          id="peers-${torrent.infoHash}"
          name="peers"
          data-testid="peer-input"
          type="text"
          placeholder="192.0.2.7:6881"
          autocomplete="off"
          spellcheck="false"
        />
        <button class="button" data-testid="peer-add">Add</button>
      </div>
      <p class="peers-words" role="status">${ui.peersWords ?? ""}</p>
    </form>
  </details>`;
}
