// The words for the reason why a torrent stopped.

import { expect, test } from "vitest";
import { troubleWords } from "../src/text/trouble_words";

test("a torrent that is not stopped has no words", () => {
  expect(troubleWords({ trouble: null, message: "Queued" })).toBeUndefined();
});

test("the reason for a stop is shown by its code, or by the engine's text, or as unknown", () => {
  const says = { code: "disk_full" } as const;
  expect(troubleWords({ trouble: "disk_full", message: "Full.", says })).toBe(
    "The disk is full. Free some space; it continues automatically.",
  );
  expect(troubleWords({ trouble: "other", message: "It broke." })).toBe("It broke.");
  expect(troubleWords({ trouble: "other", message: null })).toBe("The torrent stopped.");
});
