// The offscreen document: starts and watches the engine's worker.
//
// A dedicated worker has no `chrome.*`, so its requests to the background pass through here. Pages
// and worker use their own channels.

import { realClock } from "../model/clock";
import type { EndpointResult, OffscreenMessage, WorkerMessage } from "./messages";
import { askBackground, onUpdateReady } from "./platform";
import { Watchdog } from "./watchdog";

declare global {
  /** The current worker, for tests and the console. */
  var engineWorker: Worker | undefined;
}

/**
 * Key of the time of a restart that a user asked for, in ms since 1970. The list page is shown
 * after it.
 */
const REOPEN = "reopen-list";
/** Longest duration of a restart, in ms. */
const RESTART_MS = 60_000;
/** Whether Chrome has an update ready. */
let updateReady = false;

async function endpoint(): Promise<EndpointResult> {
  const answer = await askBackground({ kind: "get_endpoint" });
  return (
    (answer as EndpointResult | undefined) ?? {
      kind: "host_error",
      reason: "background",
      message: "",
    }
  );
}

function spawn(): Worker {
  // The worker holds this lock. Its release says at once that the worker has died; silence does
  // not.
  const life = `engine ${crypto.randomUUID()}`;
  const worker = new Worker("worker.js", { type: "module", name: life });
  worker.addEventListener("message", ({ data: message }: MessageEvent<WorkerMessage>) => {
    switch (message.kind) {
      case "alive":
        if (updateReady) worker.postMessage({ kind: "update_ready" } satisfies OffscreenMessage);
        void navigator.locks.request(life, () => {
          if (watchdog.worker === worker)
            console.error("The engine's worker died and is restarted.");
          watchdog.handleFailure(worker);
        });
        break;
      case "heartbeat":
        watchdog.handleProgress(worker);
        break;
      case "get_endpoint": {
        const { id } = message;
        void endpoint().then((result) =>
          worker.postMessage({ kind: "endpoint", id, result } satisfies OffscreenMessage),
        );
        break;
      }
      case "completed":
        void askBackground(message);
        break;
      case "restart_extension":
        if (message.reopen) localStorage.setItem(REOPEN, String(Date.now()));
        void askBackground({ kind: "restart_extension" });
        break;
      case "fatal":
        console.error("The engine failed and is restarted:", message.message);
        watchdog.handleFailure(worker);
        break;
    }
  });
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    console.error("The engine's worker failed and is restarted:", event.message);
    watchdog.handleFailure(worker);
  });
  globalThis.engineWorker = worker;
  return worker;
}

const watchdog = new Watchdog(realClock, spawn);
watchdog.start();

onUpdateReady(() => {
  updateReady = true;
  watchdog.worker?.postMessage({ kind: "update_ready" } satisfies OffscreenMessage);
});

const restartedAt = Number(localStorage.getItem(REOPEN) ?? 0);
localStorage.removeItem(REOPEN);
if (Date.now() - restartedAt < RESTART_MS) void askBackground({ kind: "show_app" });
