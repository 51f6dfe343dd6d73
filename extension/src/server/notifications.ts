// Notifications of the server's page, shown while the page is open.
//
// The browser stores the permission, the page whether the user wants notifications. Several open
// pages show the same notification; the browser merges them by their tag.

import type { Host } from "../host/host";
import type { Notifications } from "../list/outside";
import { Completions } from "../model/completions";
import { t } from "../text/messages";

const WANTED = "notify-complete";

/** The part of the browser's notifications that is used. */
export interface NotificationCentre {
  permission(): NotificationPermission;
  ask(): Promise<NotificationPermission>;
  show(title: string, options: NotificationOptions, clicked: () => void): void;
}

/** Shows notifications about completed torrents. */
export class PageNotifications implements Notifications {
  private clicked: (infoHash: string) => void = () => {};

  constructor(
    private readonly centre: NotificationCentre,
    private readonly store: Pick<Storage, "getItem" | "setItem" | "removeItem">,
  ) {}

  async areOn(): Promise<boolean> {
    return this.isOn();
  }

  async turn(on: boolean): Promise<boolean> {
    if (!on) this.store.removeItem(WANTED);
    else if (this.centre.permission() === "granted" || (await this.centre.ask()) === "granted")
      this.store.setItem(WANTED, "1");
    return this.isOn();
  }

  /** Calls back with the info hash of a torrent whose notification was clicked. */
  onClick(clicked: (infoHash: string) => void): void {
    this.clicked = clicked;
  }

  /** Watches the list, which the page must follow, until the signal aborts. */
  watch(host: Host, signal: AbortSignal): void {
    const completions = new Completions();
    host.listen(() => {
      for (const { infoHash, name } of completions.take(host.topic("list")?.torrents ?? []))
        if (this.isOn()) this.show(infoHash, name);
    }, signal);
  }

  private show(infoHash: string, name: string): void {
    const options = { body: name, icon: "icons/icon-128.png", tag: `complete/${infoHash}` };
    this.centre.show(t("notifyCompleteTitle"), options, () => this.clicked(infoHash));
  }

  private isOn(): boolean {
    return this.store.getItem(WANTED) !== null && this.centre.permission() === "granted";
  }
}

/** The notifications of this browser. */
export const notificationsHere: NotificationCentre = {
  permission: () => Notification.permission,
  ask: () => Notification.requestPermission(),
  show: (title, options, clicked) => {
    let notification: Notification;
    try {
      notification = new Notification(title, options);
    } catch {
      // Chrome on Android supports them only in service workers.
      return;
    }
    notification.addEventListener("click", () => {
      window.focus();
      notification.close();
      clicked();
    });
  },
};
