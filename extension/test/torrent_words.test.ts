import { expect, test } from "vitest";
import { givenWords, isDescribed, progressWords, rateWords, share, shareWords, stateWords } from "../src/list/torrent_words";
import { torrent } from "./samples";

const bare = torrent({ state: "metadata", files: [], fileCount: 0, pieceCount: 0, length: 0, verified: 0, wanted: 0, wantedVerified: 0 });

test("a magnet link says what it waits for, and claims nothing of its content", () => {
  expect(stateWords(bare)).toBe("Getting the torrent’s description");
  expect([progressWords(bare), shareWords(bare), share(bare), isDescribed(bare)]).toEqual(["", "", 0, false]);
});

test("a torrent of empty files is all there", () => {
  expect(share({ ...bare, state: "complete", fileCount: 1 })).toBe(1);
});

test("a torrent under way says how far it is", () => {
  const halfway = torrent({ verified: 500, wantedVerified: 500 });
  expect([progressWords(halfway), shareWords(halfway), share(halfway)]).toEqual(["500 B of 1.0 kB", "50%", 0.5]);
});

test("what is given is told apart from what comes", () => {
  expect(rateWords(torrent())).toBe("");
  expect(rateWords(torrent({ downRateBps: 2000, upRateBps: 1000 }))).toBe("↓ 2.0 kB/s ↑ 1.0 kB/s");
  expect(givenWords(torrent())).toBe("");
  expect(givenWords(torrent({ uploaded: 25, verified: 10 }))).toBe("25 B given, ratio 2.50");
  expect(stateWords(torrent({ state: "queued" }))).toBe("Waiting for its turn");
  expect(stateWords(torrent({ state: "complete", upRateBps: 5, giving: "open" }))).toBe("Complete, giving");
});

test("a torrent of which only some is wanted counts that", () => {
  const some = torrent({ verified: 300, wanted: 400, wantedVerified: 300 });
  expect([progressWords(some), shareWords(some), share(some)]).toEqual(["300 B of 400 B chosen of 1.0 kB", "75%", 0.75]);
  expect(progressWords({ ...some, state: "complete" })).toBe("400 B chosen of 1.0 kB");
  expect(stateWords(torrent({ wanted: 400, wantedVerified: 300, downRateBps: 50 }))).toBe("about 2 s left");
});

test("a check says how far it is", () => {
  expect(stateWords(torrent({ state: "checking" }))).toBe("Checking files");
  expect(stateWords(torrent({ state: "checking", checkProgress: 0.359 }))).toBe("Checking files, 35%");
});
