// The tab of the app page: shown where it is, opened where it is not, and never opened twice.
//
// Chrome knows a new tab's page only once its document is there; whoever asks before that means the
// tab that is being opened.

import type { Clock } from "../model/clock";
import { singleFlight } from "./single_flight";

/** A tab that shows the app page. */
export interface AppTab {
  tabId: number;
  windowId: number;
}

/** What it takes. */
export interface TabActions {
  clock: Clock;
  find(): Promise<AppTab | undefined>;
  focus(tab: AppTab): Promise<void>;
  /** Opens one and names it. */
  open(): Promise<number>;
}

/** A page that does not appear by then does not hold up the next click. */
export const APPEARS_MS = 3_000;
const AGAIN_MS = 50;

/** A function that shows the app page and names its tab. */
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
