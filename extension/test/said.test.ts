import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SAID_ANYWAY, said } from "../src/model/said";

const ENGINE = join(import.meta.dirname, "../../engine-wasm/src");
const sources = ["torrent/show.rs", "magnet/show.rs"]
  .map((path) => readFileSync(join(ENGINE, path), "utf8"))
  .join("\n");

test("what is known by heart is what the engine says", () => {
  const known = [
    ...SAID_ANYWAY,
    "Getting the description: {have} of {all} parts",
    "No peers: {message}",
  ];
  expect(known.filter((sentence) => !sources.includes(`"${sentence}"`))).toEqual([]);
});

test("what pages have words for is taken out of a message, and the rest is left", () => {
  expect(said(null)).toEqual({ words: "" });
  expect(said("Looking for peers")).toEqual({ words: "" });
  expect(said("Getting the description: 3 of 17 parts")).toEqual({ parts: ["3", "17"], words: "" });
  expect(said("No peers: the tracker did not answer.")).toEqual({
    noPeers: true,
    words: "The tracker did not answer.",
  });
  expect(said("Deleting its files")).toEqual({ words: "Deleting its files" });
});
