import { describe, expect, test, vi } from "vitest";
import {
  MAX_METAINFO_BYTES,
  parseAppMessage,
  parseEndpointResult,
  parseEngineMessage,
  parseOffscreenMessage,
  parsePageMessage,
  parseRuntimeMessage,
  parseWorkerMessage,
} from "../src/host/messages";
import { file, HASH, settings, stream, torrent, wait } from "./samples";

const TOKEN = "ab".repeat(32);
const PARSERS = { parseAppMessage, parseEndpointResult, parseEngineMessage, parseOffscreenMessage, parsePageMessage, parseRuntimeMessage, parseWorkerMessage };

function check(parse: (value: unknown) => unknown, value: unknown, accepted: boolean): void {
  expect(parse(value) !== undefined).toBe(accepted);
}

const portMapping = { state: "mapped", port: 6881, address: "192.0.2.1", by: "pcp", message: null };
const state = (more: object = {}, link: object = { kind: "connected", baseUrl: "http://127.0.0.1:80", version: "1" }) => ({
  kind: "state",
  state: { link, snapshot: { torrents: [torrent(more)], roots: [{ key: "downloads", label: "Downloads" }], streams: [stream({ waiting: wait() })], listenPort: 6881, portMapping, settings: settings(), notices: [{ kind: "not_saved", message: "x" }] } },
});
const request = (body: unknown) => ({ kind: "request", page: "p", id: 1, request: body });
const intent = (body: unknown) => request({ kind: "intent", intent: body });

describe("every border", () => {
  test.each(Object.entries(PARSERS))("%s refuses what is no message at all", (_, parse) => {
    for (const value of [undefined, null, 0, "ensure_engine", [], {}, { kind: 7 }, { kind: "nonsense" }, [{ kind: "watch" }], () => 1]) {
      check(parse, value, false);
    }
  });

  test.each(Object.entries(PARSERS))("%s is not fooled by names that every object has", (_, parse) => {
    for (const kind of ["constructor", "__proto__", "toString", "hasOwnProperty"]) check(parse, { kind }, false);
  });
});

describe("messages to the background", () => {
  test("both kinds are accepted", () => {
    check(parseRuntimeMessage, { kind: "ensure_engine" }, true);
    check(parseRuntimeMessage, { kind: "get_endpoint" }, true);
  });
});

describe("messages to the app page", () => {
  test("a magnet link is accepted", () => check(parseAppMessage, { kind: "add_link", link: `magnet:?xt=urn:btih:${HASH}` }, true));

  test.each(["https://example.org/a.torrent", "javascript:alert(1)", "magnet:", ` magnet:?xt=${HASH}`, `magnet:?dn=${"x".repeat(70_000)}`, 7])(
    "the link %s is refused",
    (link) => check(parseAppMessage, { kind: "add_link", link }, false),
  );
});

describe("the endpoint", () => {
  const endpoint = { kind: "endpoint", port: 4000, token: TOKEN, version: "0.1.0" };

  test("a good one is accepted, and so are the ways to have none", () => {
    check(parseEndpointResult, endpoint, true);
    check(parseEndpointResult, { kind: "no_host" }, true);
    check(parseEndpointResult, { kind: "forbidden" }, true);
    check(parseEndpointResult, { kind: "host_error", message: "no" }, true);
  });

  test.each([{ port: 0 }, { port: 65536 }, { port: 1.5 }, { port: "80" }, { token: "short" }, { token: TOKEN + "\n" }, { version: 1 }])(
    "one with %o is refused",
    (wrong) => check(parseEndpointResult, { ...endpoint, ...wrong }, false),
  );

  test("it is checked inside the worker's message, too", () => {
    check(parseOffscreenMessage, { kind: "endpoint", id: 1, result: endpoint }, true);
    check(parseOffscreenMessage, { kind: "endpoint", id: 1, result: { ...endpoint, port: -1 } }, false);
    check(parseOffscreenMessage, { kind: "endpoint", id: -1, result: endpoint }, false);
  });
});

