// Shows the list page's tab: focuses it, or opens it once.
//
// Chrome knows a new tab's page only once its document exists. Calls before that share the tab that
// is being opened.

import type { Clock } from "../model/clock";
import { singleFlight } from "./single_flight";

/** A tab that shows the app page. */
export interface AppTab {
  tabId: number;
  windowId: number;
}

/** What `appShower` needs from the browser. */
export interface TabActions {
  clock: Clock;
  find(): Promise<AppTab | undefined>;
  focus(tab: AppTab): Promise<void>;
  /** Opens the list page in a new tab and returns the tab's id. */
  open(): Promise<number>;
}

/** Longest wait for a new tab's document, in ms. After it, the next call may open another tab. */
export const APPEARS_MS = 3_000;
const AGAIN_MS = 50;

/** Returns a function that shows the list page and returns its tab's id. */
export function appShower({ clock, find, focus, open }: TabActions): () => Promise<number> {
  return singleFlight(async () => {
    const tab = await find();
    if (tab) {
      await focus(tab);
      return tab.tabId;
    }
    const tabId = await open();
    const end = clock.now() + APPEARS_MS;
    while (!(await find()) && clock.now() < end)
      await new Promise<void>((resolve) => clock.after(AGAIN_MS, resolve));
    return tabId;
  });
}
