import { expect, test } from "vitest";
import { troubleWords } from "../src/text/trouble_words";

test("what stopped nothing has no words", () => {
  expect(troubleWords({ trouble: null, message: "Queued" })).toBeUndefined();
});

test("why a torrent stopped is shown by its code, or in the engine's text, or as unknown", () => {
  const says = { code: "disk_full" } as const;
  expect(troubleWords({ trouble: "disk_full", message: "Full.", says })).toBe(
    "The disk is full. Free some space; it continues automatically.",
  );
  expect(troubleWords({ trouble: "other", message: "It broke." })).toBe("It broke.");
  expect(troubleWords({ trouble: "other", message: null })).toBe("The torrent stopped.");
});
