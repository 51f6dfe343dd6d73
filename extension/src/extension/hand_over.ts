// Hands what a person chose outside of it to the app page, which is opened for it if need be: a
// link's menu entry, a notification.
//
// Nothing is kept meanwhile but a running call: if Chrome ends the service worker first, the link
// was not added and the person sees that. Invariant: a message goes to one tab, once, and only a
// link that can be of a torrent goes at all.

import type { Clock } from "../model/clock";
import { parseLink } from "../text/torrent_link";
import type { AppMessage } from "./messages";

/** What it takes. */
export interface HandOverActions {
  clock: Clock;
  /** Shows the app page and names its tab. */
  showApp(): Promise<number>;
  /** True if the page in that tab has taken the message. */
  tellApp(tabId: number, message: AppMessage): Promise<boolean>;
}

/** A page that listens by then never will. */
export const PATIENCE_MS = 10_000;
const AGAIN_MS = 100;

/** Opens the app page and gives it the message as soon as it listens. */
export async function handOver(
  message: AppMessage,
  { clock, showApp, tellApp }: HandOverActions,
): Promise<void> {
  if (message.kind === "add_link" && "words" in parseLink(message.link))
    throw new Error("It is neither a magnet link nor the address of a torrent file.");
  const tabId = await showApp();
  const end = clock.now() + PATIENCE_MS;
  while (!(await tellApp(tabId, message))) {
    if (clock.now() >= end) throw new Error("The app page did not open.");
    await new Promise<void>((resolve) => clock.after(AGAIN_MS, resolve));
  }
}
