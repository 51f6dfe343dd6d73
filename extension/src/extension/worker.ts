// The engine's worker: hosts the WebAssembly, keeps its link to the daemon up, and tells pages what they follow.
//
// It decides nothing about torrents. When the engine breaks (a WebAssembly trap leaves it in no known state) it says
// so and lets itself be replaced; all that matters is stored by the daemon.

import { realClock } from "../model/clock";
import type { EngineHost, HostEvent } from "./engine";
import { loadEngine } from "./engine";
import type { TopicUpdate } from "../model/generated/TopicUpdate";
import type { LinkState } from "../model/link";
import { Link } from "./link";
import type { EngineMessage, HelloMessage, PageMessage, PageReply, PageRequest } from "../host/protocol";
import { CHANNEL, channelOf, HELLO_CHANNEL, lockOf } from "../host/protocol";
import { BUILD, VERSION } from "./build";
import { Followers } from "./followers";
import type { EndpointResult, OffscreenMessage, WorkerMessage } from "./messages";
import { Publisher } from "./publisher";
import { Requests } from "./requests";

const HEARTBEAT_MS = 500;

/** What there is before there is an engine. */
const NOTHING = { torrents: [], roots: [], streams: [], listenPort: null, portMapping: null, settings: null, notices: [] };

/** The worker's own global, of which the page types know nothing. */
const scope = globalThis as unknown as {
  name: string;
  postMessage(message: WorkerMessage): void;
  addEventListener(type: "message", listener: (event: MessageEvent<OffscreenMessage>) => void): void;
};

/** Tells a page that what it hears comes from another engine than before. */
const session = crypto.randomUUID();
const channel = new BroadcastChannel(CHANNEL);
/** The channel on which each page hears. */
const channels = new Map<string, BroadcastChannel>();
const followers = new Followers((page) => {
  channels.get(page)?.close();
  channels.delete(page);
});
/** The pages of whose end the browser will tell. */
const attended = new Set<string>();
const requests = new Requests(performance.now());
const asked = new Map<number, (result: EndpointResult) => void>();
let nextId = 0;
let engine: EngineHost | undefined;
let broken: LinkState | undefined;

const publisher = new Publisher(realClock, {
  audience: () => followers.audience(),
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

scope.addEventListener("message", ({ data: { id, result } }) => {
  asked.get(id)?.(result);
  asked.delete(id);
});

channel.addEventListener("message", ({ data: message }: MessageEvent<PageMessage>) => {
  switch (message.kind) {
    case "watch":
      attend(message.page);
      if (followers.follow(message.page, message.topics, message.missing, message.hidden)) publisher.wanted();
      link.setWatched(true);
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

/** Forgets a page when the browser says that it is no more; timers of a page in the background come too late to tell by them. */
function attend(page: string): void {
  if (attended.has(page)) return;
  attended.add(page);
  void navigator.locks.request(lockOf(page), () => {
    attended.delete(page);
    followers.forget(page);
  });
}

function beat(): void {
  scope.postMessage({ kind: "heartbeat" });
}

setInterval(() => {
  beat();
  publisher.beat();
  const pages = followers.all();
  if (pages.length === 0) link.setWatched(false);
  // An answer to a page that has said goodbye opened its channel again.
  for (const [page, own] of channels) {
    if (pages.includes(page)) continue;
    own.close();
    channels.delete(page);
  }
}, HEARTBEAT_MS);
beat();
// Held until this worker is gone, in whatever way.
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
      return { kind: "pieces", pieces: guard(() => engine?.pieces(infoHash, fileIndex, cells)) ?? null };
    }
    case "everything":
      return { kind: "everything", state: { link: broken ?? link.state, snapshot: guard(() => engine?.snapshot()) ?? NOTHING } };
    case "retry":
      if (broken) scope.postMessage({ kind: "fatal", message: "The engine could not be loaded; a page asks to try again." });
      if (engine) link.start();
      return { kind: "ok" };
    case "take_over":
      link.takeOver();
      return { kind: "ok" };
  }
}

/** Tells every page what is new for it. */
function tell(): void {
  // The dearest turn there is, with a hundred thousand files: it has the watchdog's whole patience to itself.
  beat();
  const updates = guard(() => engine?.updates(followers.topics())) ?? [];
  for (const page of followers.all())
    sendState(
      page,
      followers.news(page, updates, (topic) => guard(() => engine?.whole(topic))),
    );
}

function sendState(page: string, updates: TopicUpdate[]): void {
  send(page, { kind: "state", build: BUILD, session, link: broken ?? link.state, updates });
}

function send(page: string, message: EngineMessage): void {
  let own = channels.get(page);
  if (!own) channels.set(page, (own = new BroadcastChannel(channelOf(page))));
  own.postMessage(message);
}

/** Runs a call into the engine; after a trap nothing it says can be believed, so the worker asks to be replaced. */
function guard<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) scope.postMessage({ kind: "fatal", message: wordsOf(error) });
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

// Pages that were here before say what they follow, and ask again what the former worker did not answer.
new BroadcastChannel(HELLO_CHANNEL).postMessage({ build: BUILD } satisfies HelloMessage);
