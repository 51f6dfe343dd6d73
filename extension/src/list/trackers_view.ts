// The trackers of an open torrent: their states, and buttons to add, remove and ask.
//
// Pure templates, as in torrent_view.ts. A tracker's address may contain a private key, so only its
// host is shown.

import type { TemplateResult } from "lit";
import { html, nothing } from "lit";
import type { TrackerView } from "../model/generated/TrackerView";
import { t, tn } from "../text/messages";
import { engineWords } from "../text/sentence_words";
import * as icons from "../ui/icons";
import type { DetailsUi } from "./details_ui";
import { submitted, wordsView } from "./forms";
import type { TorrentActions } from "./torrent_actions";

/** The details' part about trackers. */
export function trackersView(
  infoHash: string,
  trackers: readonly TrackerView[],
  ui: DetailsUi,
  actions: TorrentActions,
): TemplateResult {
  return html`<section class="details-part">
    <h2>${t("torrentTrackers")}</h2>
    ${
      trackers.length === 0
        ? html`<p class="details-words">${t("torrentNoTrackers")}</p>`
        : html`<ul class="trackers">
            ${trackers.map((tracker) => trackerView(infoHash, tracker, ui, actions))}
          </ul>
          <div class="details-act">
            <button
              class="button"
              data-testid="announce"
              ?disabled=${!ui.isOnline}
              @click=${() => actions.announce(infoHash)}
            >
              ${t("torrentAnnounce")}
            </button>
          </div>`
    }
    <form class="entries" @submit=${submitted((form) => actions.addTrackers(infoHash, form))}>
      <label class="entry entry-wide"
        ><span>${t("torrentAddTrackers")}</span
        ><span class="entry-line"
          ><input
            name="trackers"
            data-testid="tracker-input"
            type="text"
            placeholder="https://tracker.example.org/announce"
            autocomplete="off"
            spellcheck="false"
          /><button class="button" data-testid="tracker-add" ?disabled=${!ui.isOnline}>
            ${t("torrentAdd")}
          </button></span
        ></label
      >
      ${wordsView(ui.words.trackers)}
    </form>
  </section>`;
}

function trackerView(
  infoHash: string,
  tracker: TrackerView,
  ui: DetailsUi,
  actions: TorrentActions,
): TemplateResult {
  const { url, state, seeders, leechers } = tracker;
  const words = engineWords(tracker);
  const host = hostOf(url);
  return html`<li class="tracker" data-testid="tracker" data-state=${state}>
    <span class="tracker-main">
      <bdi class="tracker-url">${host}</bdi>
      <span>${t(`torrentTracker_${state}`)}</span>
      ${seeders === null ? nothing : html`<span>${tn("torrentSeeders", seeders)}</span>`}
      ${leechers === null ? nothing : html`<span>${tn("torrentLeechers", leechers)}</span>`}
      ${words ? html`<bdi class="tracker-words">${words}</bdi>` : nothing}
    </span>
    <button
      class="icon-button"
      data-testid="tracker-remove"
      ?disabled=${!ui.isOnline}
      aria-label=${t("torrentRemoveTracker", host)}
      title=${t("torrentRemove")}
      @click=${() => actions.removeTracker(infoHash, url)}
    >
      ${icons.cross}
    </button>
  </li>`;
}

function hostOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  return parsed ? `${parsed.protocol}//${parsed.host}` : url;
}
