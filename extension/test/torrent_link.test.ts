// Recognizing magnet links and addresses of torrent files.

import { describe, expect, test } from "vitest";
import {
  isMagnet,
  linksOf,
  MAX_LINK_LENGTH,
  MOST_LINKS,
  parseLink,
} from "../src/text/torrent_link";
import { HASH } from "./samples";

const MAGNET = `magnet:?xt=urn:btih:${HASH}`;

function check(typed: string, expected: object | RegExp): void {
  const parsed = parseLink(typed);
  if (expected instanceof RegExp)
    expect("words" in parsed ? parsed.words : parsed.intent).toMatch(expected);
  else expect("words" in parsed ? parsed.words : parsed.intent).toEqual(expected);
}

function called(typed: string, name: string): void {
  expect(parseLink(typed)).toMatchObject({ name });
}

describe("a link", () => {
  test("to a magnet is taken unchanged, without surrounding characters", () => {
    check(MAGNET, { kind: "add_magnet", uri: MAGNET });
    check(`  <${MAGNET}>\n`, { kind: "add_magnet", uri: MAGNET });
    check(MAGNET.toUpperCase(), { kind: "add_magnet", uri: MAGNET.toUpperCase() });
  });

  test("with spaces in its name stays one link", () => {
    check(`${MAGNET}&dn=A film\n(2010)`, {
      kind: "add_magnet",
      uri: `${MAGNET}&dn=A%20film%20(2010)`,
    });
  });

  test("can be a bare info hash", () =>
    check(HASH.toUpperCase(), {
      kind: "add_magnet",
      uri: `magnet:?xt=urn:btih:${HASH.toUpperCase()}`,
    }));

  test("to a file is taken without its fragment", () => {
    check("https://example.org/a b.torrent?x=1#top", {
      kind: "add_url",
      url: "https://example.org/a%20b.torrent?x=1",
    });
    check("HTTP://127.0.0.1:8000", { kind: "add_url", url: "http://127.0.0.1:8000/" });
  });

  test.each(["", "  ", "<>"])("is asked for if %o is typed", (typed) => check(typed, /Paste/));

  test.each([
    "javascript:alert(1)",
    "file:///etc/passwd",
    "data:,x",
    "ftp://x/a.torrent",
    "example.org/a.torrent",
    "http://",
    "a film",
    "blob:https://x/1",
  ])("%s is refused in plain words", (typed) => check(typed, /Not a torrent link/));

  test("to a truncated magnet is refused with that reason", () => check("magnet:", /incomplete/));

  test("that is too long is refused", () =>
    check(`${MAGNET}&dn=${"x".repeat(MAX_LINK_LENGTH)}`, /too long/));
});

describe("the name of a link", () => {
  test("is the magnet's own, or its hash", () => {
    called(`${MAGNET}&dn=A+film%20(2010)`, "A film (2010)");
    called(MAGNET, HASH);
    called(`${MAGNET}&dn=%ff%20`, "\uFFFD");
    called("magnet:?tr=x", "Magnet link");
  });

  test("is the file's, or the host", () => {
    called("https://example.org/a/My%20film.torrent?x", "My film.torrent");
    called("https://example.org/%ff.torrent", "%ff.torrent");
    called("https://example.org/", "example.org");
  });

  test("is short enough to read", () =>
    expect(parseLink(`${MAGNET}&dn=${"x".repeat(5000)}`)).toMatchObject({
      name: `${"x".repeat(200)}…`,
    }));
});

describe("a text", () => {
  test("of nothing but links and comments gives its links", () => {
    expect(linksOf(`# dragged\r\n${MAGNET}\r\n\r\nhttps://example.org/a.torrent\n`)).toEqual([
      MAGNET,
      "https://example.org/a.torrent",
    ]);
  });

  test("with anything else gives none", () => {
    for (const text of ["", "hello", `see ${MAGNET}`, `${MAGNET}\nand this`, "# only a comment"])
      expect(linksOf(text)).toEqual([]);
  });

  test("with too many links gives none", () =>
    expect(linksOf(`${MAGNET}\n`.repeat(MOST_LINKS + 1))).toEqual([]));
});

test("a magnet link has a query and no space", () => {
  expect(isMagnet(MAGNET)).toBe(true);
  for (const text of ["magnet:", "magnet:?", `${MAGNET} `, `x${MAGNET}`, `${MAGNET}\nx`])
    expect(isMagnet(text)).toBe(false);
});
