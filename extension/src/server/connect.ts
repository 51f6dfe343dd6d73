// Connects a page to the server that it was loaded from.

import type { Host } from "../host/host";
import { ServerHost } from "../host/server";
import { realClock } from "../model/clock";
import { localStore } from "../ui/stores";

/** Key of the token in the tab's storage, for other pages of this origin. */
const TOKEN = "token";

/** Connects this page. Removes the token from the address, to keep it out of the history. */
export function connectPage(): Host {
  const address = new URL(location.href);
  const given = address.searchParams.get(TOKEN);
  if (given !== null) {
    localStore.setItem(TOKEN, given);
    address.searchParams.delete(TOKEN);
    history.replaceState(null, "", address);
  }
  return new ServerHost(realClock, {
    origin: location.origin,
    token: () => localStore.getItem(TOKEN) ?? given ?? undefined,
    open: (url) => new EventSource(url),
    fetch: (url, init) => fetch(url, init),
    reloadPage: () => location.reload(),
    askForToken: () => location.assign("/"),
  });
}
