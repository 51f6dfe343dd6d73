// Notifications of the server's page about completed torrents.

import { expect, test } from "vitest";
import { FakeHost } from "../src/host/fake";
import type { TorrentState } from "../src/model/generated/TorrentState";
import { PageNotifications } from "../src/server/notifications";
import { HASH, torrent } from "./samples";

const WORLD = {
  roots: [],
  listenPort: null,
  portMapping: null,
  settings: null,
  notices: [],
  removed: [],
  folders: false,
};

function rig(answer: NotificationPermission = "granted") {
  const kept = new Map<string, string>();
  const shown: [string, NotificationOptions][] = [];
  const clicks: (() => void)[] = [];
  let permission: NotificationPermission = "default";
  const notifications = new PageNotifications(
    {
      permission: () => permission,
      ask: async () => (permission = answer),
      show: (title, options, clicked) => {
        shown.push([title, options]);
        clicks.push(clicked);
      },
    },
    {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => void kept.set(key, value),
      removeItem: (key) => void kept.delete(key),
    },
  );
  const host = new FakeHost();
  host.follow(["list"]);
  notifications.watch(host, new AbortController().signal);
  let revision = 0;
  const tell = (state: TorrentState) =>
    host.tell(
      { kind: "connected", baseUrl: "", version: "" },
      {
        topic: "list",
        from: null,
        revision: ++revision,
        change: {
          kind: "list",
          order: [HASH],
          torrents: [torrent({ state, downloaded: 1, name: "A film" })],
          world: WORLD,
        },
      },
    );
  return { notifications, shown, clicks, tell };
}

test("a completed torrent gives one notification, if wanted, and a click opens it", async () => {
  const { notifications, shown, clicks, tell } = rig();
  expect(await notifications.turn(true)).toBe(true);
  const opened: string[] = [];
  notifications.onClick((infoHash) => opened.push(infoHash));
  tell("downloading");
  tell("complete");
  tell("complete");
  expect(shown).toEqual([
    ["Download complete", { body: "A film", icon: "icons/icon-128.png", tag: `complete/${HASH}` }],
  ]);
  clicks[0]!();
  expect(opened).toEqual([HASH]);
});

test("there are no notifications before they are wanted, nor of earlier completions", async () => {
  const { notifications, shown, tell } = rig();
  tell("complete");
  await notifications.turn(true);
  tell("complete");
  await notifications.turn(false);
  tell("downloading");
  tell("complete");
  expect([shown, await notifications.areOn()]).toEqual([[], false]);
});

test("without the browser's permission there are none", async () => {
  const { notifications } = rig("denied");
  expect([await notifications.turn(true), await notifications.areOn()]).toEqual([false, false]);
});
