// Everything the extension asks of Chrome itself: the only file that touches `chrome.*`.
//
// It knows no torrents and no engine; it turns Chrome's callbacks and error strings into values.
// Listeners are handed over at top level by their owners, because a service worker that registers
// late misses the event that woke it.

import { t } from "../text/messages";
import type { AppTab } from "./app_tab";
import type { AppMessage, RuntimeMessage, UpdateMessage } from "./messages";

type AnyMessage = AppMessage | RuntimeMessage | UpdateMessage;

const OFFSCREEN_PAGE = "offscreen.html";
const APP_PAGE = "app.html";
const ADD_LINK_MENU = "add-link";

/** The words a native host, or Chrome in its place, gave for not answering. */
export class NativeHostError extends Error {}

/** Sends one message to a native host and returns its answer. Chrome starts the host and ends it afterwards. */
export async function callNativeHost(name: string, message: object): Promise<unknown> {
  try {
    return await chrome.runtime.sendNativeMessage(name, message);
  } catch (error) {
    throw new NativeHostError(error instanceof Error ? error.message : String(error));
  }
}

/** Creates the offscreen document that holds the engine's worker, unless it is there. */
export async function ensureOffscreenDocument(): Promise<void> {
  if (await chrome.offscreen.hasDocument()) return;
  try {
    await chrome.offscreen.createDocument({
      url: OFFSCREEN_PAGE,
      reasons: [chrome.offscreen.Reason.WORKERS],
      justification: "Runs the torrent engine, which has to outlive pages and the service worker.",
    });
  } catch (error) {
    // Another start of the service worker can have been faster.
    if (!(await chrome.offscreen.hasDocument())) throw error;
  }
}

