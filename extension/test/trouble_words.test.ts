import { afterEach, expect, test } from "vitest";
import de from "../_locales/de/messages.json";
import en from "../_locales/en/messages.json";
import { inTable, speak } from "../src/text/messages";
import { troubleWords } from "../src/text/trouble_words";

afterEach(() => speak(inTable(en)));

test("what stopped nothing has no words", () => {
  expect(troubleWords({ trouble: null, message: "Queued" })).toBeUndefined();
});

test("in English the engine's own words are the best there are", () => {
  expect(
    troubleWords({
      trouble: "disk_error",
      message: "The disk reports a problem: input/output error.",
    }),
  ).toContain("input/output");
  expect(troubleWords({ trouble: "disk_full", message: null })).toBe(
    "The disk is full. Free some space; it continues automatically.",
  );
});

test("another language has its own, and the engine's beside it where they tell more", () => {
  speak(inTable(de));
  expect(troubleWords({ trouble: "disk_full", message: "The disk is full." })).toBe(
    "Der Datenträger ist voll. Sobald Platz frei ist, geht es von selbst weiter.",
  );
  expect(troubleWords({ trouble: "disk_error", message: "Input/output error." })).toBe(
    "Der Datenträger meldet ein Problem. (Input/output error.)",
  );
});
