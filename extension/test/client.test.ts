import { expect, test } from "vitest";
import type { PageMessage, PageReply, PublishedState } from "../src/host/messages";
import { Client, SILENCE_MS } from "../src/host/client";
import { FakeClock, settle } from "./fake_clock";
import { HASH } from "./samples";

const STATE: PublishedState = {
  link: { kind: "connected", baseUrl: "http://127.0.0.1:80", version: "1" },
  snapshot: { torrents: [], roots: [], streams: [], listenPort: null, portMapping: null, settings: null, notices: [] },
};

function rig() {
  const clock = new FakeClock();
  const sent: PageMessage[] = [];
  let listener: (event: { data: unknown }) => void = () => {};
  let ensured = 0;
  const channel = {
    postMessage: (message: PageMessage) => void sent.push(message),
    addEventListener: (_: "message", heard: typeof listener) => void (listener = heard),
  };
  const client = new Client(clock, channel, () => (ensured += 1), () => {});
  const hear = (data: unknown) => listener({ data });
  const requests = () => sent.filter((message) => message.kind === "request");
  const reply = (index: number, body: PageReply) => {
    const { page, id } = requests()[index]!;
    hear({ kind: "reply", page, id, reply: body });
  };
  return { clock, sent, client, hear, requests, reply, ensured: () => ensured };
}

test("a page announces itself at once and every two seconds", async () => {
  const { clock, sent } = rig();
  await clock.advance(2_000);
  expect(sent.map((message) => message.kind)).toEqual(["watch", "watch"]);
});

test("a page that never heard anything is starting, and asks for an engine", async () => {
  const { clock, client, ensured } = rig();
  await clock.advance(SILENCE_MS);
  expect(client.link.kind).toBe("starting");
  expect(ensured()).toBe(1);
});

test("silence is noticed, acted upon again and again, and forgotten when the engine is back", async () => {
  const { clock, client, hear, ensured } = rig();
  hear({ kind: "state", state: STATE });
  expect(client.link.kind).toBe("connected");
  await clock.advance(2 * SILENCE_MS);
  expect(client.link.kind).toBe("reconnecting");
  expect(ensured()).toBe(2);
  hear({ kind: "state", state: STATE });
  expect(client.link.kind).toBe("connected");
});

test("a malformed state is not taken, and does not count as life", async () => {
  const { clock, client, hear } = rig();
  hear({ kind: "state", state: STATE });
  await clock.advance(SILENCE_MS - 1);
  hear({ kind: "state", state: { ...STATE, snapshot: {} } });
  await clock.advance(1);
  expect(client.link.kind).toBe("reconnecting");
  expect(client.state).toEqual(STATE);
});

test("replies find their requests, in any order", async () => {
  const { client, reply } = rig();
  const first = client.intent({ kind: "pause", infoHash: HASH });
  const second = client.pieces(HASH, 0, 2);
  reply(1, { kind: "pieces", pieces: { verified: [1, 2], underway: [0, 0] } });
  reply(0, { kind: "intent", reply: { kind: "failed", message: "no" } });
  expect(await first).toEqual({ kind: "failed", message: "no" });
  expect(await second).toEqual({ verified: [1, 2], underway: [0, 0] });
});

test("another page's replies are not for this one", async () => {
  const { client, hear, clock } = rig();
  const asked = client.intent({ kind: "pause", infoHash: HASH });
  hear({ kind: "reply", page: "another", id: 0, reply: { kind: "intent", reply: { kind: "done", infoHash: HASH, message: null } } });
  await clock.advance(15_000);
  expect((await asked).kind).toBe("failed");
});

test("a reply that answers another question is not taken for an answer", async () => {
  const { client, reply } = rig();
  const asked = client.intent({ kind: "pause", infoHash: HASH });
  reply(0, { kind: "ok" });
  await settle();
  expect((await asked).kind).toBe("failed");
});
