// The sentences of the pages: each exists in every language, and each is used.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import de from "../_locales/de/messages.json";
import en from "../_locales/en/messages.json";
import {
  inTable,
  type Messages,
  number,
  readNumber,
  setSentences,
  t,
  tn,
} from "../src/text/messages";

const SRC = join(import.meta.dirname, "../src");
const sources = readdirSync(SRC, { recursive: true, encoding: "utf8" })
  .filter((path) => /\.(ts|json)$/.test(path) && !path.startsWith("model/generated"))
  .map((path) => readFileSync(join(SRC, path), "utf8"))
  .join("\n");
const values = (message: string) => [...new Set(message.match(/\$[1-9]/g))].sort();

const names = Object.keys(en) as (keyof typeof en)[];

afterEach(() => setSentences(inTable(en)));

test("both languages have the same names in the same order", () => {
  expect(Object.keys(de)).toEqual(Object.keys(en));
});

test("each sentence has the same values in both languages", () => {
  expect(
    names.filter((name) => values(de[name].message).join() !== values(en[name].message).join()),
  ).toEqual([]);
});

test("sentences use typographic apostrophes, dots and quotes", () => {
  expect(names.filter((name) => /'|\.\.\.|"/.test(en[name].message + de[name].message))).toEqual(
    [],
  );
});

test("each sentence is used", () => {
  const unused = names.filter((name) => {
    const base = name.replace(/_(one|other)$/, "");
    // By its full name, or as part of a template: `reason_${code}`.
    const used = [name, base].some(
      (key) => sources.includes(`"${key}"`) || sources.includes(`__MSG_${key}__`),
    );
    const family =
      base.includes("_") && sources.includes(`\`${base.slice(0, base.indexOf("_") + 1)}\${`);
    return !used && !family;
  });
  expect(unused).toEqual([]);
});

test("counted sentences have a singular and a plural", () => {
  const ends = (end: string) =>
    Object.keys(en)
      .filter((name) => name.endsWith(end))
      .map((name) => name.slice(0, -end.length));
  expect(ends("_one")).toEqual(ends("_other"));
});

test("values are put into the sentence, and numbers formatted in its language", () => {
  expect(tn("peers", 1)).toBe("1 peer");
  expect(tn("peers", 1234)).toBe("1,234 peers");
  setSentences(inTable(de));
  expect(tn("peers", 1234)).toBe("1.234 Peers");
  expect(number(0.5)).toBe("0,5");
});

test("a dollar sign, and a value that looks like a placeholder, stay unchanged", () => {
  setSentences(inTable({ ...en, productDescription: { message: "$$1 $1 $2" } } as Messages));
  expect(t("productDescription", "$2", "b")).toBe("$1 $2 b");
});

test("a typed number has a point or a comma, and possible digit grouping is refused", () => {
  const read = (...typed: string[]) => typed.map(readNumber);
  expect(read("2.5", "2,5", ".5", "1440", "1.000", "1,000", "1,0000", "x", "")).toEqual([
    2.5,
    2.5,
    0.5,
    1440,
    1,
    undefined,
    1,
    undefined,
    undefined,
  ]);
  setSentences(inTable(de));
  expect(read("2,5", "2.5", "1,000", "1.440")).toEqual([2.5, 2.5, 1, undefined]);
});
