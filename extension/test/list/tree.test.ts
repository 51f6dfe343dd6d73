// The tree of a torrent's folders and files.

import { expect, test } from "vitest";
import type { TreeItem } from "../../src/list/tree";
import { itemsOf, TreeCache, treeOf } from "../../src/list/tree";

const PATHS = [
  "Show/Season 10/1.mkv",
  "Show/Season 2/10.mkv",
  "Show/Season 2/2.mkv",
  "Show/readme.txt",
  "Show/Extras/Sound/a.flac",
];
const files = (paths: readonly string[]) => paths.map((path) => ({ path }));
const words = (items: readonly TreeItem[], paths = PATHS) =>
  items.map(
    (item) =>
      "  ".repeat(item.depth) +
      (item.kind === "file" ? paths[item.at]!.split("/").at(-1) : `${item.folder.name}/`),
  );
const never = () => false;

test("folders come before files in natural order, and a folder shared by all is left out", () => {
  expect(words(itemsOf(treeOf(files(PATHS)), never, undefined))).toEqual([
    "Extras/Sound/",
    "  a.flac",
    "Season 2/",
    "  2.mkv",
    "  10.mkv",
    "Season 10/",
    "  1.mkv",
    "readme.txt",
  ]);
});

test("a folder knows all files below it", () => {
  const root = treeOf(files(PATHS));
  expect([...root.all].sort()).toEqual([0, 1, 2, 3, 4]);
  expect(root.folders.map(({ path, all }) => [path, all])).toEqual([
    ["Show/Extras/Sound", [4]],
    ["Show/Season 2", [2, 1]],
    ["Show/Season 10", [0]],
  ]);
});

test("collapsed folders are hidden, unless the search matches inside", () => {
  const root = treeOf(files(PATHS));
  const folded = (path: string) => path === "Show/Season 2";
  expect(words(itemsOf(root, folded, undefined))).not.toContain("  2.mkv");
  expect(words(itemsOf(root, folded, (at) => at === 1))).toEqual(["Season 2/", "  10.mkv"]);
});

test("a torrent of one file or none has no folder", () => {
  expect(words(itemsOf(treeOf(files(["film.mp4"])), never, undefined), ["film.mp4"])).toEqual([
    "film.mp4",
  ]);
  expect(itemsOf(treeOf([]), never, undefined)).toEqual([]);
});

test("a tree is rebuilt only when paths change", () => {
  const cache = new TreeCache();
  const tree = cache.of(files(PATHS));
  expect(cache.of(files(PATHS))).toBe(tree);
  expect(cache.of(files([...PATHS.slice(1), "Show/other.mkv"]))).not.toBe(tree);
});
