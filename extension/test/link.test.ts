// The link between engine and daemon: when it is opened, repeated and given up.

import { describe, expect, test } from "vitest";
import {
  ATTEMPT_MS,
  FIRST_DELAY_MS,
  GOOD_MS,
  Link,
  MOST_BROKEN_DELAY_MS,
  MOST_DELAY_MS,
} from "../src/extension/link";
import type { EndpointResult } from "../src/extension/messages";
import type { LinkState } from "../src/model/link";
import { FakeClock, settle } from "./fake_clock";

const ENDPOINT: EndpointResult = { kind: "endpoint", port: 4000, token: "t", version: "0.1.0" };

/** A link whose native host and engine are played by the test. */
class Rig {
  clock = new FakeClock();
  answer: EndpointResult | Promise<EndpointResult> = ENDPOINT;
  asked: number[] = [];
  connects: string[] = [];
  states: LinkState[] = [];
  link = new Link(
    this.clock,
    {
      endpoint: async () => {
        this.asked.push(this.clock.now());
        return this.answer;
      },
      connect: (url) => this.connects.push(url),
      changed: (state) => this.states.push(state),
    },
    "0.2.0",
  );

  async connected(): Promise<void> {
    await settle();
    this.link.handle({ kind: "connected", epoch: 1 });
  }

  lost(code = 1006, reason = ""): void {
    this.link.handle({ kind: "disconnected", code, reason });
  }
}

function rig(answer: EndpointResult = ENDPOINT, watched = true): Rig {
  const made = new Rig();
  made.answer = answer;
  made.link.setWatched(watched);
  made.link.start();
  return made;
}

describe("connecting", () => {
  test("the link asks for the daemon, connects to it, and knows the base URL", async () => {
    const { link, connects, ...rest } = rig();
    await settle();
    expect(connects).toEqual(["ws://127.0.0.1:4000/control"]);
    link.handle({ kind: "connected", epoch: 1 });
    expect(link.state).toEqual({
      kind: "connected",
      baseUrl: "http://127.0.0.1:4000",
      version: "0.1.0",
    });
    expect(rest.asked).toHaveLength(1);
  });

  test("a connection event without an attempt changes nothing", () => {
    const { link } = rig();
    link.handle({ kind: "connected", epoch: 1 });
    expect(link.state.kind).toBe("connecting");
  });

  test("an attempt without an outcome fails and is repeated", async () => {
    const it = rig();
    await it.clock.advance(ATTEMPT_MS + FIRST_DELAY_MS);
    expect(it.connects).toHaveLength(2);
  });

  test("the state never carries the token", async () => {
    const it = rig({ ...ENDPOINT, token: "secret" });
    await it.connected();
    expect(JSON.stringify(it.states)).not.toContain("secret");
  });
});

