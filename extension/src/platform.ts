// Everything the extension asks of Chrome itself: the only file that touches `chrome.*`.
//
// It knows no torrents and no engine; it turns Chrome's callbacks and error strings into values. Listeners are handed
// over at top level by their owners, because a service worker that registers late misses the event that woke it.

import type { RuntimeMessage } from "./messages";
import { parseRuntimeMessage } from "./messages";

const OFFSCREEN_PAGE = "offscreen.html";
const APP_PAGE = "app.html";

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

/** Shows the app page: the tab that has it, or a new one. */
export async function showApp(): Promise<void> {
  const url = chrome.runtime.getURL(APP_PAGE);
  const contexts = await chrome.runtime.getContexts({ contextTypes: [chrome.runtime.ContextType.TAB] });
  const open = contexts.find((context) => context.documentUrl?.split(/[?#]/)[0] === url);
  if (open) {
    await chrome.tabs.update(open.tabId, { active: true });
    await chrome.windows.update(open.windowId, { focused: true });
  } else {
    await chrome.tabs.create({ url });
  }
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
  chrome.runtime.onMessage.addListener((raw: unknown, sender, respond) => {
    if (sender.id !== chrome.runtime.id) return false;
    const message = parseRuntimeMessage(raw);
    if (!message) return false;
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
