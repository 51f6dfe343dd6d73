// The service worker: keeps the offscreen document alive, opens the app page, hands it links from the context menu, asks
// the native host for the daemon.
//
// It holds no state and knows no torrents: Chrome ends it after 30 s of silence, and the next event starts it anew.

import "./speak";
import { realClock } from "../model/clock";
import { appShower } from "./app_tab";
import { NATIVE_HOST, requestEndpoint } from "./endpoint";
import { handOver } from "./hand_over";
import type { EndpointResult, EngineReport } from "./messages";
import {
  callNativeHost,
  createLinkMenu,
  ensureOffscreenDocument,
  findApp,
  focusTab,
  onLinkMenu,
  onRuntimeMessage,
  onStart,
  onToolbarAction,
  openApp,
  tellApp,
} from "./platform";
import { singleFlight } from "./single_flight";

const ensureEngine = singleFlight(ensureOffscreenDocument);
const showApp = appShower({ clock: realClock, find: findApp, focus: focusTab, open: openApp });
const endpoint = singleFlight<EndpointResult>(() => requestEndpoint((message) => callNativeHost(NATIVE_HOST, message)));

function startEngine(): void {
  ensureEngine().catch((error: unknown) => console.error("The offscreen document could not be created.", error));
}

onStart(startEngine);
onStart(createLinkMenu);
onToolbarAction(() => {
  startEngine();
  showApp().catch((error: unknown) => console.error("The app page could not be opened.", error));
});
onLinkMenu((link) => {
  startEngine();
  handOver(link, { clock: realClock, showApp, tellApp }).catch((error: unknown) =>
    console.error("The link could not be handed over.", error),
  );
});
onRuntimeMessage(async (message) => {
  switch (message.kind) {
    case "ensure_engine":
      return ensureEngine().then(
        (): EngineReport => ({ kind: "ready" }),
        (error: unknown): EngineReport => ({ kind: "failed", message: error instanceof Error ? error.message : String(error) }),
      );
    case "get_endpoint":
      return endpoint();
  }
});

// Any event that starts the service worker is a reason to have an engine, also one that Chrome adds later.
startEngine();
