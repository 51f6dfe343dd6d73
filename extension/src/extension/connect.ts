// Joins a page to the engine, the same way on every page.

import { realClock } from "../model/clock";
import type { PublishedState } from "../host/messages";
import { CHANNEL } from "../host/messages";
import { askBackground } from "./platform";
import { Client } from "../host/client";

declare global {
  /** What a person at the console, or a test, can ask of a page. */
  var jstorrent: { snapshot(): PublishedState | undefined };
}

/** Connects this page; `changed` is called whenever there is something new to show. */
export function connectPage(changed: () => void): Client {
  const ensureEngine = () => void askBackground({ kind: "ensure_engine" });
  const client = new Client(realClock, new BroadcastChannel(CHANNEL), ensureEngine, changed);
  globalThis.jstorrent = { snapshot: () => client.state };
  addEventListener("pagehide", () => client.leave());
  addEventListener("pageshow", () => client.announce());
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) client.announce();
  });
  ensureEngine();
  return client;
}
