// The engine as a page of the extension knows it: topics, replies, silence and versions.

import { expect, test } from "vitest";
import { ExtensionHost, NEVER_MS, SILENCE_MS } from "../src/host/extension";
import type { EngineMessage, PageMessage, PageReply } from "../src/host/protocol";
import type { TopicUpdate } from "../src/model/generated/TopicUpdate";
import type { World } from "../src/model/generated/World";
import type { LinkState } from "../src/model/link";
import { FakeClock, settle } from "./fake_clock";
import { HASH, torrent } from "./samples";

const CONNECTED: LinkState = { kind: "connected", baseUrl: "http://127.0.0.1:80", version: "1" };
const WORLD: World = {
  roots: [],
  listenPort: null,
  portMapping: null,
  settings: null,
  notices: [],
  removed: [],
  folders: false,
};
const whole = (revision: number, name = "A film"): TopicUpdate => ({
  topic: "list",
  from: null,
  revision,
  change: { kind: "list", order: [HASH], torrents: [torrent({ name })], world: WORLD },
});
const renamed = (from: number, name: string): TopicUpdate => ({
  topic: "list",
  from,
  revision: from + 1,
  change: { kind: "list", order: null, torrents: [torrent({ name })], world: null },
});

function rig(
  { installed, trouble }: { installed?: string | undefined; trouble?: string } = {
    installed: "b1",
  },
) {
  const clock = new FakeClock();
  const sent: PageMessage[] = [];
  const counts = { ensured: 0, reloaded: 0, told: 0 };
  const it = { trouble, hidden: false };
  const host = new ExtensionHost(clock, {
    page: "p",
    build: "b1",
    send: (message) => void sent.push(message),
    isHidden: () => it.hidden,
    ensureEngine: async () => {
      counts.ensured += 1;
      return it.trouble;
    },
    installedBuild: async () => installed,
    reloadPage: () => (counts.reloaded += 1),
  });
  const leaving = new AbortController();
  host.listen(() => (counts.told += 1), leaving.signal);
  const hear = (message: Partial<EngineMessage & { kind: "state" }> = {}) =>
    host.handle({
      kind: "state",
      build: "b1",
      session: "s1",
      link: CONNECTED,
      updateReady: false,
      updates: [],
      ...message,
    });
  const requests = () => sent.filter((message) => message.kind === "request");
  const reply = (index: number, body: PageReply) =>
    host.handle({ kind: "reply", build: "b1", id: requests()[index]!.id, reply: body });
  const watches = () => sent.filter((message) => message.kind === "watch");
  const name = () => host.topic("list")?.torrents[0]?.name;
  return { clock, sent, counts, host, hear, requests, reply, watches, name, leaving, it };
}

test("a page names its topics at once, and again only when a new worker says hello", async () => {
  const { clock, host, hear, watches, it } = rig();
  host.follow(["list"]);
  host.follow(["list"]);
  for (let second = 0; second < 60; second++) {
    hear();
    await clock.advance(1_000);
  }
  it.hidden = true;
  host.handleHello({ build: "b1" });
  expect(watches().map(({ topics, missing, hidden }) => [topics, missing, hidden])).toEqual([
    [[], [], false],
    [["list"], ["list"], false],
    [["list"], ["list"], true],
  ]);
});

test("a page without any message shows “starting”, and asks for an engine", async () => {
  const { clock, host, counts } = rig();
  await clock.advance(SILENCE_MS);
  expect(host.link.kind).toBe("starting");
  expect(counts.ensured).toBe(2);
});

test("a silent engine is reported and requested repeatedly, until it speaks again", async () => {
  const { clock, host, hear, counts } = rig();
  hear();
  expect(host.link.kind).toBe("connected");
  await clock.advance(2 * SILENCE_MS);
  expect(host.link.kind).toBe("reconnecting");
  expect(counts.ensured).toBe(3);
  hear();
  expect(host.link.kind).toBe("connected");
});

test("changes are applied to the known state, and listeners are told once", () => {
  const { host, hear, name, counts, watches } = rig();
  host.follow(["list"]);
  hear({ updates: [whole(4)] });
  const told = counts.told;
  hear({ updates: [renamed(4, "Another")] });
  expect(name()).toBe("Another");
  expect(counts.told).toBe(told + 1);
  hear();
  expect(counts.told).toBe(told + 1);
  host.announce();
  expect(watches().at(-1)?.missing).toEqual([]);
});

test("after a gap the page requests the whole topic, and keeps the known state meanwhile", () => {
  const { host, hear, name, watches } = rig();
  host.follow(["list"]);
  hear({ updates: [whole(4)] });
  hear({ updates: [renamed(6, "Missed one")] });
  expect(name()).toBe("A film");
  expect(watches().at(-1)?.missing).toEqual(["list"]);
  hear({ updates: [renamed(7, "Still a gap")] });
  expect(name()).toBe("A film");
  hear({ updates: [whole(8, "All of it")] });
  expect(name()).toBe("All of it");
});

