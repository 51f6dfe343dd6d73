// Magnet links of web pages: the browser is asked once to open them here, and what it then brings
// waits for a person's word.
//
// Any page can send a browser to a magnet link, so none is added by being opened. The link leaves
// the address at once: a reload asks for nothing.

import { parseLink } from "../text/torrent_link";

const ASKED = "magnet-links-asked";
const PARAMETER = "link";

/** The part of a browser that is used. */
export interface Browser {
  registerProtocolHandler?(scheme: string, url: string): void;
}

/** Asks the browser to open magnet links here, unless it was asked before. It asks the person, and remembers the answer. */
export function offerToOpenMagnets(
  browser: Browser,
  store: Pick<Storage, "getItem" | "setItem">,
  page: URL,
): void {
  try {
    if (store.getItem(ASKED) !== null || !browser.registerProtocolHandler) return;
    browser.registerProtocolHandler("magnet", `${page.origin}${page.pathname}?${PARAMETER}=%s`);
    store.setItem(ASKED, "1");
  } catch {
    // A browser that does not offer this opens the links elsewhere.
  }
}

/** The magnet link with which this page was opened, and the address without it; an empty link if it was none. */
export function broughtLink(page: URL): { link: string; rest: URL } | undefined {
  const link = page.searchParams.get(PARAMETER);
  if (link === null) return undefined;
  const rest = new URL(page);
  rest.searchParams.delete(PARAMETER);
  const parsed = parseLink(link);
  return {
    link: !("words" in parsed) && parsed.intent.kind === "add_magnet" ? parsed.intent.uri : "",
    rest,
  };
}
