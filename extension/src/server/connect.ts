// Joins a page to the server that it came from.

import type { Host } from "../host/host";
import { ServerHost } from "../host/server";
import { realClock } from "../model/clock";
import { localStore } from "../ui/stores";

/** Where the token lies once the address has told it: another page of this origin needs it as well. */
const TOKEN = "token";

/** Connects this page. The token leaves the address, so that it is in no history and on no screen. */
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
