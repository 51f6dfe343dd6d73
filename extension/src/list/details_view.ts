// The details of an open torrent: facts, location, limits, trackers and peers.
//
// Pure templates, as in torrent_view.ts.

import type { TemplateResult } from "lit";
import { html, nothing } from "lit";
import type { PeerView } from "../model/generated/PeerView";
import type { QueueMove } from "../model/generated/QueueMove";
import type { RootView } from "../model/generated/RootView";
import type { ContentsState, TorrentRow } from "../model/topics";
import { percent, size, splitPath } from "../text/format";
import { number, t } from "../text/messages";
import { meter } from "../ui/meter";
import type { DetailsUi } from "./details_ui";
import { submitted, wordsView } from "./forms";
import { limitsOf } from "./limits_form";
import { peersView } from "./peers_view";
import type { TorrentActions } from "./torrent_actions";
import { isDescribed, sentWords } from "./torrent_words";
import { trackersView } from "./trackers_view";

/** A torrent together with its files and trackers. */
type Opened = TorrentRow & ContentsState;

/** The details of an open torrent. */
export function detailsView(
  torrent: Opened,
  peers: readonly PeerView[],
  ui: DetailsUi,
  actions: TorrentActions,
): TemplateResult {
  return html`<div class="details" data-testid="details-open">
    ${factsView(torrent, ui, actions)}
    ${
      isDescribed(torrent)
        ? html`<section class="details-part">
          <h2>${t("torrentFilesOnDisk")}</h2>
          ${placeView(torrent, ui, actions)} ${displacedView(torrent, ui, actions)}
          ${recheckView(torrent, ui, actions)} ${wordsView(ui.words.files)}
          ${moveView(torrent, ui, actions)}
        </section>`
        : nothing
    }
    ${limitsView(torrent, ui, actions)}
    ${trackersView(torrent.infoHash, torrent.trackers, ui, actions)}
    ${peersView(torrent, peers, ui, actions)}
  </div>`;
}

function factsView(torrent: Opened, ui: DetailsUi, actions: TorrentActions): TemplateResult {
  const { infoHash } = torrent;
  const isCopied = ui.copied === `magnet ${infoHash}`;
  return html`<section class="details-part">
    <h2>${t("torrentFacts")}</h2>
    <dl class="facts">
      <div><dt>${t("torrentInfoHash")}</dt><dd class="hash">${torrent.infoHash}</dd></div>
      ${isDescribed(torrent) ? contentFacts(torrent) : nothing}
      <div><dt>${t("torrentQueue")}</dt><dd>${queueView(torrent, ui, actions)}</dd></div>
    </dl>
    <div class="details-act">
      <button
        class="button"
        data-testid="copy-magnet"
        ?disabled=${!ui.isOnline}
        @click=${() => actions.copyMagnet(infoHash)}
      >
        ${isCopied ? t("torrentCopied") : t("torrentCopyMagnet")}
      </button>
      ${
        isDescribed(torrent)
          ? html`<button
            class="button"
            data-testid="save-torrent"
            ?disabled=${!ui.isOnline}
            @click=${() => actions.saveTorrent(infoHash)}
          >
            ${t("torrentSaveFile")}
          </button>`
          : nothing
      }
    </div>
    ${wordsView(ui.words.facts)}
  </section>`;
}

const MOVES = ["top", "up", "down", "bottom"] as const satisfies readonly QueueMove[];

function queueView(
  { infoHash, queuePosition }: Opened,
  ui: DetailsUi,
  actions: TorrentActions,
): TemplateResult {
  return html`<span class="queue" data-testid="queue"
    ><span>${number(queuePosition)}</span>
    ${MOVES.map(
      (to) => html`<button
        class="quiet-button"
        data-testid="queue-${to}"
        ?disabled=${!ui.isOnline}
        @click=${() => actions.moveInQueue(infoHash, to)}
      >
        ${t(`torrentQueue_${to}`)}
      </button>`,
    )}</span
  >`;
}

function contentFacts(torrent: Opened): TemplateResult {
  const { version, pieceCount, pieceLength, files, downloaded, wasted } = torrent;
  const kind =
    version === "v2"
      ? "torrentVersion2"
      : version === "hybrid"
        ? "torrentVersionBoth"
        : "torrentVersion1";
  const sent = sentWords(torrent);
  const discarded = wasted > 0 ? `, ${t("torrentDiscarded", size(wasted))}` : "";
  return html`<div><dt>${t("torrentVersion")}</dt><dd>${t(kind)}</dd></div>
    ${
      torrent.private
        ? html`<div><dt>${t("torrentPrivate")}</dt><dd>${t("torrentPrivateWords")}</dd></div>`
        : nothing
    }
    <div>
      <dt>${t("torrentPieces")}</dt>
      <dd>${number(pieceCount)} × ${binary(pieceLength)}</dd>
    </div>
    <div><dt>${t("torrentFilesLabel")}</dt><dd>${number(files.length)}</dd></div>
    <div><dt>${t("torrentReceived")}</dt><dd>${size(downloaded)}${discarded}</dd></div>
    ${sent ? html`<div><dt>${t("torrentSent")}</dt><dd>${sent}</dd></div>` : nothing}`;
}

/** Formats a piece size. Pieces are powers of two: KiB and MiB give round numbers. */
function binary(bytes: number): string {
  return bytes < 1024 * 1024 ? `${number(bytes / 1024)} KiB` : `${number(bytes / 1024 / 1024)} MiB`;
}

