// Entry of the list page in the extension.

import "./sentences";
import { startList } from "../list/page";
import { connectPage } from "./connect";
import { mayNotify, onAppMessage, setNotify, version } from "./platform";

startList(connectPage(), {
  onAddLink: (listener) =>
    onAppMessage((message) => message.kind === "add_link" && listener(message.link)),
  onShowTorrent: (listener) =>
    onAppMessage((message) => message.kind === "show_torrent" && listener(message.infoHash)),
  notifications: { areOn: mayNotify, turn: setNotify },
  version: version(),
});
