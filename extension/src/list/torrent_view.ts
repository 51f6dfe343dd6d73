// A torrent's row in the list.
//
// Pure templates: actions go through `TorrentActions`. Foreign text (names, paths, messages) is
// only inserted as text, isolated by `bdi` because it can be written right to left.

import type { TemplateResult } from "lit";
import { html, nothing } from "lit";
import { live } from "lit/directives/live.js";
import { playerPage } from "../model/locations";
import type { TorrentRow } from "../model/topics";
import { clockTime } from "../text/format";
import { t, tn } from "../text/messages";
import { cutName } from "../ui/cut_name";
import * as icons from "../ui/icons";
import { meter } from "../ui/meter";
import type { FormWords } from "./forms";
import type { TorrentActions } from "./torrent_actions";
import {
  isDescribed,
  isStopped,
  progressWords,
  rateWords,
  share,
  shareWords,
  uploadedWords,
} from "./torrent_words";

/** What a row shows besides its torrent. */
export interface RowUi {
  isOpen: boolean;
  isSelected: boolean;
  /** Whether the torrent was just added. */
  isNew: boolean;
  /** Whether it was just added although it was in the list. */
  isAlready: boolean;
  /** What the torrent is doing, in words. */
  state: string;
  /** The engine's message. Empty if there is none. */
  message: string;
  /** The engine's answer to the last action in the row. */
  reply: FormWords | undefined;
}

/** A torrent's row. */
export function torrentView(
  torrent: TorrentRow,
  ui: RowUi,
  actions: TorrentActions,
): TemplateResult {
  const { infoHash, name, state } = torrent;
  return html`<div
    class="torrent"
    data-testid="torrent"
    data-info-hash=${infoHash}
    data-state=${state}
    ?data-open=${ui.isOpen}
    ?data-selected=${ui.isSelected}
    ?data-new=${ui.isNew}
    @mousedown=${keepTextUnselected}
    @click=${(event: MouseEvent) => actions.clicked(infoHash, event)}
  >
    <input
      type="checkbox"
      class="torrent-select"
      data-testid="select"
      aria-label=${t("torrentSelect", name)}
      .checked=${live(ui.isSelected)}
      @click=${(event: MouseEvent) => actions.select(infoHash, event.shiftKey)}
    />
    ${leadView(torrent, actions)}
    <div class="torrent-head">
      <button
        class="torrent-name"
        title=${name}
        aria-expanded=${ui.isOpen ? "true" : "false"}
        data-testid="toggle"
        data-main
        @click=${() => actions.toggle(infoHash)}
      >
        <span class="chevron">${icons.chevron}</span>${cutName(name)}
      </button>
      ${
        ui.isAlready
          ? html`<span class="torrent-already" data-testid="already">${t("listAlreadyHere")}</span>`
          : nothing
      }
    </div>
    <div class="torrent-bar">
      ${meter(t("torrentDownloaded"), share(torrent), "torrent-progress")}
    </div>
    <span class="torrent-share">${shareWords(torrent)}</span>
    <span class="torrent-size">${progressWords(torrent)}</span>
    <span class="torrent-state" data-testid="torrent-state">${ui.state}</span>
    <span class="torrent-rate">${rateWords(torrent)}</span>
    <span class="torrent-peers" data-testid="torrent-peers">${tn("peers", torrent.peers)}</span>
    <span class="torrent-uploaded">${uploadedWords(torrent)}</span>
    ${buttonsView(torrent, actions)}
    ${belowView(torrent, ui, actions)}
  </div>`;
}

/** The part below the row: a question to the user, and messages. */
function belowView(
  torrent: TorrentRow,
  ui: RowUi,
  actions: TorrentActions,
): TemplateResult | typeof nothing {
  const isAsked = torrent.undecided && isDescribed(torrent);
  const reply = ui.reply?.text ? ui.reply : undefined;
  if (!isAsked && !ui.message && !reply) return nothing;
  return html`<div class="torrent-below">
    ${
      isAsked
        ? html`<button
          class="button"
          data-testid="decide"
          @click=${() => actions.decide(torrent.infoHash)}
        >
          ${t("addDecide")}
        </button>`
        : nothing
    }
    ${
      ui.message
        ? html`<p class="torrent-message" data-testid="torrent-message">
          ${torrent.state === "error" ? icons.warning : nothing}<bdi>${ui.message}</bdi>
        </p>`
        : nothing
    }
    ${reply ? replyView(torrent.infoHash, reply, actions) : nothing}
  </div>`;
}

/** The engine's answer, with a button that removes it. */
function replyView(infoHash: string, reply: FormWords, actions: TorrentActions): TemplateResult {
  return html`<div
    class="torrent-reply"
    role="alert"
    ?data-wrong=${reply.isWrong}
    data-testid="torrent-reply"
  >
    <bdi>${reply.text}</bdi>
    <button
      class="icon-button"
      data-testid="reply-dismiss"
      aria-label=${t("listDismiss")}
      title=${t("listDismiss")}
      @click=${() => actions.dismissReply(infoHash)}
    >
      ${icons.cross}
    </button>
  </div>`;
}

/** Shift+click selects torrents, not the text between them. */
function keepTextUnselected(event: MouseEvent): void {
  if (event.shiftKey && !(event.target as Element).closest("input")) event.preventDefault();
}

function leadView(torrent: TorrentRow, actions: TorrentActions): TemplateResult {
  if (!isDescribed(torrent)) return stillView(icons.link, t("torrentUndescribed"));
  const { next } = torrent;
  if (!next) return stillView(icons.document_, t("torrentNothingPlays"));
  const [label, title] = next.resumes
    ? [
        t("torrentResumeFilm", torrent.name),
        t("torrentResumeFilmAt", next.name, clockTime(next.positionS)),
      ]
    : [t("torrentPlay", torrent.name), t("torrentPlay", next.name)];
  return html`<a
    class="lead lead-play"
    data-testid="play"
    data-index=${next.index}
    href=${playerPage(torrent.infoHash, next.index)}
    aria-label=${label}
    title=${title}
    @pointerenter=${() => actions.prepare(torrent.infoHash, next.index)}
    >${icons.play}</a
  >`;
}

/** An icon in place of the play button. Screen readers get `words`. */
function stillView(icon: TemplateResult, words: string): TemplateResult {
  return html`<span class="lead">${icon}<span class="unseen">${words}</span></span>`;
}

function buttonsView(torrent: TorrentRow, actions: TorrentActions): TemplateResult {
  const { infoHash, name } = torrent;
  const stopped = isStopped(torrent);
  return html`<div class="torrent-buttons">
    <button
      class="icon-button"
      data-testid=${stopped ? "resume" : "pause"}
      aria-label=${stopped ? t("torrentResumeNamed", name) : t("torrentPauseNamed", name)}
      title=${stopped ? t("torrentResume") : t("torrentPause")}
      @click=${() => (stopped ? actions.resume([infoHash]) : actions.pause([infoHash]))}
    >
      ${stopped ? icons.resume : icons.pause}
    </button>
    <button
      class="icon-button"
      data-testid="remove"
      aria-label=${t("torrentRemoveNamed", name)}
      title=${t("torrentRemove")}
      @click=${() => actions.remove([infoHash])}
    >
      ${icons.remove}
    </button>
  </div>`;
}
