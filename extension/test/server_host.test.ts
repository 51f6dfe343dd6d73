// The engine as the server's page knows it: streams, intents and failures.

import { expect, test } from "vitest";
import { ServerHost } from "../src/host/server";
import type { TopicUpdate } from "../src/model/generated/TopicUpdate";
import type { World } from "../src/model/generated/World";
import { linkWords } from "../src/text/link_words";
import { FakeClock, settle } from "./fake_clock";
import { HASH, torrent } from "./samples";

const WORLD: World = {
  roots: [],
  listenPort: null,
  portMapping: null,
  settings: null,
  notices: [],
  removed: [],
  folders: false,
};
const whole = (name: string, revision = 1): TopicUpdate => ({
  topic: "list",
  from: null,
  revision,
  change: { kind: "list", order: [HASH], torrents: [torrent({ name })], world: WORLD },
});
const renamed = (name: string, from: number): TopicUpdate => ({
  topic: "list",
  from,
  revision: from + 1,
  change: { kind: "list", order: null, torrents: [torrent({ name })], world: null },
});

class FakeStream {
  closed = false;
  readyState = 0;
  private readonly listeners = new Map<string, (event: { data?: string }) => void>();
  constructor(readonly address: string) {}
  addEventListener(type: string, listener: (event: { data?: string }) => void): void {
    this.listeners.set(type, listener);
  }
  say(type: string, update?: TopicUpdate): void {
    this.listeners.get(type)?.(update ? { data: JSON.stringify(update) } : {});
  }
  close(): void {
    this.closed = true;
  }
}

function rig(token?: string) {
  const clock = new FakeClock();
  const streams: FakeStream[] = [];
  const calls: [string, RequestInit | undefined][] = [];
  let answer: Response | undefined;
  const host = new ServerHost(clock, {
    origin: "http://127.0.0.1:3000",
    token: () => token,
    open: (address) => {
      const stream = new FakeStream(address);
      streams.push(stream);
      return stream;
    },
    fetch: (address, init) => {
      calls.push([address, init]);
      return answer ? Promise.resolve(answer) : Promise.reject(new TypeError("nobody"));
    },
    reloadPage: () => {},
    askForToken: () => (asks.token += 1),
  });
  const asks = { token: 0 };
  const name = () => host.topic("list")?.torrents[0]?.name;
  const replies = (status: number, body: unknown) =>
    (answer = new Response(JSON.stringify(body), { status }));
  return { clock, streams, calls, host, name, replies, asks };
}

test("topics come as one stream, with the token where there is one", () => {
  const { host, streams, name } = rig("se cret");
  host.follow(["list", `torrent/${HASH}`]);
  host.follow(["list", `torrent/${HASH}`]);
  expect(streams.map(({ address }) => address)).toEqual([
    `http://127.0.0.1:3000/host/topics?topic=list&topic=torrent%2F${HASH}&token=se%20cret`,
  ]);
  streams[0]!.say("open");
  streams[0]!.say("message", whole("A film"));
  streams[0]!.say("message", renamed("Another", 1));
  expect([host.link.kind, name()]).toEqual(["connected", "Another"]);
});

test("new topics get a new stream, and the old stream is ignored", () => {
  const { host, streams, name } = rig();
  host.follow(["list"]);
  streams[0]!.say("message", whole("A film"));
  host.follow(["list", `torrent/${HASH}`]);
  expect(streams[0]!.closed).toBe(true);
  streams[0]!.say("message", renamed("Of the old one", 1));
  streams[0]!.say("error");
  expect([name(), host.link.kind]).toEqual(["A film", "starting"]);
});

test("after a gap the page requests the whole topic, and keeps the known state meanwhile", () => {
  const { host, streams, name } = rig();
  host.follow(["list"]);
  streams[0]!.say("message", whole("A film"));
  streams[0]!.say("message", renamed("Missed one", 5));
  expect([streams.length, name()]).toEqual([2, "A film"]);
});

test("a lost server is reported after a while, and its return at once", async () => {
  const { clock, host, streams } = rig();
  host.follow(["list"]);
  streams[0]!.say("open");
  streams[0]!.say("error");
  expect(host.link.kind).toBe("connecting");
  await clock.advance(3_000);
  expect(host.link).toMatchObject({ kind: "down", reason: "server" });
  expect(linkWords(host.link).notice?.text).toContain("Lost connection to the server. Retrying…");
  streams[0]!.say("error");
  expect(host.link.kind).toBe("down");
  streams[0]!.say("open");
  await clock.advance(3_000);
  expect(host.link.kind).toBe("connected");
});

test("a refused stream is opened again with growing delays", async () => {
  const { clock, host, streams } = rig();
  host.follow(["list"]);
  for (let attempt = 0; attempt < 3; attempt++) {
    streams.at(-1)!.readyState = 2;
    streams.at(-1)!.say("error");
    await clock.advance(5_000);
  }
  expect(streams).toHaveLength(4);
  streams.at(-1)!.say("open");
  expect(host.link.kind).toBe("connected");
});

test("a refused token is reported at once, and the user can enter another", async () => {
  const { host, streams, replies, asks } = rig("old");
  replies(401, { error: "this needs the session token" });
  host.follow(["list"]);
  streams[0]!.readyState = 2;
  streams[0]!.say("error");
  await settle();
  expect(host.link).toMatchObject({ kind: "down", reason: "server_token" });
  expect(linkWords(host.link).notice?.action).toEqual({ label: "Enter the token", does: "update" });
  host.update();
  expect(asks.token).toBe(1);
});

test("of more topics than the server allows, only the first are followed", () => {
  const { host, streams } = rig();
  host.follow(["list", ...Array.from({ length: 150 }, (_, at) => `torrent/${at}` as const)]);
  expect(streams[0]!.address.match(/topic=/g)).toHaveLength(100);
});

test("intents are posted as JSON, and a file as its bytes", async () => {
  const { host, calls, replies } = rig();
  replies(200, { kind: "done", infoHash: HASH, message: "One file was left.", duplicate: false });
  expect(
    await host.intent({ kind: "remove", infoHash: HASH, deleteData: true, undo: false }),
  ).toMatchObject({
    message: "One file was left.",
  });
  expect(calls[0]![0]).toBe("http://127.0.0.1:3000/host/intents");
  expect(JSON.parse(String(calls[0]![1]?.body))).toEqual({
    kind: "remove",
    infoHash: HASH,
    deleteData: true,
    undo: false,
  });
  replies(200, { kind: "done", infoHash: HASH, message: null, duplicate: false });
  expect(await host.intent({ kind: "add_torrent", metainfo: new Uint8Array([100]) })).toEqual({
    kind: "done",
    infoHash: HASH,
    message: null,
    duplicate: false,
  });
  expect(calls[1]![0]).toBe("http://127.0.0.1:3000/host/torrents");
});

test("failures are shown in the server's words, or in the page's if there are none", async () => {
  const { host, replies } = rig();
  expect(await host.intent({ kind: "pause", infoHash: HASH })).toEqual({
    kind: "failed",
    message: "The server did not answer.",
  });
  replies(401, { error: "this needs the session token" });
  expect(await host.intent({ kind: "pause", infoHash: HASH })).toEqual({
    kind: "failed",
    message: "this needs the session token",
  });
  expect(await rig().host.pieces(HASH, 0, 4)).toBeUndefined();
});
