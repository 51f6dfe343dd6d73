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

/** The imports of a file that break a rule, in words. */
function broken(path: string, text: string): string[] {
  const folder = path.split("/")[0]!;
  const imports = [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"(\.[^"]+)"/g)].map((match) =>
    normalize(join(path, "..", match[1]!)),
  );
  return (
    imports
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
