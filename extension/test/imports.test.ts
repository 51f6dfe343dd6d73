// Checks which folders import which: model ← text ← host ← ui ← list | player ← entries.

import { readdirSync, readFileSync } from "node:fs";
import { join, normalize } from "node:path";
import { expect, test } from "vitest";

const SRC = join(import.meta.dirname, "../src");
/** The folders that each folder may import besides itself. */
const ALLOWED: Record<string, string[]> = {
  model: [],
  text: ["model"],
  host: ["model", "text"],
  media: ["model"],
  ui: ["model", "text", "host"],
  list: ["model", "text", "host", "ui"],
  player: ["model", "text", "host", "ui", "media/protocol"],
  extension: ["model", "text", "host", "ui", "list", "player", "media"],
  server: ["model", "text", "host", "ui", "list", "player", "media"],
};

/** The source files, as paths below src. */
function sources(): string[] {
  return readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((path) =>
    path.endsWith(".ts"),
  );
}

/** The paths that a file imports. */
function importsOf(path: string, text: string): string[] {
  return [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"(\.[^"]+)"/g)].map((match) =>
    normalize(join(path, "..", match[1]!)),
  );
}

/** The files that import themselves through others. `files` maps each file to its imports. */
function inCycles(files: ReadonlyMap<string, readonly string[]>): string[] {
  const reaches = (from: string, to: string, seen: Set<string>): boolean =>
    (files.get(from) ?? []).some((next) => {
      if (next === to) return true;
      if (seen.has(next)) return false;
      seen.add(next);
      return reaches(next, to, seen);
    });
  return [...files.keys()].filter((path) => reaches(path, path, new Set()));
}

/** The imports of a file that break a rule, in words. */
function broken(path: string, text: string): string[] {
  const folder = path.split("/")[0]!;
  return (
    importsOf(path, text)
      // Imports by the path of a package's module count as packages. Folders that load sentences
      // may import them.
      .filter(
        (target) =>
          !target.startsWith("../node_modules/") &&
          !(target.startsWith("../_locales/") && ["text", "server"].includes(folder)) &&
          !target.startsWith(`${folder}/`),
      )
      .filter(
        (target) =>
          !ALLOWED[folder]?.some(
            (allowed) => target === allowed || target.startsWith(`${allowed}/`),
          ),
      )
      .map((target) => `${path} imports ${target}`)
  );
}

test("every folder of src has its place", () => {
  expect(
    sources()
      .map((path) => path.split("/")[0]!)
      .filter((folder) => !ALLOWED[folder]),
  ).toEqual([]);
});

test("imports go one way", () => {
  expect(sources().flatMap((path) => broken(path, readFileSync(join(SRC, path), "utf8")))).toEqual(
    [],
  );
});

test("no file imports itself through others", () => {
  const files = sources()
    // The generated types refer to each other, as the engine's do.
    .filter((path) => !path.startsWith("model/generated/"))
    .map((path) => [path, importsOf(path, readFileSync(join(SRC, path), "utf8"))] as const)
    .map(([path, imports]) => [path.replace(/\.ts$/, ""), imports] as const);
  expect(inCycles(new Map(files))).toEqual([]);
});

test("a cycle of imports is found", () => {
  const files = { a: ["b"], b: ["c"], c: ["b"], d: ["a"] };
  expect(inCycles(new Map(Object.entries(files)))).toEqual(["b", "c"]);
});

test("an import in the wrong direction is found, whatever its form", () => {
  expect(broken("model/a.ts", 'import type { T } from "../list/b";')).toHaveLength(1);
  expect(broken("list/a.ts", 'const b = await import("../player/b");')).toHaveLength(1);
  expect(broken("player/a.ts", 'import "../media/reader";')).toHaveLength(1);
  expect(
    broken("player/a.ts", 'import type { P } from "../media/protocol";\nimport "./b";'),
  ).toEqual([]);
});

test("only src/extension uses Chrome's APIs", () => {
  const speaking = sources().filter((path) =>
    /\bchrome\.\w/.test(readFileSync(join(SRC, path), "utf8").replace(/\/\/.*|`chrome\.\*`/g, "")),
  );
  expect(speaking.filter((path) => !path.startsWith("extension/"))).toEqual([]);
  expect(speaking.length).toBeGreaterThan(0);
});

test("no template has a style attribute, which the pages' content policy forbids", () => {
  const styled = sources().filter((path) =>
    /\sstyle="/.test(readFileSync(join(SRC, path), "utf8")),
  );
  expect(styled).toEqual([]);
});
