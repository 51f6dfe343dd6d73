// The details of an open torrent: what it is, where it lies, its limits, its trackers and peers, and what can be done about each.
//
// Pure templates, as in torrent_view.ts.

import type { TemplateResult } from "lit";
import { html, nothing } from "lit";
import type { RootView } from "../model/generated/RootView";
import type { TrackerView } from "../model/generated/TrackerView";
import type { ContentsState, TorrentRow } from "../model/topics";
import { percent, size, splitPath } from "../text/format";
import { number, t, tn } from "../text/messages";
import { meter } from "../ui/meter";
import { limitsOf } from "./limits_form";
import type { TorrentActions } from "./torrent_actions";
import { isDescribed, uploadedWords } from "./torrent_words";

/** What a page knows of a torrent besides the torrent. */
export interface DetailsUi {
  /** Whether the daemon is there. */
  isOnline: boolean;
  /** Where it may lie. */
  roots: readonly RootView[];
  /** What came of each form. */
  words: Readonly<Partial<Record<FormName, string>>>;
}

/** The forms of the details, each of which says what came of it. */
export type FormName = "peers" | "move" | "limits" | "trackers";

/** A torrent of whose contents it is known what they are. */
type Opened = TorrentRow & ContentsState;

export function detailsView(torrent: Opened, ui: DetailsUi, actions: TorrentActions): TemplateResult {
  return html`<div class="details" data-testid="details-open">
    ${factsView(torrent)}
    ${
      isDescribed(torrent)
        ? html`<section class="details-part">
          <h2>${t("torrentFilesOnDisk")}</h2>
          ${displacedView(torrent, ui, actions)}${recheckView(torrent, ui, actions)}${moveView(torrent, ui, actions)}
        </section>`
        : nothing
    }
    ${limitsView(torrent, ui, actions)}
    <section class="details-part">
      <h2>${t("torrentTrackers")}</h2>
      ${trackersView(torrent.trackers)}
    </section>
    <section class="details-part">
      <h2>${t("torrentPeers")}</h2>
      <p class="details-words">${t("torrentPeersKnown", number(torrent.peers), number(torrent.knownPeers))}</p>
      ${addPeerView(torrent, ui, actions)}
    </section>
  </div>`;
}

function factsView(torrent: Opened): TemplateResult {
  return html`<section class="details-part">
    <h2>${t("torrentFacts")}</h2>
    <dl class="facts">
      <div><dt>${t("torrentInfoHash")}</dt><dd class="hash">${torrent.infoHash}</dd></div>
      ${isDescribed(torrent) ? contentFacts(torrent) : nothing}
    </dl>
  </section>`;
}

function contentFacts(torrent: Opened): TemplateResult {
  const { version, pieceCount, pieceLength, files, downloaded, wasted } = torrent;
  const kind = version === "v2" ? "torrentVersion2" : version === "hybrid" ? "torrentVersionBoth" : "torrentVersion1";
  const uploaded = uploadedWords(torrent);
  return html`<div><dt>${t("torrentVersion")}</dt><dd>${t(kind)}</dd></div>
    <div><dt>${t("torrentPieces")}</dt><dd>${number(pieceCount)} × ${binary(pieceLength)}</dd></div>
    <div><dt>${t("torrentFilesLabel")}</dt><dd>${number(files.length)}</dd></div>
    <div><dt>${t("torrentReceived")}</dt><dd>${size(downloaded)}${wasted > 0 ? `, ${t("torrentDiscarded", size(wasted))}` : ""}</dd></div>
    ${uploaded ? html`<div><dt>${t("torrentSent")}</dt><dd>${uploaded}</dd></div>` : nothing}`;
}

/** Pieces are powers of two: in KiB and MiB they have round numbers. */
function binary(bytes: number): string {
  return bytes < 1024 * 1024 ? `${number(bytes / 1024)} KiB` : `${number(bytes / 1024 / 1024)} MiB`;
}

/** Says which files have a number in their name because others had theirs, and offers to go on in those. */
function displacedView(torrent: Opened, ui: DetailsUi, actions: TorrentActions): TemplateResult | typeof nothing {
  const displaced = torrent.files.filter((file) => file.displaced);
  const [first] = displaced;
  if (first === undefined) return nothing;
  const what =
    displaced.length === 1 ? t("torrentDisplacedOne", splitPath(first.path).name) : t("torrentDisplacedMany", number(displaced.length));
  return html`<div class="details-act" data-testid="displaced">
    <p class="details-words">${what} ${t("torrentAdoptOverwrites")}</p>
    <button class="button" data-testid="adopt" ?disabled=${!ui.isOnline} @click=${() => actions.adopt(torrent.infoHash)}>
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
      isChecking ? html`${meter(t("torrentChecked"), checkProgress, "recheck-progress")}<span>${percent(checkProgress, 1)}</span>` : nothing
    }
  </div>`;
}

