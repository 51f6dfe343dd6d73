// The list: renders the lines near the window, each only when its content changed.
//
// This module looks up what a line shows and calls the line's template. Invariant: a line whose
// data are the same objects as before costs one comparison.

import type { TemplateResult } from "lit";
import { html } from "lit";
import { guard } from "lit/directives/guard.js";
import { ref } from "lit/directives/ref.js";
import { repeat } from "lit/directives/repeat.js";
import type { PeerView } from "../model/generated/PeerView";
import type { RootView } from "../model/generated/RootView";
import type { ContentsState, TorrentRow } from "../model/topics";
import { t } from "../text/messages";
import { styles } from "../ui/styles";
import type { PlacedLine, VirtualLines } from "../ui/virtual_lines";
import { detailsView } from "./details_view";
import { fileView, folderView, sums, toolsView } from "./files_view";
import type { Line } from "./lines";
import type { ListState } from "./list_state";
import type { TorrentActions } from "./torrent_actions";
import { torrentView } from "./torrent_view";
import { messageWords, stateWords } from "./torrent_words";

/** What the list shows. */
export interface ListData {
  lines: readonly Line[];
  torrents: ReadonlyMap<string, TorrentRow>;
  contents(infoHash: string): ContentsState | undefined;
  peers(infoHash: string): readonly PeerView[];
  isLonely(infoHash: string): boolean;
  roots: readonly RootView[];
  /** Whether the daemon can open folders in this computer's file manager. */
  hasFolders: boolean;
  isOnline: boolean;
}

/** The lines near the window. */
export function listView(
  data: ListData,
  virtual: VirtualLines,
  state: ListState,
  actions: TorrentActions,
): TemplateResult {
  return html`<div
    class="lines"
    role="list"
    aria-label=${t("listTorrents")}
    ${styles({ height: `${virtual.height}px` })}
  >
    ${repeat(
      virtual.placed,
      ({ index }) => data.lines[index]?.key,
      (placed) => lineView(placed, data, virtual, state, actions),
    )}
  </div>`;
}

function lineView(
  { index, top }: PlacedLine,
  data: ListData,
  virtual: VirtualLines,
  state: ListState,
  actions: TorrentActions,
): unknown {
  const line = data.lines[index];
  const torrent = line && data.torrents.get(line.infoHash);
  if (!torrent) return undefined;
  return html`<div
    class="line"
    role="listitem"
    aria-level=${line.level}
    aria-posinset=${line.position}
    aria-setsize=${line.siblings}
    data-line=${index}
    data-key=${line.key}
    data-kind=${line.kind}
    ${styles({ transform: `translateY(${top}px)` })}
    ${ref(virtual.measure)}
  >
    ${
      line.kind === "torrent"
        ? rowOf(torrent, data, state, actions)
        : insideOf(line, torrent, data, state, actions)
    }
  </div>`;
}

function rowOf(
  torrent: TorrentRow,
  data: ListData,
  state: ListState,
  actions: TorrentActions,
): unknown {
  const { infoHash } = torrent;
  const ui = {
    isOpen: state.isOpen(infoHash),
    isSelected: state.selection.has(infoHash),
    isNew: state.newest === infoHash,
    isAlready: state.newest === infoHash && state.already,
    state: stateWords(torrent),
    message: messageWords(torrent, data.isLonely(infoHash)),
    reply: state.wordsOf(infoHash).row,
  };
  return guard([torrent, ...Object.values(ui)], () => torrentView(torrent, ui, actions));
}

function insideOf(
  line: Line,
  torrent: TorrentRow,
  data: ListData,
  state: ListState,
  actions: TorrentActions,
): unknown {
  const { infoHash } = torrent;
  const contents = data.contents(infoHash);
  if (!contents) return undefined;
  const { isOnline, roots, hasFolders } = data;
  const { files } = contents;
  switch (line.kind) {
    case "tools": {
      const ui = { search: state.searchIn(infoHash), hasDetails: state.hasDetails(infoHash) };
      return toolsView(torrent, contents, ui, actions);
    }
    case "details": {
      const words = state.wordsOf(infoHash);
      const { copied } = state;
      const peers = data.peers(infoHash);
      return guard([torrent, contents, peers, isOnline, roots, hasFolders, words, copied], () =>
        detailsView(
          { ...torrent, ...contents },
          peers,
          { isOnline, roots, hasFolders, copied, words },
          actions,
        ),
      );
    }
    case "folder": {
      const { chosen, length, verified } = sums(line.folder, files);
      return guard(
        [line.folder, line.depth, line.isCollapsed, chosen, length, verified, state.refusals],
        () => folderView(infoHash, files, line, actions),
      );
    }
    case "file": {
      const file = files[line.at];
      if (!file) return undefined;
      const ui = {
        depth: line.depth,
        isAlone: files.length === 1,
        isCopied: state.copied === `${infoHash}/${file.index}`,
        isOnline,
      };
      return guard([file, ...Object.values(ui), state.refusals], () =>
        fileView(infoHash, file, ui, actions),
      );
    }
    case "none":
      return html`<p class="none">${t("torrentNoFileFound")}</p>`;
    case "torrent":
      return undefined;
  }
}
