// The service worker: keeps the offscreen document alive, opens the app page, asks the native host for the daemon.
//
// It holds no state and knows no torrents: Chrome ends it after 30 s of silence, and the next event starts it anew.

import { NATIVE_HOST, requestEndpoint } from "./endpoint";
import type { EndpointResult } from "./messages";
import { callNativeHost, ensureOffscreenDocument, onRuntimeMessage, onStart, onToolbarAction, showApp } from "./platform";
import { singleFlight } from "./single_flight";

const ensureEngine = singleFlight(ensureOffscreenDocument);
const endpoint = singleFlight<EndpointResult>(() => requestEndpoint((message) => callNativeHost(NATIVE_HOST, message)));

function startEngine(): void {
  ensureEngine().catch((error: unknown) => console.error("The offscreen document could not be created.", error));
}

onStart(startEngine);
onToolbarAction(() => {
  startEngine();
  showApp().catch((error: unknown) => console.error("The app page could not be opened.", error));
});
onRuntimeMessage(async (message) => {
  switch (message.kind) {
    case "ensure_engine":
      return ensureEngine();
    case "get_endpoint":
      return endpoint();
  }
});

// Any event that starts the service worker is a reason to have an engine, also one that Chrome adds later.
startEngine();
