// Sizes, rates, times and lists of peers as texts.

import { expect, test } from "vitest";
import de from "../_locales/de/messages.json";
import en from "../_locales/en/messages.json";
import { parsePeers } from "../src/text/address";
import { about, clockTime, percent, rate, size, splitPath } from "../src/text/format";
import { inTable, setSentences } from "../src/text/messages";

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.0 kB"],
  [99_949, "99.9 kB"],
  [99_951, "100 kB"],
  [999_499, "999 kB"],
  [999_500, "1.0 MB"],
  [1_400_000_000, "1.4 GB"],
  [2 ** 53, "9.0 PB"],
  [-5, "0 B"],
])("%i bytes are %s", (bytes, words) => expect(size(bytes)).toBe(words));

test("a rate is a size per second", () => expect(rate(1_500_000)).toBe("1.5 MB/s"));

test.each([
  [0, 10, "0%"],
  [999, 1000, "99%"],
  [1000, 1000, "100%"],
  [0, 0, "100%"],
  [999_999_999, 1_000_000_000, "99%"],
])("%i of %i is %s", (part, whole, words) => expect(percent(part, whole)).toBe(words));

test.each([
  [0.2, "less than 1 s"],
  [2.1, "about 2 s"],
  [89, "about 89 s"],
  [300, "about 5 min"],
  [7_200, "about 2 h"],
  [400_000, "about 5 days"],
  [Infinity, "a long time"],
])("%d seconds are %s", (seconds, words) => expect(about(seconds)).toBe(words));

test("numbers are formatted in the language of the sentences", () => {
  setSentences(inTable(de));
  expect(size(1_400_000_000)).toBe("1,4 GB");
  expect(percent(1, 3)).toBe("33\u00a0%");
  expect(about(300)).toBe("etwa 5 min");
  setSentences(inTable(en));
  expect(size(1_400_000_000)).toBe("1.4 GB");
});

test("times as digits have hours if they or the duration need them", () => {
  expect([0, 65, 3605.9].map((time) => clockTime(time))).toEqual(["0:00", "1:05", "1:00:05"]);
  expect(clockTime(65, 7200)).toBe("0:01:05");
  expect(clockTime(NaN)).toBe("–:––");
  expect(clockTime(65, Infinity)).toBe("1:05");
});

test("a path is split into folder and name", () => {
  expect(splitPath("a/b/c.mp4")).toEqual({ folder: "a/b/", name: "c.mp4" });
  expect(splitPath("c.mp4")).toEqual({ folder: "", name: "c.mp4" });
});

test("peers may be separated by spaces, commas, semicolons and line ends", () => {
  expect(parsePeers(" 127.0.0.1:1, 10.0.0.2:65535\n[2001:db8::7]:6881;")).toEqual({
    peers: ["127.0.0.1:1", "10.0.0.2:65535", "[2001:db8::7]:6881"],
  });
});

test.each([
  "",
  "  ",
  "localhost:1",
  "127.0.0.1",
  "127.0.0.1:0",
  "127.0.0.1:65536",
  "256.0.0.1:1",
  "2001:db8::7:6881",
  "<b>:1",
])("%o is no list of peers", (typed) => expect(parsePeers(typed)).toHaveProperty("words"));
