// The folders of a torrent, as a tree of its files.
//
// Pure. Files are named by their places in the list that the tree was made of, so that a tree
// outlives what changes of its files. Invariant: a folder that holds nothing but one folder is
// shown as one with it.

import { language } from "../text/messages";

/** A folder. */
export interface Folder {
  /** Its path, without a slash at its end. Names it in its torrent. */
  path: string;
  /** What to call it: what its path has beyond the folder above. */
  name: string;
  folders: Folder[];
  /** Its own files: places in the list. */
  files: number[];
  /** All files below it. */
  all: number[];
}

/** Part of a tree, in the order in which it is shown. */
export type TreeItem =
  | { kind: "folder"; folder: Folder; depth: number }
  | { kind: "file"; at: number; depth: number };

interface Named {
  readonly path: string;
}

/** The tree of these files. Its root is what all of them have in common. */
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

/** Puts a folder and all below it in order, and joins those that are alone with the ones above. */
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

/** What is shown of a tree: nothing below folders that are collapsed, and of files only those that are looked for. */
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

/** Makes the tree anew only when the paths are other ones. */
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
