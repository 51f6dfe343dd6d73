// Opens magnet links of web pages in JSTorrent.
//
// The browser is asked once to register this page for `magnet:` links. Any web page can open such a
// link, so the user has to confirm each one. The link is removed from the page's address, so that
// a reload does not ask again.

import { parseLink } from "../text/torrent_link";

const ASKED = "magnet-links-asked";
const PARAMETER = "link";

/** The part of `Navigator` that is used. */
export interface Browser {
  registerProtocolHandler?(scheme: string, url: string): void;
}

/**
 * Asks the browser once to register this page for `magnet:` links. The browser asks the user and
 * remembers the answer.
 */
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
    // A browser without this feature opens magnet links elsewhere.
  }
}

/**
 * The magnet link that opened this page, and the page's address without it. The link is empty if it
 * is not a magnet link; `undefined` if there is none.
 */
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
