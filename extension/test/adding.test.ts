// The dialog for a new torrent: the choice of files, the room on the disk, and the torrents that it
// asks about.

import { describe, expect, test } from "vitest";
import { AddingSheet } from "../src/list/adding_sheet";
import { all, bytesOf, filmOf, priorities, shortage } from "../src/list/adding_choice";
import { spaceWords } from "../src/list/adding_view";
import { aboutPage } from "../src/list/report";
import { FakeHost } from "../src/host/fake";
import type { RootView } from "../src/model/generated/RootView";
import type { TorrentRow } from "../src/model/topics";
import { file, HASH, settings, torrent } from "./samples";

const GB = 1_000_000_000;
const season = [
  file({ index: 1, path: "S/e1.mkv", length: 4 * GB, verified: 0 }),
  file({ index: 0, path: "S/e2.mkv", length: 6 * GB, verified: 0 }),
  file({ index: 2, path: "S/e1.srt", length: 1000, verified: 0, playable: false }),
];
const root = (freeBytes: number | null): RootView => ({
  key: "d",
  label: "Downloads",
  path: "/downloads",
  freeBytes,
  totalBytes: null,
});
const words = (touched: Map<number, boolean>, freeBytes: number | null) =>
  spaceWords(
    season,
    { touched, roots: [root(freeBytes)], root: "d" },
    bytesOf(season, touched).missing,
  );

describe("what is chosen", () => {
  test("only differences from the engine's priorities are sent", () => {
    const files = [
      file({ index: 0 }),
      file({ index: 1, priority: "skip" }),
      file({ index: 2, priority: "high" }),
    ];
    const touched = new Map([
      [0, false],
      [1, true],
      [2, true],
    ]);
    expect(priorities(files, touched)).toEqual([
      { index: 0, priority: "skip" },
      { index: 1, priority: "normal" },
    ]);
    expect(priorities(files, new Map())).toEqual([]);
  });

  test("the sum covers the selected files, and verified bytes are not needed again", () => {
    const files = [
      file({ index: 0, length: 100, verified: 30 }),
      file({ index: 1, length: 7, verified: 0 }),
    ];
    expect(bytesOf(files, new Map())).toEqual({ length: 107, missing: 77, count: 2 });
    expect(bytesOf(files, new Map([[0, false]]))).toEqual({ length: 7, missing: 7, count: 1 });
    expect(bytesOf(files, all(files, false))).toEqual({ length: 0, missing: 0, count: 0 });
  });

  test("the film to watch is the next selected one", () => {
    expect(filmOf(season, new Map(), 0)?.index).toBe(0);
    expect(filmOf(season, new Map([[0, false]]), 0)?.index).toBe(1);
    expect(filmOf(season, all(season, false), 0)).toBeUndefined();
    expect(filmOf([season[2]!], new Map(), undefined)).toBeUndefined();
  });
});

describe("room on the disk", () => {
  test("files that fit are shown with the free space, if it is known", () => {
    expect(words(new Map(), 40 * GB)).toBe("Needs 10.0 GB; 40.0 GB are free.");
    expect(words(new Map(), null)).toBe("Needs 10.0 GB.");
  });

  test("files that do not fit are shown with the largest file to leave out", () => {
    expect(words(new Map(), 5 * GB)).toBe(
      "Needs 10.0 GB, but only 5.0 GB are free. It fits without “e2.mkv” (6.0 GB).",
    );
    expect(words(new Map([[0, false]]), 5 * GB)).toBe("Needs 4.0 GB; 5.0 GB are free.");
  });

  test("the sentence names at most a few files to leave out, and never all", () => {
    expect(shortage(season, new Map(), root(10))).toEqual({ free: 10, without: [] });
    expect(shortage(season, new Map(), root(2000))?.without.map((it) => it.index)).toEqual([0, 1]);
    const many = Array.from({ length: 9 }, (_, index) => file({ index, length: 10, verified: 0 }));
    expect(shortage(many, new Map(), root(15))).toEqual({ free: 15, without: [] });
    expect(shortage([season[0]!], new Map(), root(5))).toEqual({ free: 5, without: [] });
  });
});

/** A dialog that only opens and closes. */
class FakeDialog extends EventTarget {
  open = false;
  showModal(): void {
    this.open = true;
  }
  close(): void {
    if (!this.open) return;
    this.open = false;
    this.dispatchEvent(new Event("close"));
  }
}

describe("which torrents the dialog asks about", () => {
  const OTHER = "f".repeat(40);

  function rig() {
    const host = new FakeHost();
    const dialog = new FakeDialog();
    const sheet = new AddingSheet(dialog as unknown as HTMLDialogElement, host, {
      follow: () => {},
      open: () => {},
      left: () => {},
      addNote: () => {},
    });
    let revision = 0;
    const rows = (...torrents: Partial<TorrentRow>[]) => {
      host.followed = ["list", `torrent/${HASH}`, `torrent/${OTHER}`];
      host.tell({ kind: "connected", baseUrl: "", epoch: 1 } as never, {
        topic: "list",
        from: null,
        revision: ++revision,
        change: {
          kind: "list",
          order: torrents.map((row) => row.infoHash ?? HASH),
          torrents: torrents.map((row) => torrent({ infoHash: HASH, undecided: true, ...row })),
          world: {
            roots: [root(null)],
            listenPort: null,
            portMapping: null,
            settings: settings(),
            notices: [],
            removed: [],
            folders: true,
          },
        },
      });
      sheet.update();
    };
    return { host, sheet, rows };
  }

  test("an added torrent is followed until it is decided or removed", () => {
    const { sheet, rows } = rig();
    rows();
    sheet.ask(HASH);
    expect(sheet.topics, "the torrent may not be in the list yet").toEqual([`torrent/${HASH}`]);
    rows({});
    expect(sheet.topics).toEqual([`torrent/${HASH}`]);
    rows({ undecided: false });
    expect(sheet.topics).toEqual([]);
    sheet.ask(HASH);
    rows({ undecided: false });
    expect(sheet.topics, "the torrent is decided already").toEqual([]);
  });

  test("the dialog skips a torrent that was removed meanwhile", () => {
    const { sheet, rows } = rig();
    rows({ fileCount: 0 }, { infoHash: OTHER });
    sheet.ask(HASH);
    sheet.ask(OTHER);
    rows({ fileCount: 0 });
    expect(sheet.topics).toEqual([`torrent/${HASH}`]);
    rows();
    expect(sheet.topics).toEqual([]);
  });

  test("a magnet link without files lets other torrents go first", () => {
    const { sheet, rows } = rig();
    rows({ fileCount: 0 }, { infoHash: OTHER });
    sheet.ask(HASH);
    sheet.ask(OTHER);
    expect(sheet.topics).toEqual([`torrent/${OTHER}`]);
    rows({ fileCount: 0 }, { infoHash: OTHER, undecided: false });
    expect(sheet.topics).toEqual([`torrent/${HASH}`]);
  });
});

test("a page adds its version, browser and language to a report", () => {
  expect(aboutPage("1.2.3", "Chrome/150", "de")).toEqual([
    "Extension: 1.2.3",
    "Browser: Chrome/150",
    "Language: de",
  ]);
  expect(aboutPage(undefined, "Chrome/150", "de")).toEqual(["Browser: Chrome/150", "Language: de"]);
});