describe("the worker's messages", () => {
  test("heartbeat, question and death are accepted", () => {
    check(parseWorkerMessage, { kind: "alive" }, true);
    check(parseWorkerMessage, { kind: "heartbeat" }, true);
    check(parseWorkerMessage, { kind: "get_endpoint", id: 0 }, true);
    check(parseWorkerMessage, { kind: "fatal", message: "unreachable" }, true);
  });

  test("an id must be a whole number", () => check(parseWorkerMessage, { kind: "get_endpoint", id: NaN }, false));
});

describe("a page's messages", () => {
  test("watching and leaving are accepted", () => {
    check(parsePageMessage, { kind: "watch", page: "p" }, true);
    check(parsePageMessage, { kind: "leave", page: "p" }, true);
    check(parsePageMessage, { kind: "watch", page: "p".repeat(65) }, false);
  });

  test("every intent is accepted", () => {
    check(parsePageMessage, intent({ kind: "add_torrent", metainfo: new Uint8Array(3) }), true);
    check(parsePageMessage, intent({ kind: "add_peers", infoHash: HASH, peers: ["127.0.0.1:1"] }), true);
    check(parsePageMessage, intent({ kind: "set_priorities", infoHash: HASH, files: [{ index: 3, priority: "skip" }] }), true);
    check(parsePageMessage, intent({ kind: "recheck", infoHash: HASH }), true);
    check(parsePageMessage, intent({ kind: "move", infoHash: HASH, root: null, folder: "films", name: "A film" }), true);
    check(parsePageMessage, intent({ kind: "rename_file", infoHash: HASH, index: 0, name: "film.mp4" }), true);
    check(parsePageMessage, intent({ kind: "cancel_recheck", infoHash: HASH }), true);
    check(parsePageMessage, intent({ kind: "configure", settings: settings({ downLimitBps: 1000, encryption: "forced" }) }), true);
    check(parsePageMessage, intent({ kind: "pause", infoHash: HASH }), true);
    check(parsePageMessage, intent({ kind: "resume", infoHash: HASH }), true);
    check(parsePageMessage, intent({ kind: "remove", infoHash: HASH, deleteData: false }), true);
  });

  test("an intent of a wrong shape is refused", () => {
    check(parsePageMessage, intent({ kind: "add_torrent", metainfo: [1, 2, 3] }), false);
    check(parsePageMessage, intent({ kind: "add_torrent", metainfo: new Uint8Array(MAX_METAINFO_BYTES + 1) }), false);
    check(parsePageMessage, intent({ kind: "add_peers", infoHash: HASH, peers: Array(1001).fill("127.0.0.1:1") }), false);
    check(parsePageMessage, intent({ kind: "set_priorities", infoHash: HASH, files: [{ index: 3, priority: "never" }] }), false);
    check(parsePageMessage, intent({ kind: "move", infoHash: HASH, folder: 7 }), false);
    for (const wrong of [{ downLimitBps: "fast" }, { downLimitBps: -1 }, { upLimitBps: 0.5 }, { maxConnections: null }, { encryption: "strong" }, { tcp: 1 }]) {
      check(parsePageMessage, intent({ kind: "configure", settings: { ...settings(), ...wrong } }), false);
    }
    check(parsePageMessage, intent({ kind: "pause", infoHash: HASH.slice(1) }), false);
    check(parsePageMessage, intent({ kind: "pause", infoHash: HASH.toUpperCase() }), false);
    check(parsePageMessage, intent({ kind: "remove", infoHash: HASH, deleteData: "false" }), false);
    check(parsePageMessage, intent({ kind: "remove", infoHash: HASH }), false);
  });

  test("a strip can't be asked for in more cells than anybody sees", () => {
    const pieces = (cells: number) => request({ kind: "pieces", infoHash: HASH, fileIndex: 0, cells });
    check(parsePageMessage, pieces(1024), true);
    check(parsePageMessage, pieces(0), false);
    check(parsePageMessage, pieces(1e9), false);
  });
});

