// Entry of the list page on a server.

import "./sentences";
import { startList } from "../list/page";
import { connectPage } from "./connect";
import { localStore } from "../ui/stores";
import { notificationsHere, PageNotifications } from "./notifications";

const host = connectPage();
const notifications = new PageNotifications(notificationsHere, localStore);
notifications.watch(host, new AbortController().signal);
startList(host, {
  onAddLink: () => {},
  onShowTorrent: (listener) => notifications.onClick(listener),
  notifications,
});
