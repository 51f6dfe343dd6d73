// Passes a link from the context menu, or a clicked notification, to the list page.
//
// The list page is opened if needed. Nothing is stored: if Chrome ends the service worker first,
// the link is not added, and the user sees that. Invariant: a message goes to one tab, once, and
// a link is sent only if it can be a torrent's.

import type { Clock } from "../model/clock";
import { parseLink } from "../text/torrent_link";
import type { AppMessage } from "./messages";

/** What `handOver` needs from the browser. */
export interface HandOverActions {
  clock: Clock;
  /** Shows the list page and returns its tab's id. */
  showApp(): Promise<number>;
  /** Sends the message to the page in that tab. Returns true if the page took it. */
  tellApp(tabId: number, message: AppMessage): Promise<boolean>;
}

/** Longest wait until the page listens, in ms. */
export const PATIENCE_MS = 10_000;
const AGAIN_MS = 100;

/** Opens the list page and sends it the message as soon as the page listens. */
export async function handOver(
  message: AppMessage,
  { clock, showApp, tellApp }: HandOverActions,
): Promise<void> {
  if (message.kind === "add_link" && "words" in parseLink(message.link))
    throw new Error("The link is neither a magnet link nor the address of a torrent file.");
  const tabId = await showApp();
  const end = clock.now() + PATIENCE_MS;
  while (!(await tellApp(tabId, message))) {
    if (clock.now() >= end) throw new Error("The list page did not open.");
    await new Promise<void>((resolve) => clock.after(AGAIN_MS, resolve));
  }
}
