// The service worker: starts the offscreen document, opens the list page, passes on links from the
// context menu, and asks the native host for the daemon.
//
// It keeps no state and knows no torrents. Chrome ends it after 30 s without events and starts it
// again for the next one.

import "./sentences";
import { realClock } from "../model/clock";
import { appShower } from "./app_tab";
import { NATIVE_HOST, requestEndpoint } from "./endpoint";
import { handOver } from "./hand_over";
import { t } from "../text/messages";
import type { AppMessage, EndpointResult, EngineReport } from "./messages";
import {
  callNativeHost,
  createLinkMenu,
  ensureOffscreenDocument,
  findApp,
  focusTab,
  notify,
  onLinkMenu,
  onNotificationClick,
  onRuntimeMessage,
  onStart,
  onToolbarAction,
  onUpdateAvailable,
  openApp,
  restartExtension,
  tellApp,
  tellUpdateReady,
} from "./platform";
import { singleFlight } from "./single_flight";

const ensureEngine = singleFlight(ensureOffscreenDocument);
const showApp = appShower({ clock: realClock, find: findApp, focus: focusTab, open: openApp });
const endpoint = singleFlight<EndpointResult>(() =>
  requestEndpoint((message) => callNativeHost(NATIVE_HOST, message)),
);

function startEngine(): void {
  ensureEngine().catch((error: unknown) =>
    console.error("The offscreen document could not be created.", error),
  );
}

function tell(message: AppMessage): void {
  handOver(message, { clock: realClock, showApp, tellApp }).catch((error: unknown) =>
    console.error("The list page could not be reached.", error),
  );
}

onStart(startEngine);
onStart(createLinkMenu);
onToolbarAction(() => {
  startEngine();
  showApp().catch((error: unknown) => console.error("The list page could not be opened.", error));
});
onLinkMenu((link) => {
  startEngine();
  tell({ kind: "add_link", link });
});
onNotificationClick((infoHash) => {
  startEngine();
  tell({ kind: "show_torrent", infoHash });
});
// The engine's worker picks a moment when a restart disturbs nobody.
onUpdateAvailable(() => void ensureEngine().then(tellUpdateReady, restartExtension));
onRuntimeMessage(async (message) => {
  switch (message.kind) {
    case "ensure_engine":
      return ensureEngine().then(
        (): EngineReport => ({ kind: "ready" }),
        (error: unknown): EngineReport => ({
          kind: "failed",
          message: error instanceof Error ? error.message : String(error),
        }),
      );
    case "get_endpoint":
      return endpoint();
    case "completed":
      return notify(message.infoHash, t("notifyCompleteTitle"), message.name);
    case "restart_extension":
      return restartExtension();
    case "show_app":
      return showApp();
  }
});

// Whatever event started the service worker, the engine must run.
startEngine();
