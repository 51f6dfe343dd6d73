// The engine's worker: hosts the WebAssembly, keeps its link to the daemon up, and serves pages over the channel.
//
// It decides nothing about torrents. When the engine breaks (a WebAssembly trap leaves it in no known state) it says
// so and lets itself be replaced; all that matters is stored by the daemon.

import { realClock } from "../model/clock";
import type { EngineHost, HostEvent } from "./engine";
import { loadEngine } from "./engine";
import type { LinkState } from "../model/link";
import { Link } from "./link";
import type {
  EndpointResult,
  EngineMessage,
  PageReply,
  PageRequest,
  WorkerMessage,
} from "../host/messages";
import { CHANNEL, parseOffscreenMessage, parsePageMessage } from "../host/messages";
import { Watchers } from "./watchers";

const HEARTBEAT_MS = 500;
const PUBLISH_MS = 500;
/** Changes that come in a bunch are published as one. */
const BUNCH_MS = 30;

/** The worker's own global, of which the page types know nothing. */
const scope = globalThis as unknown as {
  name: string;
  postMessage(message: WorkerMessage): void;
  addEventListener(type: "message", listener: (event: MessageEvent<unknown>) => void): void;
};

const channel = new BroadcastChannel(CHANNEL);
const watchers = new Watchers();
const asked = new Map<number, (result: EndpointResult) => void>();
let nextId = 0;
let engine: EngineHost | undefined;
let broken: LinkState | undefined;
let publishTimer: ReturnType<typeof setTimeout> | undefined;
let publishDue = 0;

const link = new Link(realClock, {
  endpoint: () =>
    new Promise((resolve) => {
      const id = nextId++;
      asked.set(id, resolve);
      scope.postMessage({ kind: "get_endpoint", id });
    }),
  connect: (url, token) => guard(() => engine?.connect(url, token)),
  changed: () => publishSoon(BUNCH_MS),
});

scope.addEventListener("message", (event) => {
  const message = parseOffscreenMessage(event.data);
  if (!message) return;
  asked.get(message.id)?.(message.result);
  asked.delete(message.id);
});

channel.addEventListener("message", (event: MessageEvent<unknown>) => {
  const message = parsePageMessage(event.data);
  switch (message?.kind) {
    case "watch":
      if (watchers.add(message.page, performance.now())) publishSoon(0);
      link.setWatched(true);
      break;
    case "leave":
      watchers.remove(message.page);
      break;
    case "request": {
      const { page, id } = message;
      void answer(message.request).then((reply) => send({ kind: "reply", page, id, reply }));
      break;
    }
    case undefined:
      break;
  }
});

function beat(): void {
  scope.postMessage({ kind: "heartbeat" });
}

setInterval(() => {
  beat();
  if (!watchers.any(performance.now())) link.setWatched(false);
}, HEARTBEAT_MS);
beat();
// Held until this worker is gone, in whatever way.
void navigator.locks.request(scope.name, () => {
  scope.postMessage({ kind: "alive" });
  return new Promise<never>(() => {});
});

function handleEvent(event: HostEvent): void {
  if (event.kind === "changed") publishSoon(BUNCH_MS);
  else link.handle(event);
}

async function answer(request: PageRequest): Promise<PageReply> {
  switch (request.kind) {
    case "intent": {
      const { intent } = request;
      await started;
      if (!engine) return { kind: "intent", reply: { kind: "failed", message: "The engine is not running." } };
      const running = engine;
      try {
        const reply = await guard(() => running.intent(intent));
        return { kind: "intent", reply };
      } catch (error) {
        return { kind: "intent", reply: { kind: "failed", message: wordsOf(error) } };
      } finally {
        publishSoon(BUNCH_MS);
      }
    }
    case "pieces": {
      const { infoHash, fileIndex, cells } = request;
      const pieces = guard(() => engine?.pieces(infoHash, fileIndex, cells));
      if (!pieces) return { kind: "pieces", pieces: null };
      // Rust's byte vectors can come as typed arrays; on the channel they are plain lists.
      return { kind: "pieces", pieces: { verified: Array.from(pieces.verified), underway: Array.from(pieces.underway) } };
    }
    case "retry":
      if (broken) scope.postMessage({ kind: "fatal", message: "The engine could not be loaded; a page asks to try again." });
      if (engine) link.start();
      return { kind: "ok" };
    case "take_over":
      link.takeOver();
      return { kind: "ok" };
  }
}

/** Publishes within `delayMs`, or sooner if that is on its way already. */
function publishSoon(delayMs: number): void {
  const due = performance.now() + delayMs;
  if (publishTimer !== undefined && publishDue <= due) return;
  clearTimeout(publishTimer);
  publishDue = due;
  publishTimer = setTimeout(publish, delayMs);
}

/** Publishes and goes on doing so while anybody looks; a snapshot that is dear to make is made less often. */
function publish(): void {
  publishTimer = undefined;
  const before = performance.now();
  if (!watchers.any(before)) return;
  // The dearest turn there is, with a hundred thousand files: it has the watchdog's whole patience to itself.
  beat();
  const snapshot = guard(() => engine?.snapshot()) ?? { torrents: [], roots: [], streams: [], listenPort: null, portMapping: null, settings: null, notices: [] };
  send({ kind: "state", state: { link: broken ?? link.state, snapshot } });
  publishSoon(Math.max(PUBLISH_MS, (performance.now() - before) * 10));
}

function send(message: EngineMessage): void {
  channel.postMessage(message);
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
    publishSoon(0);
  },
  (error: unknown) => {
    console.error("The engine could not be loaded.", error);
    broken = { kind: "down", cause: "no_engine", message: wordsOf(error) };
    publishSoon(0);
  },
);
