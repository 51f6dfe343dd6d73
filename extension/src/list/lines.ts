// The list as a flat sequence of lines: one for each torrent, and below an open torrent its tools,
// details, folders and files.
//
// Pure functions. A line says only what it is; its content is looked up at rendering.

import type { ContentsState, TorrentRow } from "../model/topics";
import type { VirtualLine } from "../ui/virtual_lines";
import { finder } from "./arrange";
import { isDescribed } from "./torrent_words";
import type { Folder, TreeItem } from "./tree";
import { itemsOf, TreeCache } from "./tree";

/** A line of the list. `level`, `position` and `siblings` are for screen readers. */
export type Line = VirtualLine & {
  infoHash: string;
  level: number;
  position: number;
  siblings: number;
} & (
    | { kind: "torrent" }
    | { kind: "tools" }
    | { kind: "details" }
    | { kind: "folder"; folder: Folder; depth: number; isCollapsed: boolean }
    | { kind: "file"; at: number; depth: number }
    /** No file matches the search. */
    | { kind: "none" }
  );

/** What the page has decided to show. */
export interface Shown {
  isOpen(infoHash: string): boolean;
  hasDetails(infoHash: string): boolean;
  isCollapsed(infoHash: string, path: string): boolean;
  /** The search text for a torrent's files. */
  searchIn(infoHash: string): string;
}

/** Estimated heights in px, used until a line is measured. */
const HEIGHTS = { torrent: 92, tools: 48, details: 420, folder: 40, file: 44, none: 44 };

/** Turns torrents into lines, and caches their file trees. */
export class Lines {
  private readonly trees = new Map<string, TreeCache>();

  of(
    torrents: readonly TorrentRow[],
    contents: (infoHash: string) => ContentsState | undefined,
    shown: Shown,
  ): Line[] {
    const lines: Line[] = [];
    for (const [at, torrent] of torrents.entries()) {
      const { infoHash } = torrent;
      const place = { level: 1, position: at + 1, siblings: torrents.length };
      lines.push({ kind: "torrent", key: infoHash, height: HEIGHTS.torrent, infoHash, ...place });
      if (!shown.isOpen(infoHash)) continue;
      const inside = contents(infoHash);
      if (inside) lines.push(...this.inside(torrent, inside, shown));
    }
    for (const infoHash of this.trees.keys())
      if (!shown.isOpen(infoHash)) this.trees.delete(infoHash);
    return lines;
  }

  private inside(torrent: TorrentRow, { files }: ContentsState, shown: Shown): Line[] {
    const { infoHash } = torrent;
    const isFound = finder(shown.searchIn(infoHash));
    const items = itemsOf(
      this.tree(infoHash).of(files),
      (path) => shown.isCollapsed(infoHash, path),
      isFound && ((at) => isFound(files[at]!.path)),
    );
    // A magnet link without its metadata has only details.
    const parts: ("tools" | "details" | "none")[] = isDescribed(torrent) ? ["tools"] : ["details"];
    if (isDescribed(torrent) && shown.hasDetails(infoHash)) parts.push("details");
    if (isFound && items.length === 0) parts.push("none");
    const siblings = parts.length + items.length;
    return [
      ...parts.map((kind, at) => ({
        kind,
        key: `${infoHash}/${kind}`,
        height: HEIGHTS[kind],
        infoHash,
        level: 2,
        position: at + 1,
        siblings,
      })),
      ...items.map((item, at) =>
        lineOf(
          item,
          torrent,
          files,
          { level: 2 + item.depth, position: parts.length + at + 1, siblings },
          shown,
        ),
      ),
    ];
  }

  private tree(infoHash: string): TreeCache {
    const found = this.trees.get(infoHash) ?? new TreeCache();
    this.trees.set(infoHash, found);
    return found;
  }
}

function lineOf(
  item: TreeItem,
  { infoHash }: TorrentRow,
  files: ContentsState["files"],
  place: Pick<Line, "level" | "position" | "siblings">,
  shown: Shown,
): Line {
  const height = HEIGHTS[item.kind];
  if (item.kind === "file")
    return { ...item, key: `${infoHash}/${files[item.at]!.index}`, height, infoHash, ...place };
  const isCollapsed = shown.isCollapsed(infoHash, item.folder.path);
  return {
    ...item,
    key: `${infoHash}/${item.folder.path}/`,
    isCollapsed,
    height,
    infoHash,
    ...place,
  };
}
