// Joins a page to the engine, the same way on every page.

import { ExtensionHost } from "../host/extension";
import type { Host } from "../host/host";
import type { EngineMessage, HelloMessage, PageMessage, PublishedState } from "../host/protocol";
import { CHANNEL, channelOf, HELLO_CHANNEL, lockOf } from "../host/protocol";
import { realClock } from "../model/clock";
import { BUILD, installedBuild } from "./build";
import type { EngineReport } from "./messages";
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
  const send = speakerOf(page, channel);
  const host = new ExtensionHost(realClock, {
    page,
    build: BUILD,
    send,
    isHidden: () => document.hidden,
    ensureEngine: async () => {
      const answer = (await askBackground({ kind: "ensure_engine" })) as EngineReport | undefined;
      return answer?.kind === "failed" ? answer.message : undefined;
    },
    installedBuild,
    reloadPage: () => location.reload(),
  });
  own.addEventListener("message", (event: MessageEvent<EngineMessage>) => host.handle(event.data));
  const hello = new BroadcastChannel(HELLO_CHANNEL);
  hello.addEventListener("message", (event: MessageEvent<HelloMessage>) =>
    host.handleHello(event.data),
  );
  globalThis.jstorrent = { snapshot: everythingOf(host) };
  addEventListener("pagehide", () => host.leave());
  addEventListener("pageshow", () => host.announce());
  document.addEventListener("visibilitychange", () => host.announce());
  return host;
}

/** What speaks for this page: nothing is said before the page holds the lock by whose release the worker learns that the page is gone. */
function speakerOf(page: string, channel: BroadcastChannel): (message: PageMessage) => void {
  let unsaid: PageMessage[] | undefined = [];
  void navigator.locks.request(lockOf(page), () => {
    for (const message of unsaid ?? []) channel.postMessage(message);
    unsaid = undefined;
    return new Promise<never>(() => {});
  });
  return (message) => {
    if (unsaid) unsaid.push(message);
    else channel.postMessage(message);
  };
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
