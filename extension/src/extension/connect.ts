// Joins a page to the engine, the same way on every page.

import { ExtensionHost } from "../host/extension";
import type { Host } from "../host/host";
import type { EngineMessage, PageMessage, PublishedState } from "../host/protocol";
import { CHANNEL, channelOf } from "../host/protocol";
import { realClock } from "../model/clock";
import { BUILD, installedBuild } from "./build";
import { askBackground } from "./platform";

/** How often everything is asked for, once the console or a test wants it. */
const EVERYTHING_MS = 200;

declare global {
  /** What a person at the console, or a test, can ask of a page. The first call begins to follow everything; until that is here there is nothing. */
  var jstorrent: { snapshot(): PublishedState | undefined };
}

/** Connects this page. */
export function connectPage(): Host {
  const page = crypto.randomUUID();
  const channel = new BroadcastChannel(CHANNEL);
  const own = new BroadcastChannel(channelOf(page));
  const ensureEngine = () => void askBackground({ kind: "ensure_engine" });
  const host = new ExtensionHost(realClock, {
    page,
    build: BUILD,
    send: (message: PageMessage) => channel.postMessage(message),
    ensureEngine,
    installedBuild,
    reloadPage: () => location.reload(),
  });
  own.addEventListener("message", (event: MessageEvent<EngineMessage>) => host.handle(event.data));
  globalThis.jstorrent = { snapshot: everythingOf(host) };
  addEventListener("pagehide", () => host.leave());
  addEventListener("pageshow", () => host.announce());
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) host.announce();
  });
  ensureEngine();
  return host;
}

/** A function that says everything as it was last heard; nothing is asked before it is called. */
function everythingOf(host: ExtensionHost): () => PublishedState | undefined {
  let last: PublishedState | undefined;
  let following = false;
  const ask = async () => {
    last = (await host.everything()) ?? last;
    setTimeout(() => void ask(), EVERYTHING_MS);
  };
  return () => {
    if (!following) void ask();
    following = true;
    return last;
  };
}
