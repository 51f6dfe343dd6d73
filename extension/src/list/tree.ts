// The folder tree of a torrent's files.
//
// Pure. The tree refers to files by their places in the list, so it stays valid while files change.
// Invariant: a folder that contains only one folder is merged with it.

import { language } from "../text/messages";

/** A folder. */
export interface Folder {
  /** The path without a trailing slash. Unique within the torrent. */
  path: string;
  /** The name to show: the path below the parent folder. */
  name: string;
  folders: Folder[];
  /** Places of the files directly in the folder. */
  files: number[];
  /** Places of all files below the folder. */
  all: number[];
}

/** A folder or file of a tree, in display order. */
export type TreeItem =
  | { kind: "folder"; folder: Folder; depth: number }
  | { kind: "file"; at: number; depth: number };

interface Named {
  readonly path: string;
}

/** Builds the tree. Its root is the folder that all files share. */
export function treeOf(files: readonly Named[]): Folder {
  const root: Folder = { path: "", name: "", folders: [], files: [], all: [] };
  const known = new Map<string, Folder>([["", root]]);
  const folderOf = (path: string): Folder => {
    const found = known.get(path);
    if (found) return found;
    const above = folderOf(path.slice(0, Math.max(0, path.lastIndexOf("/"))));
    const folder = {
      path,
      name: path.slice(path.lastIndexOf("/") + 1),
      folders: [],
      files: [],
      all: [],
    };
    known.set(path, folder);
    above.folders.push(folder);
    return folder;
  };
  for (const [at, { path }] of files.entries())
    folderOf(path.slice(0, Math.max(0, path.lastIndexOf("/")))).files.push(at);
  const { compare } = new Intl.Collator(language(), { numeric: true });
  const last = (at: number) => files[at]!.path.slice(files[at]!.path.lastIndexOf("/") + 1);
  return settled(root, (folder) => {
    folder.folders.sort((a, b) => compare(a.name, b.name));
    folder.files.sort((a, b) => compare(last(a), last(b)));
  });
}

/** Sorts a folder and everything below, and merges single folders with their parents. */
function settled(folder: Folder, order: (folder: Folder) => void): Folder {
  let whole = folder;
  while (whole.files.length === 0 && whole.folders.length === 1) {
    const [only] = whole.folders as [Folder];
    whole = { ...only, name: folder.path === "" ? only.name : `${whole.name}/${only.name}` };
  }
  whole.folders = whole.folders.map((inner) => settled(inner, order));
  order(whole);
  whole.all = [...whole.folders.flatMap((inner) => inner.all), ...whole.files];
  return whole;
}

/** The visible part of a tree: skips collapsed folders and files that don't match the search. */
export function itemsOf(
  root: Folder,
  isCollapsed: (path: string) => boolean,
  isShown: ((at: number) => boolean) | undefined,
): TreeItem[] {
  const items: TreeItem[] = [];
  const visit = (folder: Folder, depth: number): void => {
    for (const inner of folder.folders) {
      if (isShown && !inner.all.some(isShown)) continue;
      items.push({ kind: "folder", folder: inner, depth });
      if (isShown || !isCollapsed(inner.path)) visit(inner, depth + 1);
    }
    for (const at of folder.files)
      if (!isShown || isShown(at)) items.push({ kind: "file", at, depth });
  };
  visit(root, 0);
  return items;
}

/** Rebuilds the tree only when the paths change. */
export class TreeCache {
  private files: readonly Named[] = [];
  private tree: Folder = treeOf([]);

  of(files: readonly Named[]): Folder {
    const before = this.files;
    const isSame =
      files.length === before.length &&
      files.every((file, at) => file === before[at] || file.path === before[at]!.path);
    this.files = files;
    if (!isSame) this.tree = treeOf(files);
    return this.tree;
  }
}
