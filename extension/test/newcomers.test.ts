// Torrents that open in the list after they were added.

import { expect, test } from "vitest";
import { Newcomers } from "../src/list/newcomers";
import { HASH, torrent } from "./samples";

function rig(): Newcomers {
  const newcomers = new Newcomers();
  newcomers.expect(HASH);
  return newcomers;
}

const bare = torrent({ state: "metadata", files: [], fileCount: 0, pieceCount: 0 });

test("a torrent that was added alone opens once, when it has files", () => {
  const newcomers = rig();
  expect(newcomers.arrived([])).toEqual([]);
  expect(newcomers.arrived([bare])).toEqual([]);
  expect(newcomers.arrived([torrent()])).toEqual([HASH]);
  expect(newcomers.arrived([torrent()])).toEqual([]);
});

test("a torrent that is not expected does not open", () =>
  expect(new Newcomers().arrived([torrent()])).toEqual([]));

test("a torrent that the user has opened or closed does not open by itself", () => {
  const newcomers = rig();
  newcomers.forget(HASH);
  expect(newcomers.arrived([torrent()])).toEqual([]);
});
