// Notifications of the server's page: shown by the page itself, for as long as it is open.
//
// The browser keeps whether this origin may show any, the page whether a person wants them. Of
// several pages each says the same, and the browser shows it once.

import type { Host } from "../host/host";
import type { Notifications } from "../list/outside";
import { Completions } from "../model/completions";
import { t } from "../text/messages";

const WANTED = "notify-complete";

/** The part of a browser that is used. */
export interface NotificationCentre {
  permission(): NotificationPermission;
  ask(): Promise<NotificationPermission>;
  show(title: string, options: NotificationOptions, clicked: () => void): void;
}

/** Shows what a host tells of completed torrents. */
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

  /** Calls back with the torrent whose notification was clicked. */
  onClick(clicked: (infoHash: string) => void): void {
    this.clicked = clicked;
  }

  /** Watches what a page follows, which must be the list. */
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

/** This browser's. */
export const notificationsHere: NotificationCentre = {
  permission: () => Notification.permission,
  ask: () => Notification.requestPermission(),
  show: (title, options, clicked) => {
    let notification: Notification;
    try {
      notification = new Notification(title, options);
    } catch {
      // Chrome on Android has them for service workers only.
      return;
    }
    notification.addEventListener("click", () => {
      window.focus();
      notification.close();
      clicked();
    });
  },
};