describe("a lost connection", () => {
  test("is opened again after 0.2 s, at the daemon's new port", async () => {
    const it = rig();
    await it.connected();
    await it.clock.advance(GOOD_MS);
    it.lost();
    expect(it.link.state.kind).toBe("connecting");
    it.answer = { ...ENDPOINT, port: 5000 };
    await it.clock.advance(FIRST_DELAY_MS);
    await it.connected();
    expect(it.link.state).toMatchObject({ kind: "connected", baseUrl: "http://127.0.0.1:5000" });
  });

  test("pauses double up to five seconds", async () => {
    const it = rig();
    for (let failure = 0; failure < 8; failure++) {
      await settle();
      it.lost();
      await it.clock.advance(Math.min(MOST_DELAY_MS, FIRST_DELAY_MS * 2 ** failure));
    }
    const pauses = it.asked.slice(1).map((at, index) => at - it.asked[index]!);
    expect(pauses).toEqual([200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
  });

  test("pauses still grow when the daemon closes each connection at once", async () => {
    const it = rig();
    const pauses: number[] = [];
    for (let round = 0; round < 6; round++) {
      await it.connected();
      const lostAt = it.clock.now();
      it.lost(4400, "malformed");
      while (it.asked.length === round + 1) await it.clock.advance(100);
      pauses.push(it.asked.at(-1)! - lostAt);
    }
    expect(pauses).toEqual([200, 400, 800, 1600, 3200, 5000]);
  });

  test("the user is told after a few attempts, and the message stays", async () => {
    const it = rig();
    await it.connected();
    await it.clock.advance(GOOD_MS);
    for (let failure = 0; failure < 6; failure++) {
      it.lost();
      await it.clock.advance(MOST_DELAY_MS);
    }
    expect(it.states.map((state) => state.kind)).toEqual(["connected", "connecting", "down"]);
  });

  test("two reports of the same loss cause one new attempt", async () => {
    const it = rig();
    await it.connected();
    it.lost();
    it.lost();
    await it.clock.advance(FIRST_DELAY_MS);
    expect(it.asked).toHaveLength(2);
  });
});

describe("a daemon that is gone while no page is visible", () => {
  test("is tried again with growing delays, and at once when a page opens", async () => {
    const it = rig(ENDPOINT, false);
    const lose = async () => {
      await settle();
      it.lost();
    };
    await lose();
    for (let minute = 0; minute < 600; minute++) {
      await it.clock.advance(6_000);
      await lose();
    }
    const pauses = it.asked.slice(1).map((at, index) => at - it.asked[index]!);
    expect(pauses.at(-1)).toBe(MOST_BROKEN_DELAY_MS);
    expect(it.asked.length).toBeLessThanOrEqual(25);
    const before = it.asked.length;
    it.link.setWatched(true);
    await settle();
    expect(it.asked).toHaveLength(before + 1);
  });
});

test("a background page keeps the attempts going, unless the daemon is not installed", async () => {
  const gone = rig(ENDPOINT, false);
  gone.link.setWatched(false, true);
  for (let failure = 0; failure < 8; failure++) {
    await settle();
    gone.lost();
    await gone.clock.advance(MOST_DELAY_MS);
  }
  expect(gone.asked).toHaveLength(9);
  const missing = rig({ kind: "no_host" }, false);
  missing.link.setWatched(false, true);
  await missing.clock.advance(600_000);
  expect(missing.asked).toHaveLength(1);
});

describe("a newer engine", () => {
  test("keeps the daemon: neither time nor a retry starts an attempt", async () => {
    const it = rig();
    await it.connected();
    it.lost(4409, "superseded");
    it.link.start();
    await it.clock.advance(10 * 60_000);
    expect(it.link.state).toEqual({ kind: "superseded" });
    expect(it.asked).toHaveLength(1);
    expect(it.clock.pending).toBe(0);
  });

  test("gives way when a page takes over", async () => {
    const it = rig();
    await it.connected();
    it.lost(4409, "superseded");
    it.link.takeOver();
    await it.connected();
    expect(it.link.state.kind).toBe("connected");
  });

  test("taking over has no effect while the link works", async () => {
    const it = rig();
    await it.connected();
    it.link.takeOver();
    await settle();
    expect(it.asked).toHaveLength(1);
  });
});

describe("a daemon that is not installed", () => {
  test("is requested every five seconds while a page is visible", async () => {
    const it = rig({ kind: "no_host" });
    await it.clock.advance(3 * MOST_DELAY_MS);
    expect(it.link.state).toMatchObject({ kind: "down", cause: "no_host" });
    expect(it.asked).toHaveLength(4);
  });

  test("is not requested without a visible page, but at once when one appears", async () => {
    const it = rig({ kind: "no_host" }, false);
    await it.clock.advance(60_000);
    expect(it.asked).toHaveLength(1);
    it.answer = ENDPOINT;
    it.link.setWatched(true);
    await it.connected();
    expect(it.link.state.kind).toBe("connected");
  });

  test("a user's retry does not wait", async () => {
    const it = rig({ kind: "no_host" });
    await settle();
    it.answer = ENDPOINT;
    it.link.start();
    await it.connected();
    expect(it.link.state.kind).toBe("connected");
    expect(it.clock.now()).toBe(0);
  });
});

describe("a daemon that can't be started", () => {
  const broken: EndpointResult = { kind: "host_error", message: "daemon.toml: expected a number." };

  test("is tried with growing delays, at most 25 times in an hour", async () => {
    const it = rig(broken);
    await it.clock.advance(3_600_000);
    const pauses = it.asked.slice(1).map((at, index) => at - it.asked[index]!);
    expect(pauses.slice(0, 6)).toEqual([200, 400, 800, 1600, 3200, 6400]);
    expect(pauses.at(-1)).toBe(MOST_BROKEN_DELAY_MS);
    expect(it.asked.length).toBeLessThanOrEqual(25);
    expect(it.link.state).toEqual({ kind: "down", cause: "host_error", message: broken.message });
  });

  test("is tried when a page becomes visible, and when the user asks", async () => {
    const it = rig(broken, false);
    await it.clock.advance(1_000_000);
    const before = it.asked.length;
    it.link.setWatched(true);
    it.link.setWatched(true);
    await settle();
    expect(it.asked).toHaveLength(before + 1);
    it.answer = ENDPOINT;
    it.link.start();
    await it.connected();
    expect(it.link.state.kind).toBe("connected");
  });

  test("is not tried forever while no page is visible", async () => {
    const it = rig(broken, false);
    await it.clock.advance(24 * 3_600_000);
    expect(it.asked.length).toBeLessThanOrEqual(6);
    expect(it.clock.pending).toBe(0);
  });

  test("a daemon of another version is tried with growing delays, too", async () => {
    const it = rig();
    for (let failure = 0; failure < 12; failure++) {
      await settle();
      it.lost(4426);
      await it.clock.advance(Math.min(MOST_BROKEN_DELAY_MS, FIRST_DELAY_MS * 2 ** failure));
    }
    const pauses = it.asked.slice(1).map((at, index) => at - it.asked[index]!);
    expect(pauses.slice(4)).toEqual([
      3200, 6400, 12_800, 25_600, 51_200, 102_400, 204_800, 300_000,
    ]);
  });
});

describe("words", () => {
  test("the host's own error text is part of the state", async () => {
    const it = rig({ kind: "host_error", message: "The port is taken." });
    await settle();
    expect(it.link.state).toEqual({
      kind: "down",
      cause: "host_error",
      message: "The port is taken.",
    });
  });

  test("another protocol version is reported at once", async () => {
    const it = rig();
    await settle();
    it.lost(4426);
    expect(it.link.state).toEqual({
      kind: "down",
      cause: "version",
      versions: { extension: "0.2.0", daemon: "0.1.0" },
      message: "",
    });
  });
});

test("an answer to an abandoned attempt is ignored", async () => {
  const it = rig({ kind: "no_host" });
  let late: (result: EndpointResult) => void = () => {};
  await it.clock.advance(0);
  it.answer = new Promise((resolve) => (late = resolve));
  it.link.start();
  it.link.start();
  await settle();
  late(ENDPOINT);
  await settle();
  expect(it.connects).toHaveLength(1);
});
