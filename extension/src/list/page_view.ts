// The app page around its list: header, notices, notes about what was given, the empty page that teaches, the remove dialog.

import type { TemplateResult } from "lit";
import { html, nothing } from "lit";
import type { NoticeView } from "../model/generated/NoticeView";
import * as icons from "../ui/icons";
import type { TorrentRow } from "../model/topics";
import type { LinkNotice, LinkWords } from "../text/link_words";
import { size } from "../text/format";
import { parseLink } from "../text/torrent_link";
import type { Note } from "./add";

/** What a person can do on the page as a whole. */
export interface PageActions {
  /** The button for notifications. */
  bell(): TemplateResult;
  pick(): void;
  /** Shows the field for a link, or hides it. */
  link(): void;
  settings(): void;
  noticeAction(does: LinkNotice["action"]["does"]): void;
  copyCommand(command: string): void;
  dismiss(id: number): void;
  dismissAll(): void;
}

/** The top of the page. */
export function headerView(words: LinkWords, kind: string, linkField: boolean, settable: boolean, actions: PageActions): TemplateResult {
  return html`<header class="top">
    <h1 class="brand">${icons.mark}<span>JSTorrent</span></h1>
    <span class="link" data-testid="link-status" data-state=${kind} data-tone=${words.tone} role="status">
      <span class="link-dot" aria-hidden="true"></span>${words.brief}
    </span>
    <button
      class="icon-button ${settable ? "" : "absent"}"
      data-testid="settings"
      aria-label="Settings"
      title="Settings"
      @click=${() => actions.settings()}
    >
      ${icons.settings}
    </button>
    ${actions.bell()}
    <button
      class="button"
      data-testid="add-link"
      aria-label="Add link"
      aria-expanded=${linkField ? "true" : "false"}
      title="Add a magnet link, or the address of a .torrent file"
      @click=${() => actions.link()}
    >
      ${icons.link}<span class="add-what">Add link</span>
    </button>
    <button class="button primary" data-testid="add" @click=${() => actions.pick()}>${icons.plus}<span>Add<span class="add-what"> torrent</span></span></button>
  </header>`;
}

/** What a person has to know about the daemon, and the way on. */
export function noticeView(notice: LinkNotice, copied: string | undefined, actions: PageActions): TemplateResult {
  return html`<section class="notice" data-testid="notice" aria-labelledby="notice-title">
    <h2 id="notice-title">${notice.title}</h2>
    <p>${notice.text}</p>
    ${
      notice.commands.length > 0
        ? html`<ul class="commands">
          ${notice.commands.map(
            ({ label, command }) => html`<li>
              <span class="command-label">${label}</span>
              <code>${command}</code>
              <button
                class="icon-button"
                ?data-copied=${copied === command}
                aria-label="Copy the command ${command}"
                title=${copied === command ? "Copied" : "Copy"}
                @click=${() => actions.copyCommand(command)}
              >
                ${copied === command ? icons.check : icons.copy}
              </button>
            </li>`,
          )}
        </ul>`
        : nothing
    }
    <button class="button" data-testid="notice-action" @click=${() => actions.noticeAction(notice.action.does)}>
      ${notice.action.label}
    </button>
  </section>`;
}

/** A magnet link that a web page had the browser open here. */
export function broughtView(link: string, decide: (add: boolean) => void): TemplateResult {
  const parsed = parseLink(link);
  const name = "words" in parsed ? "This link" : parsed.name;
  return html`<section class="notice" data-testid="brought" aria-labelledby="brought-title">
    <h2 id="brought-title">Add this torrent?</h2>
    <p><bdi>${name}</bdi></p>
    <button class="button primary" data-testid="brought-add" @click=${() => decide(true)}>Add it</button>
    <button class="button" data-testid="brought-leave" @click=${() => decide(false)}>Not now</button>
  </section>`;
}

/** What the engine has to say about itself, for as long as it is so. */
export function engineNoticesView(notices: readonly NoticeView[]): TemplateResult {
  return html`<div class="notes" role="status" aria-live="polite" data-testid="engine-notices">
    ${notices.map(
      ({ kind, message }) => html`<p class="note" data-kind="failed" data-testid="engine-notice" data-about=${kind}>
        ${icons.warning}<span class="note-text"><bdi class="note-words">${message}</bdi></span>
      </p>`,
    )}
  </div>`;
}

