// The offscreen document: holds the engine's worker, keeps it alive, and carries its questions to the background.
//
// A dedicated worker has no `chrome.*`, so `get_endpoint` passes through here. Nothing else does: pages and worker
// speak over their own channel.

import { realClock } from "../model/clock";
import type { EndpointResult, OffscreenMessage, WorkerMessage } from "./messages";
import { askBackground } from "./platform";
import { Watchdog } from "./watchdog";

declare global {
  /** The worker that runs now, to be looked at. */
  var engineWorker: Worker | undefined;
}

async function endpoint(): Promise<EndpointResult> {
  const answer = await askBackground({ kind: "get_endpoint" });
  return (answer as EndpointResult | undefined) ?? { kind: "host_error", reason: "background", message: "" };
}

function spawn(): Worker {
  // Unlike silence, the loss of its lock says that a worker is dead, and says so at once.
  const life = `engine ${crypto.randomUUID()}`;
  const worker = new Worker("worker.js", { type: "module", name: life });
  worker.addEventListener("message", ({ data: message }: MessageEvent<WorkerMessage>) => {
    switch (message.kind) {
      case "alive":
        void navigator.locks.request(life, () => {
          if (watchdog.worker === worker) console.error("The engine's worker died and is started anew.");
          watchdog.handleFailure(worker);
        });
        break;
      case "heartbeat":
        watchdog.handleProgress(worker);
        break;
      case "get_endpoint": {
        const { id } = message;
        void endpoint().then((result) => worker.postMessage({ kind: "endpoint", id, result } satisfies OffscreenMessage));
        break;
      }
      case "fatal":
        console.error("The engine broke and is started anew:", message.message);
        watchdog.handleFailure(worker);
        break;
    }
  });
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    console.error("The engine's worker broke and is started anew:", event.message);
    watchdog.handleFailure(worker);
  });
  globalThis.engineWorker = worker;
  return worker;
}

const watchdog = new Watchdog(realClock, spawn);
watchdog.start();
