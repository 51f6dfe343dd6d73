// The words about a torrent in its row.

import { expect, test } from "vitest";
import {
  isDescribed,
  messageWords,
  progressWords,
  rateWords,
  share,
  shareWords,
  stateWords,
  uploadedWords,
} from "../src/list/torrent_words";
import { torrent } from "./samples";

const bare = torrent({
  state: "metadata",
  files: [],
  fileCount: 0,
  pieceCount: 0,
  length: 0,
  verified: 0,
  wanted: 0,
  wantedVerified: 0,
});

test("a magnet link shows what it waits for, and nothing about its content", () => {
  expect(stateWords(bare)).toBe("Looking for peers");
  expect(stateWords({ ...bare, peers: 2 })).toBe("Getting the torrent’s description");
  const says = { code: "getting_description", have: 3, all: 17 } as const;
  expect(stateWords({ ...bare, says })).toBe("Getting the torrent’s description, 3 of 17 parts");
  expect(messageWords({ ...bare, says }, false)).toBe("");
  expect([progressWords(bare), shareWords(bare), share(bare), isDescribed(bare)]).toEqual([
    "",
    "",
    0,
    false,
  ]);
});

test("a link without peers for a long time gets a hint, unless the engine knows more", () => {
  expect(messageWords(bare, true)).toContain("No peer with this torrent");
  const says = { code: "no_peers_in_link" } as const;
  expect(stateWords({ ...bare, says })).toBe("No peers");
  expect(messageWords({ ...bare, says }, true)).toBe(
    "This link names no tracker that can be asked and no peer. Add a peer by hand.",
  );
  const why = { code: "tracker_refuses", reason: "not registered" } as const;
  expect(messageWords({ ...bare, says: { code: "no_peers", why } }, true)).toBe(
    "The tracker refuses: not registered",
  );
});

test("the state is not repeated by the message", () => {
  expect(messageWords(torrent({ says: { code: "looking_for_peers" } }), false)).toBe("");
  expect(messageWords(torrent({ state: "queued", says: { code: "queued" } }), false)).toBe("");
});

test("a torrent of empty files is complete", () => {
  expect(share({ ...bare, state: "complete", fileCount: 1 })).toBe(1);
});

test("a torrent without selected files says so", () => {
  const none = torrent({ state: "complete", wanted: 0, wantedVerified: 0 });
  expect(stateWords(none)).toBe("No files selected");
  expect([progressWords(none), shareWords(none), share(none)]).toEqual(["", "", 0]);
});

test("a downloading torrent shows its progress", () => {
  const halfway = torrent({ verified: 500, wantedVerified: 500 });
  expect([progressWords(halfway), shareWords(halfway), share(halfway)]).toEqual([
    "500 B of 1.0 kB",
    "50%",
    0.5,
  ]);
});

test("uploads and downloads are distinguished", () => {
  expect(rateWords(torrent())).toBe("");
  expect(rateWords(torrent({ downRateBps: 2000, upRateBps: 1000 }))).toBe("↓ 2.0 kB/s ↑ 1.0 kB/s");
  expect(uploadedWords(torrent())).toBe("");
  expect(uploadedWords(torrent({ uploaded: 25, verified: 10 }))).toBe("25 B uploaded, ratio 2.50");
  expect(stateWords(torrent({ state: "queued" }))).toBe("Queued");
  expect(stateWords(torrent({ state: "complete", giving: "open" }))).toBe("Complete, seeding");
  expect(stateWords(torrent({ state: "complete", giving: "sated" }))).toBe("Complete");
});

test("an ended transfer has no rate", () => {
  expect(rateWords(torrent({ state: "complete", downRateBps: 362_000, upRateBps: 1000 }))).toBe(
    "↑ 1.0 kB/s",
  );
  expect(rateWords(torrent({ state: "paused", downRateBps: 362_000, upRateBps: 1000 }))).toBe("");
});

test("the progress covers only the selected files", () => {
  const some = torrent({ verified: 300, wanted: 400, wantedVerified: 300 });
  expect([progressWords(some), shareWords(some), share(some)]).toEqual([
    "300 B of 400 B selected",
    "75%",
    0.75,
  ]);
  expect(progressWords({ ...some, state: "complete" })).toBe("400 B selected");
});

test("the remaining time follows from the rate of some seconds, and is hidden without one", () => {
  const some = torrent({ wanted: 400, wantedVerified: 300, downRateBps: 1, peers: 1 });
  expect(stateWords({ ...some, etaS: 2 })).toBe("about 2 s left");
  expect(stateWords({ ...some, etaS: 2, stalled: true })).toBe("The peers stopped sending");
  expect(stateWords(some)).toBe("Waiting for peers to send");
});

test("a check shows its progress", () => {
  expect(stateWords(torrent({ state: "checking" }))).toBe("Checking files");
  expect(stateWords(torrent({ state: "checking", checkProgress: 0.359 }))).toBe(
    "Checking files, 35%",
  );
});
