// Registering the page for magnet links, and taking such a link from the page's address.

import { expect, test } from "vitest";
import { broughtLink, offerToOpenMagnets } from "../src/list/magnet_handler";
import { HASH } from "./samples";

const PAGE = new URL("http://127.0.0.1:3000/page/app.html?a=1#b");
const MAGNET = `magnet:?xt=urn:btih:${HASH}&dn=A film`;

function store() {
  const kept = new Map<string, string>();
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  };
}

test("the browser is asked once", () => {
  const asked: string[][] = [];
  const browser = { registerProtocolHandler: (...args: string[]) => void asked.push(args) };
  const kept = store();
  offerToOpenMagnets(browser, kept, PAGE);
  offerToOpenMagnets(browser, kept, PAGE);
  expect(asked).toEqual([["magnet", "http://127.0.0.1:3000/page/app.html?link=%s"]]);
});

test("a browser that can't or won't register the page is asked again", () => {
  const kept = store();
  offerToOpenMagnets({}, kept, PAGE);
  offerToOpenMagnets(
    {
      registerProtocolHandler: () => {
        throw new DOMException("no", "SecurityError");
      },
    },
    kept,
    PAGE,
  );
  expect(kept.getItem("magnet-links-asked")).toBeNull();
});

test("the link is removed from the page's address", () => {
  const brought = broughtLink(
    new URL(`http://127.0.0.1:3000/page/app.html?link=${encodeURIComponent(MAGNET)}&a=1`),
  );
  expect([brought?.link, brought?.rest.href]).toEqual([
    MAGNET.replace(" ", "%20"),
    "http://127.0.0.1:3000/page/app.html?a=1",
  ]);
  expect(broughtLink(PAGE)).toBeUndefined();
});

test("a text that is not a magnet link is not offered", () => {
  for (const link of ["javascript:alert(1)", "http://example.org/a.torrent", ""]) {
    expect(
      broughtLink(new URL(`http://127.0.0.1/app.html?link=${encodeURIComponent(link)}`))?.link,
    ).toBe("");
  }
});