/** The path of the torrent's files on this computer. */
function placeView(
  { infoHash, path }: Opened,
  ui: DetailsUi,
  actions: TorrentActions,
): TemplateResult | typeof nothing {
  if (path === "") return nothing;
  return html`<div class="details-act">
    <p class="details-words"><bdi class="place" data-testid="place">${path}</bdi></p>
    ${
      ui.hasFolders
        ? html`<button
          class="button"
          data-testid="show-in-folder"
          ?disabled=${!ui.isOnline}
          @click=${() => actions.showInFolder(infoHash)}
        >
          ${t("torrentShowInFolder")}
        </button>`
        : nothing
    }
  </div>`;
}

/**
 * Files that were renamed with a number because their name was taken, with a button to use the
 * existing files instead.
 */
function displacedView(
  torrent: Opened,
  ui: DetailsUi,
  actions: TorrentActions,
): TemplateResult | typeof nothing {
  const displaced = torrent.files.filter((file) => file.displaced);
  const [first] = displaced;
  if (first === undefined) return nothing;
  const what =
    displaced.length === 1
      ? t("torrentDisplacedOne", splitPath(first.path).name)
      : t("torrentDisplacedMany", number(displaced.length));
  return html`<div class="details-act" data-testid="displaced">
    <p class="details-words">${what} ${t("torrentAdoptOverwrites")}</p>
    <button
      class="button"
      data-testid="adopt"
      ?disabled=${!ui.isOnline}
      @click=${() => actions.adopt(torrent.infoHash)}
    >
      ${t("torrentAdopt")}
    </button>
  </div>`;
}

function recheckView(torrent: Opened, ui: DetailsUi, actions: TorrentActions): TemplateResult {
  const { infoHash, checkProgress } = torrent;
  const isChecking = checkProgress !== null;
  return html`<div class="details-act">
    <button
      class="button"
      data-testid=${isChecking ? "recheck-stop" : "recheck"}
      ?disabled=${!ui.isOnline}
      @click=${() => actions.recheck(infoHash, !isChecking)}
    >
      ${isChecking ? t("torrentRecheckStop") : t("torrentRecheck")}
    </button>
    ${
      isChecking
        ? html`${meter(t("torrentChecked"), checkProgress, "recheck-progress")}
            <span>${percent(checkProgress, 1)}</span>`
        : nothing
    }
  </div>`;
}

/**
 * The locations to choose from: the download folders, and the torrent's own one if it is no longer
 * a download folder.
 */
function locationsOf(
  { root, path, liesAt }: Opened,
  roots: readonly RootView[],
): readonly Pick<RootView, "key" | "label">[] {
  if (path === "" || roots.some(({ key }) => key === root)) return roots;
  const label = path.slice(0, path.length - liesAt.length - 1);
  return [...roots, { key: root, label }];
}

function moveView(torrent: Opened, ui: DetailsUi, actions: TorrentActions): TemplateResult {
  const { infoHash, root, liesAt, moveProgress } = torrent;
  const { folder, name } = splitPath(liesAt);
  const locations = locationsOf(torrent, ui.roots);
  return html`<form class="entries" @submit=${submitted((form) => actions.move(infoHash, form))}>
    ${
      locations.length > 1
        ? html`<label class="entry"
          ><span>${t("torrentLocation")}</span
          ><select name="root" data-testid="move-root">
            ${locations.map(
              ({ key, label }) => html`<option value=${key} ?selected=${key === root}>
              ${label}
            </option>`,
            )}
          </select></label
        >`
        : nothing
    }
    <label class="entry"
      ><span>${t("torrentFolder")}</span
      ><input
        name="folder"
        data-testid="move-folder"
        type="text"
        .defaultValue=${folder.slice(0, -1)}
        placeholder=${t("torrentNoFolder")}
        autocomplete="off"
        spellcheck="false"
    /></label>
    <label class="entry"
      ><span>${t("torrentName")}</span
      ><input
        name="name"
        data-testid="move-name"
        type="text"
        .defaultValue=${name}
        autocomplete="off"
        spellcheck="false"
        required
    /></label>
    <div class="form-end">
      <button class="button" data-testid="move" ?disabled=${!ui.isOnline || moveProgress !== null}>
        ${t("torrentMove")}
      </button>
      ${
        moveProgress === null
          ? wordsView(ui.words.move)
          : meter(t("torrentMoved"), moveProgress, "move-progress")
      }
    </div>
  </form>`;
}

function limitsView(torrent: Opened, ui: DetailsUi, actions: TorrentActions): TemplateResult {
  const texts = limitsOf(torrent.sharing);
  const field = (name: keyof typeof texts, label: string, unit: string) => html`<label class="entry"
    ><span>${label}</span
    ><span class="entry-line"
      ><input
        name=${name}
        data-testid="limit-${name}"
        type="text"
        inputmode="decimal"
        .defaultValue=${texts[name]}
        placeholder=${t("torrentLimitUsual")}
        autocomplete="off"
      /><span class="entry-unit">${unit}</span></span
    ></label
  >`;
  return html`<section class="details-part">
    <h2>${t("torrentLimits")}</h2>
    <form class="entries" @submit=${submitted((form) => actions.limit(torrent.infoHash, form))}>
      ${field("download", t("torrentLimitDownload"), "MB/s")}
      ${field("upload", t("torrentLimitUpload"), "MB/s")}
      ${field("ratio", t("torrentLimitRatio"), "")}
      ${field("seedTime", t("torrentLimitSeedTime"), t("torrentMinutes"))}
      <div class="form-end">
        <button class="button" data-testid="limits-save" ?disabled=${!ui.isOnline}>
          ${t("torrentLimitsSave")}
        </button>
        ${wordsView(ui.words.limits)}
      </div>
    </form>
  </section>`;
}
