// The engine's worker: runs the WebAssembly, connects to the daemon, sends pages updates.
//
// It decides nothing about torrents. After a WebAssembly trap the engine's state is unknown, so the
// worker asks to be replaced; the daemon stores everything that matters.

import { realClock } from "../model/clock";
import type { EngineHost, HostEvent } from "./engine";
import { loadEngine } from "./engine";
import type { TopicUpdate } from "../model/generated/TopicUpdate";
import type { LinkState } from "../model/link";
import { Completions } from "../model/completions";
import { Link } from "./link";
import type {
  EngineMessage,
  HelloMessage,
  PageMessage,
  PageReply,
  PageRequest,
} from "../host/protocol";
import { CHANNEL, channelOf, HELLO_CHANNEL, lockOf } from "../host/protocol";
import { BUILD, VERSION } from "./build";
import { Followers } from "./followers";
import type { EndpointResult, OffscreenMessage, WorkerMessage } from "./messages";
import { Publisher } from "./publisher";
import { Requests } from "./requests";
import { Update } from "./update";

const HEARTBEAT_MS = 500;

/** The state before the engine is loaded. */
const NOTHING = {
  torrents: [],
  roots: [],
  streams: [],
  listenPort: null,
  portMapping: null,
  settings: null,
  notices: [],
  removed: [],
  folders: false,
};

/** The worker's global scope, which the page types lack. */
const scope = globalThis as unknown as {
  name: string;
  postMessage(message: WorkerMessage): void;
  addEventListener(
    type: "message",
    listener: (event: MessageEvent<OffscreenMessage>) => void,
  ): void;
};

/** Identifies this engine to pages. */
const session = crypto.randomUUID();
const channel = new BroadcastChannel(CHANNEL);
/** Each page's own channel. */
const channels = new Map<string, BroadcastChannel>();
const followers = new Followers((page) => {
  channels.get(page)?.close();
  channels.delete(page);
});
/** Pages whose lock this worker waits for. */
const attended = new Set<string>();
const requests = new Requests(performance.now());
const completions = new Completions();
/** Whether notifications about completed torrents are on. */
let notifies = false;
const asked = new Map<number, (result: EndpointResult) => void>();
let nextId = 0;
let engine: EngineHost | undefined;
let broken: LinkState | undefined;

const publisher = new Publisher(realClock, {
  audience: () => {
    const audience = followers.audience();
    return audience === "none" && notifies ? "waiting" : audience;
  },
  tell,
  live: () => {
    for (const page of followers.all()) sendState(page, []);
  },
});

const link = new Link(
  realClock,
  {
    endpoint: () =>
      new Promise((resolve) => {
        const id = nextId++;
        asked.set(id, resolve);
        scope.postMessage({ kind: "get_endpoint", id });
      }),
    connect: (url, token) => guard(() => engine?.connect(url, token)),
    changed: () => publisher.live(),
  },
  VERSION,
);

const update = new Update(realClock, {
  hasPages: () => followers.audience() !== "none",
  isServing: () => (guard(() => engine?.snapshot()) ?? NOTHING).streams.length > 0,
  restart: () => scope.postMessage({ kind: "restart_extension", reopen: false }),
});

scope.addEventListener("message", ({ data: message }) => {
  switch (message.kind) {
    case "endpoint":
      asked.get(message.id)?.(message.result);
      asked.delete(message.id);
      break;
    case "update_ready":
      update.isReady = true;
      publisher.live();
      break;
  }
});

channel.addEventListener("message", ({ data: message }: MessageEvent<PageMessage>) => {
  switch (message.kind) {
    case "watch":
      attend(message.page);
      if (followers.follow(message.page, message.topics, message.missing, message.hidden))
        publisher.wanted();
      watchLink();
      break;
    case "leave":
      followers.forget(message.page);
      break;
    case "restart":
      scope.postMessage({ kind: "fatal", message: "A page is of a newer build." });
      break;
    case "request": {
      const { page, id, again, request } = message;
      const reply = (reply: PageReply) => send(page, { kind: "reply", build: BUILD, id, reply });
      const verdict = requests.judge(page, id, again, request, performance.now());
      if (verdict === "act") void answer(request).then(reply);
      else if (verdict === "lost") reply({ kind: "lost" });
      break;
    }
  }
});