function moveView(torrent: Opened, ui: DetailsUi, actions: TorrentActions): TemplateResult {
  const { infoHash, root, liesAt, moveProgress } = torrent;
  const { folder, name } = splitPath(liesAt);
  return html`<form class="entries" @submit=${submitted((form) => actions.move(infoHash, form))}>
    ${
      ui.roots.length > 1
        ? html`<label class="entry"
          ><span>${t("torrentLocation")}</span
          ><select name="root" data-testid="move-root">
            ${ui.roots.map(({ key, label }) => html`<option value=${key} ?selected=${key === root}>${label}</option>`)}
          </select></label
        >`
        : nothing
    }
    <label class="entry"
      ><span>${t("torrentFolder")}</span
      ><input name="folder" data-testid="move-folder" type="text" .defaultValue=${folder.slice(0, -1)} placeholder=${t("torrentNoFolder")} autocomplete="off" spellcheck="false"
    /></label>
    <label class="entry"
      ><span>${t("torrentName")}</span
      ><input name="name" data-testid="move-name" type="text" .defaultValue=${name} autocomplete="off" spellcheck="false" required
    /></label>
    <div class="form-end">
      <button class="button" data-testid="move" ?disabled=${!ui.isOnline || moveProgress !== null}>${t("torrentMove")}</button>
      ${moveProgress === null ? wordsView(ui.words.move) : meter(t("torrentMoved"), moveProgress, "move-progress")}
    </div>
  </form>`;
}

function limitsView(torrent: Opened, ui: DetailsUi, actions: TorrentActions): TemplateResult {
  const texts = limitsOf(torrent.sharing);
  const field = (name: keyof typeof texts, label: string, unit: string) => html`<label class="entry"
    ><span>${label}</span
    ><span class="entry-line"
      ><input name=${name} data-testid="limit-${name}" type="text" inputmode="decimal" .defaultValue=${texts[name]} placeholder=${t("torrentLimitUsual")} autocomplete="off"
      /><span class="entry-unit">${unit}</span></span
    ></label
  >`;
  return html`<section class="details-part">
    <h2>${t("torrentLimits")}</h2>
    <form class="entries" @submit=${submitted((form) => actions.limit(torrent.infoHash, form))}>
      ${field("download", t("torrentLimitDownload"), "MB/s")} ${field("upload", t("torrentLimitUpload"), "MB/s")}
      ${field("ratio", t("torrentLimitRatio"), "")} ${field("seedTime", t("torrentLimitSeedTime"), t("torrentMinutes"))}
      <div class="form-end">
        <button class="button" data-testid="limits-save" ?disabled=${!ui.isOnline}>${t("torrentLimitsSave")}</button>
        ${wordsView(ui.words.limits)}
      </div>
    </form>
  </section>`;
}

const TRACKER_STATES = {
  idle: "torrentTracker_idle",
  asking: "torrentTracker_asking",
  working: "torrentTracker_working",
  failing: "torrentTracker_failing",
} as const;

function trackersView(trackers: readonly TrackerView[]): TemplateResult {
  if (trackers.length === 0) return html`<p class="details-words">${t("torrentNoTrackers")}</p>`;
  return html`<ul class="trackers">
    ${trackers.map(
      ({ url, state, seeders, leechers, message }) => html`<li class="tracker" data-testid="tracker" data-state=${state}>
        <bdi class="tracker-url" title=${hostOf(url)}>${hostOf(url)}</bdi>
        <span>${t(TRACKER_STATES[state])}</span>
        <span>${seeders === null ? "" : tn("torrentSeeders", seeders)}</span>
        <span>${leechers === null ? "" : tn("torrentLeechers", leechers)}</span>
        ${message ? html`<bdi class="tracker-words">${message}</bdi>` : nothing}
      </li>`,
    )}
  </ul>`;
}

/** A tracker without what may be a person's own key. */
function hostOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  return parsed ? `${parsed.protocol}//${parsed.host}` : url;
}

function addPeerView({ infoHash }: Opened, ui: DetailsUi, actions: TorrentActions): TemplateResult {
  return html`<form class="entries" @submit=${submitted((form) => actions.addPeers(infoHash, form))}>
    <label class="entry"
      ><span>${t("torrentAddPeer")}</span
      ><span class="entry-line"
        ><input name="peers" data-testid="peer-input" type="text" placeholder="192.0.2.7:6881" autocomplete="off" spellcheck="false" /><button
          class="button"
          data-testid="peer-add"
        >
          ${t("torrentAdd")}
        </button></span
      ></label
    >
    ${wordsView(ui.words.peers)}
  </form>`;
}

function wordsView(words: string | undefined): TemplateResult {
  return html`<p class="details-words" role="status">${words ?? ""}</p>`;
}

/** A listener for a form that the page takes itself. */
function submitted(take: (form: HTMLFormElement) => void): (event: SubmitEvent) => void {
  return (event) => {
    event.preventDefault();
    take(event.currentTarget as HTMLFormElement);
  };
}
