// Magnet links that have had no peers for a long time.

import { expect, test } from "vitest";
import { Lonely, LONELY_MS } from "../../src/list/lonely";
import { torrent } from "../samples";

const link = (more = {}) => torrent({ state: "metadata", peers: 0, ...more });
const { infoHash } = link();

test("a magnet link without peers is lonely after a time that is known in advance", () => {
  const lonely = new Lonely();
  lonely.look([link()], 1000);
  lonely.look([link()], 20_000);
  expect([lonely.has(infoHash, 999 + LONELY_MS), lonely.nextChange(999 + LONELY_MS)]).toEqual([
    false,
    1,
  ]);
  expect([lonely.has(infoHash, 1000 + LONELY_MS), lonely.nextChange(1000 + LONELY_MS)]).toEqual([
    true,
    undefined,
  ]);
});

test("a peer ends loneliness, and the time starts again", () => {
  const lonely = new Lonely();
  lonely.look([link()], 0);
  lonely.look([link({ peers: 1 })], 10);
  lonely.look([link()], 20);
  expect([lonely.has(infoHash, LONELY_MS), lonely.has(infoHash, 20 + LONELY_MS)]).toEqual([
    false,
    true,
  ]);
});

test("a torrent that is described, paused or gone is not lonely", () => {
  for (const torrents of [[], [link({ state: "downloading" })], [link({ state: "paused" })]]) {
    const lonely = new Lonely();
    lonely.look([link()], 0);
    lonely.look(torrents, 1);
    expect([lonely.has(infoHash, 2 * LONELY_MS), lonely.nextChange(2)]).toEqual([false, undefined]);
  }
});
