// The toolbar above the torrents, and the bar for selected torrents.
//
// Pure templates, as in torrent_view.ts.

import type { TemplateResult } from "lit";
import { html, nothing } from "lit";
import { live } from "lit/directives/live.js";
import type { RootView } from "../model/generated/RootView";
import type { TorrentRow } from "../model/topics";
import { rate, size } from "../text/format";
import type { MessageName } from "../text/messages";
import { t, tn } from "../text/messages";
import * as icons from "../ui/icons";
import type { Sort, SortBy } from "./arrange";
import { SORTS } from "./arrange";
import type { ListActions } from "./list_actions";
import { isStopped } from "./torrent_words";

const SORT_NAMES: Readonly<Record<SortBy, MessageName>> = {
  added: "listSortAdded",
  name: "listSortName",
  size: "listSortSize",
  progress: "listSortProgress",
  rate: "listSortRate",
};

/** The toolbar: search, sorting, totals, and actions on all torrents. */
export function toolbarView(
  torrents: readonly TorrentRow[],
  roots: readonly RootView[],
  ui: { search: string; sort: Sort },
  actions: ListActions,
): TemplateResult {
  const { sort } = ui;
  const typed = (event: Event) => actions.search((event.currentTarget as HTMLInputElement).value);
  const chosen = (event: Event) =>
    actions.sort({
      by: (event.currentTarget as HTMLSelectElement).value as SortBy,
      reversed: false,
    });
  return html`<div class="toolbar" data-testid="toolbar">
    ${
      torrents.length > 1 || ui.search !== ""
        ? html`<input
            type="search"
            class="search"
            data-testid="search"
            aria-label=${t("listSearch")}
            placeholder=${t("listSearch")}
            .value=${live(ui.search)}
            @input=${typed}
          />
          <span class="sort"
            ><select
              data-testid="sort"
              aria-label=${t("listSort")}
              .value=${live(sort.by)}
              @change=${chosen}
            >
              ${SORTS.map(
                (by) => html`<option value=${by} ?selected=${by === sort.by}>
                ${t(SORT_NAMES[by])}
              </option>`,
              )}
            </select>
            <button
              class="icon-button"
              data-testid="sort-reverse"
              aria-label=${t("listSortReversed")}
              aria-pressed=${sort.reversed ? "true" : "false"}
              title=${t("listSortReversed")}
              @click=${() => actions.sort({ ...sort, reversed: !sort.reversed })}
            >
              ${icons.order}
            </button></span
          >`
        : nothing
    }
    <span class="totals" data-testid="totals">${totalsWords(torrents)}</span>
    ${freeWords(roots)}
    <span class="toolbar-end">
      ${
        torrents.some(({ state }) => state !== "paused" && state !== "error")
          ? html`<button
            class="quiet-button"
            data-testid="pause-all"
            @click=${() => actions.pauseAll()}
          >
            ${t("listPauseAll")}
          </button>`
          : nothing
      }
      ${
        torrents.some(isStopped)
          ? html`<button
            class="quiet-button"
            data-testid="resume-all"
            @click=${() => actions.resumeAll()}
          >
            ${t("listResumeAll")}
          </button>`
          : nothing
      }
    </span>
  </div>`;
}

/** The sum of all rates. */
function totalsWords(torrents: readonly TorrentRow[]): string {
  const running = torrents.filter((torrent) => !isStopped(torrent));
  const down = running.reduce(
    (sum, torrent) => sum + (torrent.state === "complete" ? 0 : torrent.downRateBps),
    0,
  );
  const up = running.reduce((sum, torrent) => sum + torrent.upRateBps, 0);
  return `↓ ${rate(down)} ↑ ${rate(up)}`;
}

/** The free space of the download folders. Folders on the same disk are listed once. */
function freeWords(roots: readonly RootView[]): TemplateResult | typeof nothing {
  const disks = new Map<string, string>();
  for (const { label, freeBytes, totalBytes } of roots) {
    const disk = `${freeBytes} ${totalBytes}`;
    if (freeBytes !== null && !disks.has(disk))
      disks.set(disk, t("listFreeOf", label, size(freeBytes)));
  }
  const [first] = roots;
  if (disks.size === 0 || !first) return nothing;
  const words =
    disks.size === 1
      ? t("listFree", size(roots.find(({ freeBytes }) => freeBytes !== null)?.freeBytes ?? 0))
      : [...disks.values()].join(", ");
  return html`<span class="free" data-testid="free">${words}</span>`;
}

/** The bar for selected torrents. Its count is always in the page, for screen readers. */
export function selectionView(
  selected: number,
  shown: number,
  actions: ListActions,
): TemplateResult {
  return html`<div class="selection" data-testid="selection" ?data-shown=${selected > 0}>
    <span class="selection-count" role="status">
      ${selected > 0 ? tn("listSelected", selected) : ""}
    </span>
    ${selected > 0 ? selectionButtons(selected < shown, actions) : nothing}
  </div>`;
}

function selectionButtons(areMore: boolean, actions: ListActions): TemplateResult {
  return html`${
    areMore
      ? html`<button
        class="quiet-button"
        data-testid="selected-all"
        @click=${() => actions.selectAll()}
      >
        ${t("listSelectAll")}
      </button>`
      : nothing
  }
    <button
      class="quiet-button"
      data-testid="selected-pause"
      @click=${() => actions.pauseSelected()}
    >
      ${t("torrentPause")}
    </button>
    <button
      class="quiet-button"
      data-testid="selected-resume"
      @click=${() => actions.resumeSelected()}
    >
      ${t("torrentResume")}
    </button>
    <button
      class="quiet-button"
      data-testid="selected-remove"
      @click=${() => actions.removeSelected()}
    >
      ${t("torrentRemove")}
    </button>
    <button
      class="icon-button"
      data-testid="selected-none"
      aria-label=${t("listSelectNone")}
      title=${t("listSelectNone")}
      @click=${() => actions.selectNone()}
    >
      ${icons.cross}
    </button>`;
}
