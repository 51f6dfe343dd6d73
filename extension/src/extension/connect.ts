// Connects a page of the extension to the engine.

import { ExtensionHost } from "../host/extension";
import type { Host } from "../host/host";
import type { EngineMessage, HelloMessage, PageMessage, PublishedState } from "../host/protocol";
import { CHANNEL, channelOf, HELLO_CHANNEL, lockOf } from "../host/protocol";
import { realClock } from "../model/clock";
import { BUILD, installedBuild } from "./build";
import type { EngineReport } from "./messages";
import { askBackground } from "./platform";

/** How often everything is requested once `jstorrent.snapshot` was called, in ms. */
const EVERYTHING_MS = 200;

declare global {
  /**
   * For the console and tests. The first call of `snapshot` starts requests for everything; it
   * returns `undefined` until the first answer.
   */
  var jstorrent: { snapshot(): PublishedState | undefined };
}

/** Connects this page. */
export function connectPage(): Host {
  const page = crypto.randomUUID();
  const channel = new BroadcastChannel(CHANNEL);
  const own = new BroadcastChannel(channelOf(page));
  const send = senderOf(page, channel);
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

/**
 * Returns the function that sends this page's messages. Sending waits until the page holds its
 * lock: the worker learns from the lock's release that the page has closed.
 */
function senderOf(page: string, channel: BroadcastChannel): (message: PageMessage) => void {
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

/** Returns a function with the last answer to "everything". Requests start with its first call. */
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
