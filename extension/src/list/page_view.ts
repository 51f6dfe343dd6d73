// The app page around the list: header, notices, notes about added items, the empty page.

import type { TemplateResult } from "lit";
import { html, nothing } from "lit";
import type { NoticeView } from "../model/generated/NoticeView";
import * as icons from "../ui/icons";
import type { LinkNotice, LinkWords } from "../text/link_words";
import { t, tn } from "../text/messages";
import { parseLink } from "../text/torrent_link";
import { engineWords } from "../text/sentence_words";
import type { Note } from "./add";

/** Actions on the page as a whole. */
export interface PageActions {
  /** Renders the button for notifications. */
  bell(): TemplateResult;
  pick(): void;
  /** Opens or closes the field for a link. */
  link(): void;
  settings(): void;
  noticeAction(does: LinkNotice["action"]["does"]): void;
  copyCommand(command: string): void;
  dismiss(id: number): void;
  dismissAll(): void;
}

/** The header. */
export function headerView(
  words: LinkWords,
  kind: string,
  linkField: boolean,
  settable: boolean,
  actions: PageActions,
): TemplateResult {
  return html`<header class="top">
    <h1 class="brand">${icons.mark}<span>JSTorrent</span></h1>
    <span
      class="link"
      data-testid="link-status"
      data-state=${kind}
      data-tone=${words.tone}
      role="status"
    >
      <span class="link-dot" aria-hidden="true"></span
      ><span class="link-brief">${words.brief}</span>
    </span>
    <button
      class="icon-button ${settable ? "" : "absent"}"
      data-testid="settings"
      aria-label=${t("listSettings")}
      title=${t("listSettings")}
      @click=${() => actions.settings()}
    >
      ${icons.settings}
    </button>
    ${actions.bell()}
    <button
      class="button"
      data-testid="add-link"
      aria-label=${t("listAddLink")}
      aria-expanded=${linkField ? "true" : "false"}
      title=${t("listAddLinkWhich")}
      @click=${() => actions.link()}
    >
      ${icons.link}<span class="add-what">${t("listAddLink")}</span>
    </button>
    <button
      class="button primary"
      data-testid="add"
      aria-label=${t("listAddTorrent")}
      @click=${() => actions.pick()}
    >
      ${icons.plus}<span class="add-what">${t("listAddTorrent")}</span>
    </button>
  </header>`;
}

/** A problem with the daemon, with commands and a button that help. */
export function noticeView(
  notice: LinkNotice,
  copied: string | undefined,
  actions: PageActions,
): TemplateResult {
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
                aria-label=${t("listCopyCommand", command)}
                title=${copied === command ? t("torrentCopied") : t("listCopy")}
                @click=${() => actions.copyCommand(command)}
              >
                ${copied === command ? icons.check : icons.copy}
              </button>
            </li>`,
          )}
        </ul>`
        : nothing
    }
    <button
      class="button"
      data-testid="notice-action"
      @click=${() => actions.noticeAction(notice.action.does)}
    >
      ${notice.action.label}
    </button>
  </section>`;
}

/** The question whether to add a magnet link that a web page opened. */
export function broughtView(link: string, decide: (add: boolean) => void): TemplateResult {
  const parsed = parseLink(link);
  const name = "words" in parsed ? t("listThisLink") : parsed.name;
  return html`<section class="notice" data-testid="brought" aria-labelledby="brought-title">
    <h2 id="brought-title">${t("listBroughtTitle")}</h2>
    <p><bdi>${name}</bdi></p>
    <button class="button primary" data-testid="brought-add" @click=${() => decide(true)}>
      ${t("listBroughtAdd")}
    </button>
    <button class="button" data-testid="brought-leave" @click=${() => decide(false)}>
      ${t("listBroughtLeave")}
    </button>
  </section>`;
}

/** Messages of the engine about itself, shown as long as they apply. */
export function engineNoticesView(notices: readonly NoticeView[]): TemplateResult {
  return html`<div class="notes" role="status" aria-live="polite" data-testid="engine-notices">
    ${notices.map(
      (notice) => html`<p
        class="note"
        data-kind="failed"
        data-testid="engine-notice"
        data-about=${notice.kind}
      >
        ${icons.warning}
        <span class="note-text"><bdi class="note-words">${engineWords(notice)}</bdi></span>
      </p>`,
    )}
  </div>`;
}

/** Most notes that are listed. The rest is counted. */
const NOTES_SHOWN = 5;

/** Files and links that are being added or failed. */
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
        <span class="note-text"
          ><bdi class="note-name">${note.name}</bdi
          ><bdi class="note-words">${note.words}</bdi></span
        >
        <button
          class="icon-button"
          aria-label=${t("listDismiss")}
          title=${t("listDismiss")}
          @click=${() => actions.dismiss(note.id)}
        >
          ${icons.cross}
        </button>
      </p>`,
    )}
    ${
      more > 0
        ? html`<p class="note" data-kind="failed">
          <span class="note-text">${tn("listMoreFailed", more)}</span>
          <button class="quiet-button" @click=${() => actions.dismissAll()}>
            ${t("listDismissAll")}
          </button>
        </p>`
        : nothing
    }
  </div>`;
}

function pendingWords(notes: Note[], pending: number, online: boolean): string {
  const first = notes.find((note) => note.kind !== "failed");
  // Bidi isolates: a name may be written right to left.
  const what = pending === 1 && first ? `\u2068${first.name}\u2069` : tn("listCount", pending);
  return online ? t("listAdding", what) : t("listAddingLater", what);
}

/** The page without torrents: explains what it is for. */
export function emptyView(actions: PageActions): TemplateResult {
  const steps = [
    [t("emptyAdd"), t("emptyAddWords")],
    [t("emptyPlay"), t("emptyPlayWords")],
    [t("emptyJump"), t("emptyJumpWords")],
  ] as const;
  return html`<section class="empty" data-testid="empty">
    <div class="empty-art">${icons.mark}</div>
    <h2>${t("emptyTitle")}</h2>
    <p>
      ${t("emptyDrop")}
      <button class="text-button" @click=${() => actions.pick()}>${t("emptyChoose")}</button>
    </p>
    <ol class="steps">
      ${steps.map(([what, words]) => html`<li><strong>${what}</strong> ${words}</li>`)}
    </ol>
  </section>`;
}

/** The footer with the button for a problem report. */
export function reportView(open: () => void): TemplateResult {
  return html`<footer class="page-foot">
    <button class="quiet-button" data-testid="report" @click=${open}>${t("reportOpen")}</button>
  </footer>`;
}

/** The page before anything is known. */
export function loadingView(): TemplateResult {
  return html`<section class="empty loading" aria-busy="true">
    <div class="empty-art">${icons.mark}</div>
  </section>`;
}

/** The overlay while files are dragged over the page. */
export function dropView(): TemplateResult {
  return html`<div class="drop" aria-hidden="true">
    <div class="drop-frame">
      <span class="drop-mark">${icons.plus}</span><span>${t("listDrop")}</span>
    </div>
  </div>`;
}