test("topics that are no longer followed are forgotten, and their updates ignored", () => {
  const { host, hear } = rig();
  host.follow(["list"]);
  hear({ updates: [whole(4)] });
  host.follow([`torrent/${HASH}`]);
  hear({ updates: [whole(5)] });
  expect(host.topic("list")).toBeUndefined();
});

test("after a restart of the engine its whole topics are taken, whatever their revisions", () => {
  const { host, hear, name } = rig();
  host.follow(["list"]);
  hear({ updates: [whole(4)] });
  hear({ session: "s2", updates: [whole(1, "Of the next life")] });
  hear({ session: "s2", updates: [renamed(1, "Renamed")] });
  expect(name()).toBe("Renamed");
});

test.each([
  ["b1", "engine"],
  ["b2", "page"],
  [undefined, "page"],
] as const)(
  "with build %s on the disk, an engine of another build means that the %s is old",
  async (installed, part) => {
    const { host, hear, counts, sent, name } = rig({ installed });
    host.follow(["list"]);
    hear({ build: "b2", updates: [whole(1)] });
    await settle();
    expect(host.link).toEqual({ kind: "outdated", part });
    expect(name()).toBeUndefined();
    host.update();
    expect(counts.reloaded).toBe(part === "page" ? 1 : 0);
    expect(sent.some(({ kind }) => kind === "restart")).toBe(part === "engine");
  },
);

test("a new engine of the page's build ends the notice about builds", async () => {
  const { host, hear } = rig();
  hear({ build: "b0" });
  await settle();
  hear();
  expect(host.link.kind).toBe("connected");
});

test("replies find their requests, in any order", async () => {
  const { host, reply } = rig();
  const first = host.intent({ kind: "pause", infoHash: HASH });
  const second = host.pieces(HASH, 0, 2);
  reply(1, { kind: "pieces", pieces: { verified: [1, 2], underway: [0, 0] } });
  reply(0, { kind: "intent", reply: { kind: "failed", message: "no" } });
  expect(await first).toEqual({ kind: "failed", message: "no" });
  expect(await second).toEqual({ verified: [1, 2], underway: [0, 0] });
});

test("an unanswered request fails, with a reason", async () => {
  const { host, clock } = rig();
  const asked = host.intent({ kind: "pause", infoHash: HASH });
  await clock.advance(15_000);
  expect(await asked).toEqual({ kind: "failed", message: "The engine did not answer." });
});

test("a failed start of the engine is reported, and repeated later or on request", async () => {
  const { clock, host, hear, counts, it } = rig({ installed: "b1", trouble: "No room." });
  await settle();
  expect(host.link).toEqual({ kind: "down", cause: "not_started", message: "No room." });
  host.retry();
  await clock.advance(SILENCE_MS);
  expect(counts.ensured).toBe(3);
  hear();
  expect(host.link.kind).toBe("connected");
  it.trouble = "Gone.";
  await clock.advance(SILENCE_MS);
  expect(host.link).toMatchObject({ message: "Gone." });
});

test("an engine that exists but stays silent is not requested forever", async () => {
  const { clock, host, hear } = rig();
  await clock.advance(NEVER_MS);
  expect(host.link).toMatchObject({ kind: "down", cause: "not_started" });
  hear();
  expect(host.link.kind).toBe("connected");
});

test("requests that a replaced worker did not answer are repeated at once", async () => {
  const { host, requests, reply } = rig();
  const asked = host.intent({ kind: "pause", infoHash: HASH });
  host.handleHello({ build: "b1" });
  expect(requests().map(({ id, again }) => [id, again])).toEqual([
    [0, false],
    [0, true],
  ]);
  reply(0, { kind: "intent", reply: { kind: "configured" } });
  expect(await asked).toEqual({ kind: "configured" });
  host.handleHello({ build: "b1" });
  expect(requests()).toHaveLength(2);
});

test("a request that can't be repeated fails at once, and says what to do", async () => {
  const { host, reply } = rig();
  const asked = host.intent({ kind: "remove", infoHash: HASH, deleteData: true, undo: false });
  reply(0, { kind: "lost" });
  expect(await asked).toEqual({
    kind: "failed",
    message:
      "JSTorrent’s engine restarted at that moment. Check whether your change took effect. " +
      "If not, try again.",
  });
  const other = host.intent({ kind: "pause", infoHash: HASH });
  host.handleHello({ build: "b2" });
  expect(await other).toMatchObject({ kind: "failed" });
});

test("a reply of another kind is not accepted", async () => {
  const { host, reply } = rig();
  const asked = host.intent({ kind: "pause", infoHash: HASH });
  reply(0, { kind: "ok" });
  expect((await asked).kind).toBe("failed");
});

test("a page that has left sends and reports nothing", () => {
  const { hear, counts, leaving } = rig();
  leaving.abort();
  hear();
  expect(counts.told).toBe(0);
});

test("a waiting update is reported, and installed on request", () => {
  const { host, hear, counts, requests } = rig();
  hear();
  const told = counts.told;
  hear({ updateReady: true });
  expect([host.updateReady, counts.told]).toEqual([true, told + 1]);
  host.restart();
  expect(requests().at(-1)?.request).toEqual({ kind: "restart_extension" });
});
