// Checks the manifest's minimum Chrome version against the newest feature that is used.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import manifest from "../src/extension/manifest.json";

/** Recent features of Chrome in code and style sheets, with their versions. */
const FEATURES: [version: number, name: string, use: RegExp][] = [
  [120, "URL.canParse", /\bURL\.canParse\(/],
  [121, "Array.fromAsync", /\bArray\.fromAsync\(/],
  [121, "scrollbar-color", /scrollbar-(color|width):/],
  [
    122,
    "methods of sets",
    /\.(union|intersection|difference|symmetricDifference|is(SubsetOf|SupersetOf|DisjointFrom))\(/,
  ],
  [
    122,
    "methods of iterators",
    /\.(values|keys|entries)\(\)\.(map|filter|some|every|find|reduce|toArray|forEach|take|drop)\(/,
  ],
  [123, "light-dark()", /light-dark\(/],
  [123, "field-sizing", /field-sizing:/],
  [125, "anchor positioning", /anchor-name:|position-anchor:|anchor\(/],
  [125, "round() and its kin", /[:\s](round|mod|rem)\((?=[^)]*,)[^;]*;$/m],
  [126, "URL.parse", /\bURL\.parse\(/],
  [128, "Promise.try", /\bPromise\.try\(/],
  [129, "interpolate-size", /interpolate-size:|calc-size\(/],
  [129, "Intl.DurationFormat", /DurationFormat/],
  [129, "position-area", /position-area:/],
  [131, "::details-content", /::details-content/],
  [133, "attr() with types, moveBefore", /attr\([a-z-]+ type|\.moveBefore\(/],
  [134, "closedby", /\bclosedby=|\.requestClose\(/],
  [135, "command buttons", /\bcommandfor=/],
  [136, "RegExp.escape", /RegExp\.escape\(/],
  [137, "if() in style sheets", /:\s*if\(/],
  [140, "base64 of arrays", /\.fromBase64\(|\.toBase64\(|\.fromHex\(|\.toHex\(/],
];

const src = join(import.meta.dirname, "../src");
const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter(
  (path) => /\.(ts|css|html)$/.test(path) && !path.startsWith("model/generated"),
);

test("the manifest names the oldest Chrome with all the features that the code uses", () => {
  const texts = files.map((path) => readFileSync(join(src, path), "utf8"));
  const used = FEATURES.filter(([, , use]) => texts.some((text) => use.test(text)));
  const minimum = Number(manifest.minimum_chrome_version);
  expect(used.filter(([version]) => version > minimum).map(([, name]) => name)).toEqual([]);
  expect(Math.max(...used.map(([version]) => version))).toBe(minimum);
});
