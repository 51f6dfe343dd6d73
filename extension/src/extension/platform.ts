// All calls of `chrome.*`: the only file that uses them.
//
// It turns Chrome's callbacks and error strings into values. Owners register listeners at top
// level: a service worker that registers later misses the event that woke it.

import { t } from "../text/messages";
import type { AppTab } from "./app_tab";
import type { AppMessage, RuntimeMessage, UpdateMessage } from "./messages";

type AnyMessage = AppMessage | RuntimeMessage | UpdateMessage;

const OFFSCREEN_PAGE = "offscreen.html";
const APP_PAGE = "app.html";
const ADD_LINK_MENU = "add-link";

/** The error text of a native host, or of Chrome in its place. */
export class NativeHostError extends Error {}

/**
 * Sends one message to a native host and returns its answer. Chrome starts the host and ends it
 * afterwards.
 */
export async function callNativeHost(name: string, message: object): Promise<unknown> {
  try {
    return await chrome.runtime.sendNativeMessage(name, message);
  } catch (error) {
    throw new NativeHostError(error instanceof Error ? error.message : String(error));
  }
}

/** Creates the offscreen document with the engine's worker, if it does not exist. */
export async function ensureOffscreenDocument(): Promise<void> {
  if (await chrome.offscreen.hasDocument()) return;
  try {
    await chrome.offscreen.createDocument({
      url: OFFSCREEN_PAGE,
      reasons: [chrome.offscreen.Reason.WORKERS],
      justification: "Runs the torrent engine, which has to outlive pages and the service worker.",
    });
  } catch (error) {
    // Another start of the service worker may have created it meanwhile.
    if (!(await chrome.offscreen.hasDocument())) throw error;
  }
}

/** The tab of the list page, if its document exists. */
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

/** Opens the list page in a new tab and returns the tab's id. */
export async function openApp(): Promise<number> {
  const tab = await chrome.tabs.create({ url: chrome.runtime.getURL(APP_PAGE) });
  return tab.id ?? chrome.tabs.TAB_ID_NONE;
}

/** Sends a message to the list page in a tab. Returns true if the page received it. */
export async function tellApp(tabId: number, message: AppMessage): Promise<boolean> {
  try {
    return (await chrome.tabs.sendMessage<AppMessage, unknown>(tabId, message)) === true;
  } catch {
    return false;
  }
}

/**
 * In the list page: calls back with messages from the background. Only the background can send
 * them.
 */
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

/** In the offscreen document: calls back when an update is ready. */
export function onUpdateReady(listener: () => void): void {
  chrome.runtime.onMessage.addListener((message: AnyMessage, sender) => {
    if (sender.id === chrome.runtime.id && message.kind === "update_ready") listener();
  });
}

/** Calls back when Chrome has an update that waits for a restart of the extension. */
export function onUpdateAvailable(listener: () => void): void {
  chrome.runtime.onUpdateAvailable.addListener(listener);
}

/** Tells the offscreen document that an update is ready. */
export async function tellUpdateReady(): Promise<void> {
  await chrome.runtime
    .sendMessage<UpdateMessage, unknown>({ kind: "update_ready" })
    .catch(() => {});
}

/** Restarts the extension and installs a waiting update. Its pages are closed. */
export function restartExtension(): void {
  chrome.runtime.reload();
}

const NOTIFICATIONS = { permissions: ["notifications"] } satisfies chrome.permissions.Permissions;

/** Whether notifications are on. Chrome stores this as a permission. */
export function mayNotify(): Promise<boolean> {
  return chrome.permissions.contains(NOTIFICATIONS);
}

/**
 * Turns notifications on or off, and returns whether they are on afterwards. Must be called in a
 * click handler, because Chrome may ask the user.
 */
export async function setNotify(on: boolean): Promise<boolean> {
  if (on) return chrome.permissions.request(NOTIFICATIONS);
  await chrome.permissions.remove(NOTIFICATIONS);
  return mayNotify();
}

/** Shows a notification if notifications are on. It replaces one with the same id. */
export async function notify(id: string, title: string, message: string): Promise<void> {
  await chrome.notifications?.create(id, {
    type: "basic",
    iconUrl: chrome.runtime.getURL("icons/icon-128.png"),
    title,
    message,
  });
}

/** Calls back with the id of a clicked notification. */
export function onNotificationClick(listener: (id: string) => void): void {
  // Without the permission the event does not exist. Adding the same listener twice has no effect.
  const clicked = (id: string) => {
    void chrome.notifications.clear(id);
    listener(id);
  };
  const listen = () => chrome.notifications?.onClicked.addListener(clicked);
  listen();
  chrome.permissions.onAdded.addListener(listen);
}

/**
 * Adds "Add to JSTorrent" to the context menu of magnet links and `.torrent` links. Chrome keeps
 * the entry, with its title in the current language.
 */
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

/** Calls back with the link of a click on "Add to JSTorrent". */
export function onLinkMenu(listener: (link: string) => void): void {
  chrome.contextMenus.onClicked.addListener((info) => {
    if (info.menuItemId === ADD_LINK_MENU && info.linkUrl) listener(info.linkUrl);
  });
}

/** Calls back after installation and updates, and when the browser starts. */
export function onStart(listener: () => void): void {
  chrome.runtime.onInstalled.addListener(listener);
  chrome.runtime.onStartup.addListener(listener);
}

/** Calls back when the toolbar button is pressed. */
export function onToolbarAction(listener: () => void): void {
  chrome.action.onClicked.addListener(listener);
}

/** Answers messages of the extension's own contexts. Others are ignored. */
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

/**
 * Sends a message to the service worker, which starts if needed. Returns its answer, or `undefined`
 * without one.
 */
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