/**
 * Forgets a page when the browser releases its lock. Timers of a background page are too slow for
 * this.
 */
function attend(page: string): void {
  if (attended.has(page)) return;
  attended.add(page);
  void navigator.locks.request(lockOf(page), () => {
    attended.delete(page);
    followers.forget(page);
  });
}

function watchLink(): void {
  const audience = followers.audience();
  link.setWatched(audience === "visible", audience !== "none");
}

function beat(): void {
  scope.postMessage({ kind: "heartbeat" });
}

setInterval(() => {
  beat();
  publisher.beat();
  update.beat();
  // Only Chrome knows whether notifications are on.
  const before = notifies;
  notifies = Notification.permission === "granted";
  if (notifies && !before) publisher.changed();
  const pages = followers.all();
  watchLink();
  // An answer to a closed page has opened its channel again.
  for (const [page, own] of channels) {
    if (pages.includes(page)) continue;
    own.close();
    channels.delete(page);
  }
}, HEARTBEAT_MS);
beat();
// Held until this worker ends in any way.
void navigator.locks.request(scope.name, () => {
  scope.postMessage({ kind: "alive" });
  return new Promise<never>(() => {});
});

function handleEvent(event: HostEvent): void {
  if (event.kind === "changed") publisher.changed();
  else link.handle(event);
}

async function answer(request: PageRequest): Promise<PageReply> {
  switch (request.kind) {
    case "intent": {
      const { intent } = request;
      await started;
      if (!engine) return { kind: "no_engine" };
      const running = engine;
      try {
        const reply = await guard(() => running.intent(intent));
        return { kind: "intent", reply };
      } catch (error) {
        return { kind: "intent", reply: { kind: "failed", message: wordsOf(error) } };
      } finally {
        publisher.wanted();
      }
    }
    case "pieces": {
      const { infoHash, fileIndex, cells } = request;
      return {
        kind: "pieces",
        pieces: guard(() => engine?.pieces(infoHash, fileIndex, cells)) ?? null,
      };
    }
    case "everything":
      return {
        kind: "everything",
        state: { link: broken ?? link.state, snapshot: guard(() => engine?.snapshot()) ?? NOTHING },
      };
    case "retry":
      if (broken)
        scope.postMessage({
          kind: "fatal",
          message: "The engine could not be loaded; a page asks to try again.",
        });
      if (engine) link.start();
      return { kind: "ok" };
    case "take_over":
      link.takeOver();
      return { kind: "ok" };
    case "restart_extension":
      scope.postMessage({ kind: "restart_extension", reopen: true });
      return { kind: "ok" };
  }
}

/** Sends every page its updates. */
function tell(): void {
  // The longest turn, with a hundred thousand files: give it the watchdog's full time.
  beat();
  const topics = followers.topics();
  if (notifies && !topics.includes("list")) topics.push("list");
  const updates = guard(() => engine?.updates(topics)) ?? [];
  for (const { change } of updates)
    if (change.kind === "list" && notifies)
      for (const { infoHash, name } of completions.take(change.torrents))
        scope.postMessage({ kind: "completed", infoHash, name });
  for (const page of followers.all())
    sendState(
      page,
      followers.news(page, updates, (topic) => guard(() => engine?.whole(topic))),
    );
}

function sendState(page: string, updates: TopicUpdate[]): void {
  send(page, {
    kind: "state",
    build: BUILD,
    session,
    link: broken ?? link.state,
    updateReady: update.isReady,
    updates,
  });
}

function send(page: string, message: EngineMessage): void {
  let own = channels.get(page);
  if (!own) channels.set(page, (own = new BroadcastChannel(channelOf(page))));
  own.postMessage(message);
}

/** Runs a call into the engine. After a trap the worker asks to be replaced. */
function guard<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError)
      scope.postMessage({ kind: "fatal", message: wordsOf(error) });
    throw error;
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const started = loadEngine(handleEvent).then(
  (host) => {
    engine = host;
    link.start();
    publisher.wanted();
  },
  (error: unknown) => {
    console.error("The engine could not be loaded.", error);
    broken = { kind: "down", cause: "no_engine", message: wordsOf(error) };
    publisher.wanted();
  },
);

// Open pages answer with their topics, and repeat requests that the former worker did not answer.
new BroadcastChannel(HELLO_CHANNEL).postMessage({ build: BUILD } satisfies HelloMessage);
