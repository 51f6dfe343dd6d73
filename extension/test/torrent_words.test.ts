import { expect, test } from "vitest";
import { isDescribed, progressWords, share, shareWords, stateWords } from "../src/app/torrent_words";
import { torrent } from "./samples";

const bare = torrent({ state: "metadata", files: [], pieceCount: 0, length: 0, verified: 0 });

test("a magnet link says what it waits for, and claims nothing of its content", () => {
  expect(stateWords(bare)).toBe("Getting the torrent’s description");
  expect([progressWords(bare), shareWords(bare), share(bare), isDescribed(bare)]).toEqual(["", "", 0, false]);
});

test("a torrent of empty files is all there", () => {
  expect(share({ ...bare, state: "complete", files: torrent().files })).toBe(1);
});

test("a torrent under way says how far it is", () => {
  const halfway = torrent({ verified: 500 });
  expect([progressWords(halfway), shareWords(halfway), share(halfway)]).toEqual(["500 B of 1.0 kB", "50%", 0.5]);
});
