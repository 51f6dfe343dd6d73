// Which torrents count as completed downloads.

import { expect, test } from "vitest";
import { Completions } from "../src/model/completions";
import type { TorrentState } from "../src/model/generated/TorrentState";

/**
 * How many completions are reported while a torrent goes through these states. A `*` after a state
 * means that bytes were downloaded.
 */
function named(...states: (TorrentState | `${TorrentState}*`)[]): number {
  const completions = new Completions();
  return states
    .map((step) => ({
      infoHash: "a",
      state: step.replace("*", "") as TorrentState,
      downloaded: step.endsWith("*") ? 1 : 0,
    }))
    .flatMap((row) => completions.take([row])).length;
}

test("a completed download is reported once", () => {
  expect(named("downloading", "downloading*", "complete*", "complete*")).toBe(1);
  expect(named("metadata", "checking", "downloading*", "complete*")).toBe(1);
  expect(named("downloading*", "paused*", "downloading*", "queued*", "complete*")).toBe(1);
  expect(named("downloading*", "complete*", "downloading*", "complete*")).toBe(1);
});

test("a torrent that was complete at the start, or is found complete, is not reported", () => {
  expect(named("complete")).toBe(0);
  expect(named("checking", "complete")).toBe(0);
  expect(named("downloading", "checking", "complete")).toBe(0);
  expect(named("complete", "checking", "complete")).toBe(0);
});

test("several completed downloads are reported separately", () => {
  const completions = new Completions();
  const row = (infoHash: string, state: TorrentState) => ({ infoHash, state, downloaded: 1 });
  completions.take([row("a", "downloading"), row("b", "downloading"), row("c", "complete")]);
  expect(completions.take([row("b", "complete")])).toMatchObject([{ infoHash: "b" }]);
  expect(
    completions.take([row("a", "complete"), row("b", "complete"), row("c", "complete")]),
  ).toMatchObject([{ infoHash: "a" }]);
});
