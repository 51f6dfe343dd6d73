// The lines of the list: torrents, tools, details, folders and files.

import { expect, test } from "vitest";
import type { Shown } from "../../src/list/lines";
import { Lines } from "../../src/list/lines";
import { file, HASH, torrent } from "../samples";

const files = ["Show/1/a.mkv", "Show/1/b.mkv", "Show/2/c.mkv"].map((path, index) =>
  file({ path, index }),
);
const other = "f".repeat(40);
const torrents = [torrent({ files }), torrent({ infoHash: other })];
const contents = { files, trackers: [] };

function lines(more: Partial<Shown> = {}, isKnown = true) {
  const shown: Shown = {
    isOpen: () => false,
    hasDetails: () => false,
    isCollapsed: () => false,
    searchIn: () => "",
    ...more,
  };
  return new Lines().of(torrents, () => (isKnown ? contents : undefined), shown);
}
const open = (infoHash: string) => infoHash === HASH;
const keys = (more: Partial<Shown>) => lines(more).map(({ key }) => key.replace(HASH, "H"));

test("each closed torrent has one line", () => expect(keys({})).toEqual(["H", other]));

test("an open torrent has its tools, folders and files below it", () => {
  expect(keys({ isOpen: open })).toEqual([
    "H",
    "H/tools",
    "H/Show/1/",
    "H/0",
    "H/1",
    "H/Show/2/",
    "H/2",
    other,
  ]);
});

test("details come before the files", () => {
  expect(keys({ isOpen: open, hasDetails: open }).slice(1, 3)).toEqual(["H/tools", "H/details"]);
});

test("a magnet link without metadata has only details", () => {
  const link = torrent({ state: "metadata", pieceCount: 0, fileCount: 0, files: [] });
  const shown: Shown = {
    isOpen: open,
    hasDetails: () => false,
    isCollapsed: () => false,
    searchIn: () => "",
  };
  const kinds = new Lines()
    .of([link], () => ({ files: [], trackers: [] }), shown)
    .map(({ kind }) => kind);
  expect(kinds).toEqual(["torrent", "details"]);
});

test("contents are shown once they are known", () => {
  expect(lines({ isOpen: open }, false).map(({ kind }) => kind)).toEqual(["torrent", "torrent"]);
});

test("files are searched, and a search without result has a line", () => {
  expect(keys({ isOpen: open, searchIn: () => "c.mkv" })).toEqual([
    "H",
    "H/tools",
    "H/Show/2/",
    "H/2",
    other,
  ]);
  expect(keys({ isOpen: open, searchIn: () => "nothing" })).toEqual([
    "H",
    "H/tools",
    "H/none",
    other,
  ]);
});

test("each line knows its position among its siblings", () => {
  const places = lines({ isOpen: open }).map(({ level, position, siblings }) =>
    [level, position, siblings].join(),
  );
  expect(places).toEqual(["1,1,2", "2,1,6", "2,2,6", "3,3,6", "3,4,6", "2,5,6", "3,6,6", "1,2,2"]);
});