/** More notes than this are summed up. */
const NOTES_SHOWN = 5;

/** What became of the files and links that a person gave. */
export function notesView(notes: Note[], online: boolean, actions: PageActions): TemplateResult {
  const failed = notes.filter((note) => note.kind === "failed");
  const pending = notes.length - failed.length;
  const more = failed.length - NOTES_SHOWN;
  return html`<div class="notes" role="status" aria-live="polite" data-testid="notes">
    ${
      pending > 0
        ? html`<p class="note" data-kind="pending">
          <span class="spinner" aria-hidden="true"></span>
          <span class="note-text">${pendingWords(notes, pending, online)}</span>
        </p>`
        : nothing
    }
    ${failed.slice(0, NOTES_SHOWN).map(
      (note) => html`<p class="note" data-kind="failed" data-testid="note">
        ${icons.warning}
        <span class="note-text"><bdi class="note-name">${note.name}</bdi><bdi class="note-words">${note.words}</bdi></span>
        <button class="icon-button" aria-label="Dismiss" title="Dismiss" @click=${() => actions.dismiss(note.id)}>${icons.cross}</button>
      </p>`,
    )}
    ${
      more > 0
        ? html`<p class="note" data-kind="failed">
          <span class="note-text">and ${more} more that could not be added.</span>
          <button class="quiet-button" @click=${() => actions.dismissAll()}>Dismiss all</button>
        </p>`
        : nothing
    }
  </div>`;
}

function pendingWords(notes: Note[], pending: number, online: boolean): TemplateResult {
  const first = notes.find((note) => note.kind !== "failed");
  const what = pending === 1 && first ? html`<bdi class="note-name">${first.name}</bdi>` : html`${pending} torrents`;
  return online ? html`Adding ${what}…` : html`${what} will be added as soon as the daemon is there.`;
}

/** The page with nothing in it: says what it is for. */
export function emptyView(actions: PageActions): TemplateResult {
  return html`<section class="empty" data-testid="empty">
    <div class="empty-art">${icons.mark}</div>
    <h2>Play it before it’s here</h2>
    <p>
      Drop a <strong>.torrent</strong> file anywhere on this page, or
      <button class="text-button" @click=${() => actions.pick()}>choose one</button>. A <strong>magnet link</strong> can be
      dropped or pasted, too.
    </p>
    <ol class="steps">
      <li><strong>Add</strong> a torrent. Its films and music appear here.</li>
      <li><strong>Press play.</strong> It starts as soon as the first pieces have come.</li>
      <li><strong>Jump anywhere.</strong> What you want to see is fetched first.</li>
    </ol>
  </section>`;
}

/** While there is nothing to show yet. */
export function loadingView(): TemplateResult {
  return html`<section class="empty loading" aria-busy="true"><div class="empty-art">${icons.mark}</div></section>`;
}

/** What the page shows while files are held over it. */
export function dropView(): TemplateResult {
  return html`<div class="drop" aria-hidden="true">
    <div class="drop-frame"><span class="drop-mark">${icons.plus}</span><span>Drop to add</span></div>
  </div>`;
}

/** Asks what is to become of the data. */
export function removeDialogView(torrent: TorrentRow, remove: (deleteData: boolean) => void, cancel: () => void): TemplateResult {
  return html`<h2>Remove this torrent?</h2>
    <p class="dialog-name"><bdi>${torrent.name}</bdi></p>
    <p>
      ${
        torrent.verified > 0
          ? html`${size(torrent.verified)} of it is on your disk. Keep that, or delete it as well?`
          : html`Nothing of it has been downloaded yet.`
      }
    </p>
    <div class="dialog-buttons">
      <button class="button" data-testid="remove-cancel" @click=${cancel}>Cancel</button>
      <span class="spacer"></span>
      <button class="button danger" data-testid="remove-delete" @click=${() => remove(true)}>Delete data</button>
      <button class="button primary" data-testid="remove-keep" autofocus @click=${() => remove(false)}>Keep data</button>
    </div>`;
}
