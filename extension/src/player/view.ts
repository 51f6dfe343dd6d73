// The page around the film: header, overlay, and the lines below. Pure templates.

import type { TemplateResult } from "lit";
import { html, nothing } from "lit";
import type { FileView } from "../model/generated/FileView";
import type { TorrentView } from "../model/generated/TorrentView";
import { percent, rate, size } from "../text/format";
import * as icons from "../ui/icons";
import type { LinkWords } from "../text/link_words";
import { t, tn } from "../text/messages";
import type { Action, Status } from "./status";

/** Actions besides those of the controls. */
export interface PlayerActions {
  act(does: Action["does"]): void;
  play(): void;
  copy(): void;
  copyRemedy(command: string): void;
  /** Saves a playlist for another player. */
  playlist(): void;
}

/** The header: the back button, the name, the connection. */
export function headView(name: string, words: LinkWords, kind: string): TemplateResult {
  return html`<header class="top">
    <a
      class="icon-button"
      href="app.html"
      aria-label=${t("playerAllTorrents")}
      title=${t("playerAllTorrents")}
    >
      ${icons.back}
    </a>
    <h1 class="title" title=${name}><bdi>${name}</bdi></h1>
    <span class="link" data-testid="link-status" data-state=${kind} data-tone=${words.tone}>
      <span class="link-dot" aria-hidden="true"></span
      ><span class="link-words">${words.brief}</span>
    </span>
  </header>`;
}

/** The overlay: why the film waits, or the play button that the browser requires. */
export function overlayView(
  status: Status,
  starved: boolean,
  blocked: boolean,
  actions: PlayerActions,
): TemplateResult | typeof nothing {
  if (blocked) {
    return html`<button
      class="big-play"
      data-testid="big-play"
      aria-label=${t("playerPlay")}
      @click=${() => actions.play()}
    >
      ${icons.play}
    </button>`;
  }
  if (!starved || status.tone === "quiet") return nothing;
  const { action } = status;
  return html`<div class="veil">
    ${status.tone === "waiting" ? html`<span class="spinner"></span>` : icons.warning}
    <span aria-hidden="true">${status.text}</span>
    ${
      action
        ? html`<button class="button" @click=${() => actions.act(action.does)}>
          ${action.label}
        </button>`
        : nothing
    }
  </div>`;
}

/** What the lines below the film show. */
export interface Foot {
  status: Status;
  torrent: TorrentView | null;
  file: FileView | null;
  /** Something to know that does not stop the film. */
  hint: string | undefined;
  /** A command that helps to play the film. */
  remedy: string | undefined;
  /** What was just copied: the film's `address`, or the `remedy`. */
  copied: string | undefined;
  online: boolean;
}

/** The lines below the film. */
export function footView(foot: Foot, actions: PlayerActions): TemplateResult {
  const { status, torrent, file, hint } = foot;
  const { action } = status;
  return html`<div class="line">
      <p class="unseen" role="status" data-testid="player-spoken">${status.spoken}</p>
      <p class="status" data-testid="player-status" data-tone=${status.tone}>
        <span class="status-text">${status.text}</span>
        ${
          action
            ? html`<button
              class="button"
              data-testid="status-action"
              @click=${() => actions.act(action.does)}
            >
              ${action.label}
            </button>`
            : nothing
        }
      </p>
      ${torrent && file ? numbersView(torrent, file) : nothing}
    </div>
    ${foot.remedy ? remedyView(foot.remedy, foot.copied === "remedy", actions) : nothing}
    ${hint ? html`<p class="hint" role="status">${icons.warning}<span>${hint}</span></p>` : nothing}
    ${file && torrent ? factsView(torrent, file, foot, actions) : nothing}`;
}

function remedyView(command: string, copied: boolean, actions: PlayerActions): TemplateResult {
  return html`<p class="hint remedy" data-testid="remedy">
    <span>${t("playerRemedy")}</span> <code>${command}</code>
    <button
      class="icon-button"
      aria-label=${t("playerCopyCommand")}
      title=${t(copied ? "commonCopied" : "commonCopy")}
      @click=${() => actions.copyRemedy(command)}
    >
      ${copied ? icons.check : icons.copy}
    </button>
  </p>`;
}

function numbersView(torrent: TorrentView, file: FileView): TemplateResult {
  return html`<p class="numbers">
    <span class="number-share" title=${t("playerOfThisFile")}>
      ${percent(file.verified, file.length)}
    </span>
    <span class="number-rate">${rate(torrent.downRateBps)}</span>
    <span class="number-peers">${tn("peers", torrent.peers)}</span>
  </p>`;
}

function factsView(
  torrent: TorrentView,
  file: FileView,
  foot: Foot,
  actions: PlayerActions,
): TemplateResult {
  const isCopied = foot.copied === "address";
  return html`<div class="line facts">
    <p class="where">
      <span class="where-size">${size(file.length)}</span
      ><bdi class="where-name" title=${torrent.name}>${torrent.name}</bdi>
    </p>
    <p class="keys" aria-hidden="true">
      <kbd>${t("playerKeySpace")}</kbd> ${t("playerKeyPlay")}
      <kbd>j</kbd><kbd>l</kbd> 10 s
      <kbd>f</kbd> ${t("playerKeyFullScreen")}
      <kbd>c</kbd> ${t("playerKeySubtitles")}
      <kbd>n</kbd> ${t("playerKeyNext")}
    </p>
    <button
      class="quiet-button copy"
      data-testid="playlist"
      ?disabled=${!foot.online}
      title=${t("playerPlaylistTitle")}
      @click=${() => actions.playlist()}
    >
      ${icons.play}<span>${t("playerPlaylist")}</span>
    </button>
    <button
      class="quiet-button copy"
      data-testid="copy-url"
      ?disabled=${!foot.online}
      title=${t("playerCopyAddressTitle")}
      @click=${() => actions.copy()}
    >
      ${isCopied ? icons.check : icons.copy}
      <span>${t(isCopied ? "commonCopied" : "playerCopyAddress")}</span>
    </button>
  </div>`;
}
