// Translates every sentence of the engine into every language.
//
// Codes and values are read from the types that the engine generates.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import de from "../_locales/de/messages.json";
import en from "../_locales/en/messages.json";
import type { Sentence } from "../src/model/generated/Sentence";
import type { Why } from "../src/model/generated/Why";
import { inTable, setSentences } from "../src/text/messages";
import { engineWords, whyWords, sentenceWords } from "../src/text/sentence_words";

const GENERATED = join(import.meta.dirname, "../src/model/generated");
const source = (name: string) => readFileSync(join(GENERATED, `${name}.ts`), "utf8");

const WHY: Why = { kind: "denied", text: "permission denied" };
const samples: Readonly<Record<string, unknown>> = {
  number: 3,
  Why: WHY,
  Sentence: { code: "disk_full" },
};

/** A sentence of each code with sample values: `«detail»` for a text named `detail`. */
const sentences: Sentence[] = [
  ...source("Sentence").matchAll(/\{ "code": "(\w+)"((?:, \w+: \w+)*),? \}/g),
].map(([, code, fields = ""]) => {
  const values = [...fields.matchAll(/(\w+): (\w+)/g)].map(([, name = "", type = ""]) => [
    name,
    type === "string" ? `«${name}»` : samples[type],
  ]);
  return { code, ...(Object.fromEntries(values) as object) } as Sentence;
});
/** Values that pages leave out, because they say less than the terminal. */
const UNSAID = ["path_too_long detail"];

afterEach(() => setSentences(inTable(en)));

test("every code of the engine is known", () => {
  expect(sentences.length).toBe(source("Sentence").split('"code":').length - 1);
  expect(sentences.length).toBeGreaterThan(90);
});

test.each(sentences)("$code has a sentence in every language, with its values", (sentence) => {
  const english = sentenceWords(sentence);
  setSentences(inTable(de));
  const german = sentenceWords(sentence);
  for (const words of [english, german]) {
    expect(words).toMatch(/\p{L}/u);
    expect(words).not.toMatch(/\$|undefined|object/);
    for (const [name, value] of Object.entries(sentence))
      if (typeof value === "string" && value.startsWith("«"))
        if (!UNSAID.includes(`${sentence.code} ${name}`))
          expect(words.toLowerCase()).toContain(value.toLowerCase());
  }
  if (sentence.code !== "tracker_warns") expect(german).not.toBe(english);
});

test("a count of one has a sentence of its own", () => {
  expect(sentenceWords({ code: "announcing", count: 1 })).toBe("One tracker is being asked.");
  expect(sentenceWords({ code: "spared", name: "a.mkv", others: 0 })).toContain(
    "“a.mkv” was not deleted",
  );
  expect(sentenceWords({ code: "spared", name: "a.mkv", others: 2 })).toContain(
    "“a.mkv” and 2 more",
  );
});

test("English shows the daemon’s words for a failure, other languages those for its kind", () => {
  expect(whyWords(WHY)).toBe("permission denied");
  setSentences(inTable(de));
  expect(whyWords(WHY)).toBe("der Zugriff ist nicht erlaubt");
  expect(whyWords({ kind: "other", text: "input/output error" })).toBe("input/output error");
});

test("a message without a code is shown unchanged", () => {
  expect(engineWords({ message: "It lacks its pieces." })).toBe("It lacks its pieces.");
  expect(engineWords({ message: null })).toBe("");
});