/** The tab that has the app page, if its document is there. */
export async function findApp(): Promise<AppTab | undefined> {
  const url = chrome.runtime.getURL(APP_PAGE);
  const contexts = await chrome.runtime.getContexts({
    contextTypes: [chrome.runtime.ContextType.TAB],
  });
  return contexts.find((context) => context.documentUrl?.split(/[?#]/)[0] === url);
}

/** Brings a tab to the front. */
export async function focusTab({ tabId, windowId }: AppTab): Promise<void> {
  await chrome.tabs.update(tabId, { active: true });
  await chrome.windows.update(windowId, { focused: true });
}

/** Opens the app page in a new tab. */
export async function openApp(): Promise<number> {
  const tab = await chrome.tabs.create({ url: chrome.runtime.getURL(APP_PAGE) });
  return tab.id ?? chrome.tabs.TAB_ID_NONE;
}

/** Says something to the app page in a tab; true if it was there to hear it. */
export async function tellApp(tabId: number, message: AppMessage): Promise<boolean> {
  try {
    return (await chrome.tabs.sendMessage<AppMessage, unknown>(tabId, message)) === true;
  } catch {
    return false;
  }
}

/** In the app page: calls back with what a person chose elsewhere. Only the background can send it. */
export function onAppMessage(listener: (message: AppMessage) => void): void {
  chrome.runtime.onMessage.addListener((message: AnyMessage, sender, respond) => {
    if (
      sender.id !== chrome.runtime.id ||
      sender.tab ||
      (message.kind !== "add_link" && message.kind !== "show_torrent")
    )
      return;
    listener(message);
    respond(true);
  });
}

/** In the offscreen document: calls back when Chrome has an update ready. */
export function onUpdateReady(listener: () => void): void {
  chrome.runtime.onMessage.addListener((message: AnyMessage, sender) => {
    if (sender.id === chrome.runtime.id && message.kind === "update_ready") listener();
  });
}

/** Calls back when Chrome has an update of the extension, and waits for a restart to put it in place. */
export function onUpdateAvailable(listener: () => void): void {
  chrome.runtime.onUpdateAvailable.addListener(listener);
}

/** Says to the offscreen document that an update is ready. */
export async function tellUpdateReady(): Promise<void> {
  await chrome.runtime
    .sendMessage<UpdateMessage, unknown>({ kind: "update_ready" })
    .catch(() => {});
}

/** Starts the extension anew, with the update that is ready, if any. Its pages are closed. */
export function restartExtension(): void {
  chrome.runtime.reload();
}

const NOTIFICATIONS = { permissions: ["notifications"] } satisfies chrome.permissions.Permissions;

/** Whether a person wants notifications: Chrome keeps that as a permission. */
export function mayNotify(): Promise<boolean> {
  return chrome.permissions.contains(NOTIFICATIONS);
}

/** Turns notifications on, for which Chrome asks the person, or off; whether they are on afterwards. To be called while a click is handled. */
export async function setNotify(on: boolean): Promise<boolean> {
  if (on) return chrome.permissions.request(NOTIFICATIONS);
  await chrome.permissions.remove(NOTIFICATIONS);
  return mayNotify();
}

/** Shows a notification, if a person wants any. One with the same id is replaced. */
export async function notify(id: string, title: string, message: string): Promise<void> {
  await chrome.notifications?.create(id, {
    type: "basic",
    iconUrl: chrome.runtime.getURL("icons/icon-128.png"),
    title,
    message,
  });
}

/** Calls back with the id of a notification that was clicked. */
export function onNotificationClick(listener: (id: string) => void): void {
  // Without the permission there is nothing to listen to. What is listened to twice is heard once.
  const clicked = (id: string) => {
    void chrome.notifications.clear(id);
    listener(id);
  };
  const listen = () => chrome.notifications?.onClicked.addListener(clicked);
  listen();
  chrome.permissions.onAdded.addListener(listen);
}

/** Puts "Add to JSTorrent" into the context menu of magnet links and of links to `.torrent` files. Chrome remembers it, with the title in the language of that moment. */
export function createLinkMenu(): void {
  chrome.contextMenus.removeAll(() => {
    chrome.contextMenus.create({
      id: ADD_LINK_MENU,
      title: t("addMenu"),
      contexts: ["link"],
      targetUrlPatterns: ["magnet:*", "*://*/*.torrent", "*://*/*.torrent?*"],
    });
  });
}

/** Calls back with the link on which "Add to JSTorrent" was chosen. */
export function onLinkMenu(listener: (link: string) => void): void {
  chrome.contextMenus.onClicked.addListener((info) => {
    if (info.menuItemId === ADD_LINK_MENU && info.linkUrl) listener(info.linkUrl);
  });
}

/** Calls back when the extension was installed or updated, and when the browser starts. */
export function onStart(listener: () => void): void {
  chrome.runtime.onInstalled.addListener(listener);
  chrome.runtime.onStartup.addListener(listener);
}

/** Calls back when the toolbar button is pressed. */
export function onToolbarAction(listener: () => void): void {
  chrome.action.onClicked.addListener(listener);
}

/** Answers messages of the extension's own contexts; what another extension or a page sends is not looked at. */
export function onRuntimeMessage(answer: (message: RuntimeMessage) => Promise<unknown>): void {
  chrome.runtime.onMessage.addListener((message: AnyMessage, sender, respond) => {
    if (sender.id !== chrome.runtime.id) return false;
    if (
      message.kind === "add_link" ||
      message.kind === "show_torrent" ||
      message.kind === "update_ready"
    )
      return false;
    answer(message).then(respond, () => respond(undefined));
    return true;
  });
}

/** Sends a message to the service worker, waking it, and returns its answer; `undefined` if nobody answers. */
export async function askBackground(message: RuntimeMessage): Promise<unknown> {
  try {
    return await chrome.runtime.sendMessage<RuntimeMessage, unknown>(message);
  } catch {
    return undefined;
  }
}

/** The version of the extension. */
export function version(): string {
  return chrome.runtime.getManifest().version;
}