describe("the engine's messages", () => {
  test("a state is accepted, with null or undefined for what is missing", () => {
    check(parseEngineMessage, state(), true);
    check(parseEngineMessage, state({ message: undefined }), true);
    check(parseEngineMessage, state({ message: "words" }), true);
  });

  /** What is made of a state, and the fields that are told to be lost. */
  function mended(value: unknown) {
    const lost: string[] = [];
    const warn = vi.spyOn(console, "warn").mockImplementation((_, field: string) => void lost.push(field));
    const message = parseEngineMessage(value);
    warn.mockRestore();
    if (message?.kind !== "state") throw new Error("all of it was lost");
    return { ...message.state, lost };
  }

  test.each([
    [{ length: NaN }, { length: 0 }],
    [{ verified: -1 }, { verified: 0 }],
    [{ state: "happy" }, { state: "queued" }],
    [{ name: 5 }, { name: "" }],
    [{ peers: 0.5 }, { peers: 0 }],
    [{ message: {} }, { message: null }],
    [{ files: null }, { files: [] }],
    [{ files: ["film.mp4", file()] }, { files: [file()] }],
    [{ files: [file({ length: -1 }), file({ index: 1 })] }, { files: [file({ length: 0 }), file({ index: 1 })] }],
  ])("of a torrent with %o only that field is lost", (wrong, right) => {
    const { snapshot } = mended(state(wrong));
    expect(snapshot.torrents).toEqual([{ ...torrent(), ...right }]);
    expect(snapshot.roots).toHaveLength(1);
    expect(snapshot.streams).toHaveLength(1);
    expect(snapshot.settings).toEqual(settings());
  });

  test("a torrent whose hash is lost can't be spoken of: the others can", () => {
    const both = state();
    const torrents = [torrent({ infoHash: "?" }), torrent({ name: "Another" })];
    const { snapshot } = mended({ ...both, state: { ...both.state, snapshot: { ...both.state.snapshot, torrents } } });
    expect(snapshot.torrents.map(({ name }) => name)).toEqual(["Another"]);
  });

  test("settings are shown as a whole or not at all: a form must not save what stands for a lost field", () => {
    const wrong = state();
    const broken = { ...settings(), downLimitBps: "fast" };
    const { snapshot } = mended({ ...wrong, state: { ...wrong.state, snapshot: { ...wrong.state.snapshot, settings: broken } } });
    expect(snapshot.settings).toBeNull();
    expect(snapshot.torrents).toHaveLength(1);
  });

  test("what is lost is told once", () => {
    expect(mended(state({ downRateBps: "x" })).lost).toContain("state.snapshot.torrents.downRateBps");
    expect(mended(state({ downRateBps: "x" })).lost).toEqual([]);
  });

  test.each(["javascript:alert(1)", "//elsewhere/stream/x", "@elsewhere/", "/other/x", "/stream/a b", "http://elsewhere/stream/x"])(
    "a file's address %s is dropped: it is put behind the base URL",
    (url) => expect(mended(state({ files: [file({ url })] })).snapshot.torrents[0]?.files).toEqual([file({ url: "" })]),
  );

  test.each(["http://elsewhere:80", "https://127.0.0.1:80", "http://127.0.0.1", "http://127.0.0.1:80/", "http://127.0.0.1:80@elsewhere"])(
    "the base URL %s is dropped: the daemon is on this machine",
    (baseUrl) => expect(mended(state({}, { kind: "connected", baseUrl, version: "1" })).link).toEqual({ kind: "connecting" }),
  );

  test("a reply is accepted only with a shape that is known", () => {
    const reply = (body: unknown) => ({ kind: "reply", page: "p", id: 0, reply: body });
    check(parseEngineMessage, reply({ kind: "ok" }), true);
    check(parseEngineMessage, reply({ kind: "intent", reply: { kind: "done", infoHash: HASH, message: null } }), true);
    check(parseEngineMessage, reply({ kind: "intent", reply: { kind: "failed", message: "no" } }), true);
    check(parseEngineMessage, reply({ kind: "pieces", pieces: null }), true);
    check(parseEngineMessage, reply({ kind: "pieces", pieces: { verified: [0, 255], underway: [1, 2] } }), true);
    check(parseEngineMessage, reply({ kind: "pieces", pieces: { verified: [256], underway: [0] } }), false);
    check(parseEngineMessage, reply({ kind: "intent", reply: { kind: "done" } }), false);
  });
});
