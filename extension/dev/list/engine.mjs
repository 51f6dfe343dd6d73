// A server with a fake engine, which serves the pages and sends updates twice a second.
//
// The first `active` torrents download at a fixed rate, and the others stand still.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { torrent } from "../scenes.mjs";

const TICK_MS = 500;
const TYPES = {
  ".html": "text/html",
  ".css": "text/css",
  ".js": "text/javascript",
  ".png": "image/png",
  ".wasm": "application/wasm",
};

/** A removed torrent, as the list's topic describes it. */
function removedOf({ infoHash, name }) {
  return { infoHash, name, undoS: 8, deleteData: false, message: null };
}

/** Serves `pages` and these torrents. The first `active` torrents download at `rateBps` each. */
export async function serve({ pages, torrents, world, active, rateBps }) {
  const known = structuredClone(torrents);
  /** Removed torrents by info hash; each can be brought back. */
  const gone = new Map();
  const streams = new Set();
  let revision = 1;

  const row = ({ files, trackers, ...torrent }) => ({ ...torrent, files: [], trackers: [] });
  const of = (topic) => known.find(({ infoHash }) => topic === `torrent/${infoHash}`);
  const whole = (topic) => {
    const torrent = of(topic) ?? { files: [], trackers: [] };
    if (topic === "list")
      return {
        kind: "list",
        order: known.map(({ infoHash }) => infoHash),
        torrents: known.map(row),
        world: { ...world, removed: [...gone.values()].map(removedOf) },
      };
    if (topic.startsWith("peers/")) return { kind: "peers", peers: peers() };
    return {
      kind: "torrent",
      order: torrent.files.map(({ index }) => index),
      files: torrent.files,
      trackers: torrent.trackers,
    };
  };
  const say = (stream, topic, from, change) =>
    stream.response.write(`data: ${JSON.stringify({ topic, from, revision, change })}\n\n`);

  /** Thirty peers, a third of them active. */
  const peers = () =>
    Array.from({ length: 30 }, (_, at) => ({
      address: `203.0.113.${at}:6881`,
      client: "Transmission 4.0.5",
      transport: "tcp",
      encrypted: true,
      incoming: false,
      progress: 0.5,
      downRateBps: at < 10 ? 100_000 + ((revision * 7919 * (at + 1)) % 50_000) : 0,
      upRateBps: 0,
      downloaded: 0,
      uploaded: 0,
      weWant: true,
      itGives: true,
      itWants: false,
      weGive: false,
      snubbing: false,
    }));

  /** Sends updates of these torrents and their changed files. */
  const tell = (changed) => {
    const before = revision++;
    for (const stream of streams)
      for (const topic of stream.topics) {
        if (topic === "list") {
          const rows = changed.map(({ torrent }) => row(torrent));
          say(stream, topic, before, { kind: "list", order: null, torrents: rows, world: null });
        } else if (topic.startsWith("peers/")) {
          say(stream, topic, before, { kind: "peers", peers: peers() });
        } else {
          const files = changed.find(({ torrent }) => torrent === of(topic))?.files ?? [];
          say(stream, topic, before, { kind: "torrent", order: null, files, trackers: null });
        }
      }
  };

  /**
   * Adds downloaded bytes to the first incomplete selected file. When all selected files are
   * complete, the first file starts again.
   */
  const advance = (torrent, at) => {
    const bytes = (rateBps * TICK_MS) / 1000;
    const noise = Math.round(rateBps * 0.05 * Math.sin(revision + at));
    let file = torrent.files.find((one) => one.priority !== "skip" && one.verified < one.length);
    if (!file) {
      file = torrent.files[0];
      file.verified = 0;
    }
    file.verified = Math.min(file.length, file.verified + bytes);
    torrent.verified = torrent.wantedVerified = Math.min(
      torrent.length,
      torrent.wantedVerified + bytes,
    );
    torrent.downloaded += bytes;
    torrent.downRateBps = rateBps + noise;
    torrent.peers = 20 + (revision % 3);
    return { torrent, files: [file] };
  };
  const timer = setInterval(
    () =>
      tell(
        known
          .slice(0, active)
          .filter(({ state }) => state === "downloading" || active > 1)
          .map(advance),
      ),
    TICK_MS,
  );

  /** Sends the whole list. */
  const tellList = () => {
    revision += 1;
    for (const stream of streams)
      for (const topic of stream.topics)
        if (topic === "list") say(stream, topic, null, whole(topic));
  };

  /** Adds a magnet link's torrent, with one film, unless it is in the list. */
  const add = (intent) => {
    intent.infoHash = /btih:(\w+)/.exec(intent.uri)[1];
    if (known.some(({ infoHash }) => infoHash === intent.infoHash)) return;
    known.unshift({ ...torrent(1, "A new film", "downloading", 0.1), infoHash: intent.infoHash });
    tellList();
  };

  /** Every intent that the page sent. */
  const asked = [];
  /** Kinds of intents that the server refuses with a sentence of the engine. */
  const refused = new Set();
  const obey = (intent) => {
    asked.push(intent);
    if (intent.kind === "add_magnet") add(intent);
    if (intent.kind === "undo_remove") {
      known.unshift(gone.get(intent.infoHash));
      gone.delete(intent.infoHash);
      tellList();
      return;
    }
    const torrent = known.find(({ infoHash }) => infoHash === intent.infoHash);
    if (!torrent) return;
    if (intent.kind === "pause") torrent.state = "paused";
    if (intent.kind === "resume") torrent.state = "downloading";
    if (intent.kind === "remove") {
      known.splice(known.indexOf(torrent), 1);
      gone.set(torrent.infoHash, torrent);
      tellList();
    } else if (intent.kind !== "set_priorities") tell([{ torrent, files: [] }]);
    if (intent.kind !== "set_priorities") return;
    const wanted = new Map(intent.files.map(({ index, priority }) => [index, priority]));
    const files = torrent.files.filter(({ index }) => wanted.has(index));
    for (const file of files) file.priority = wanted.get(file.index);
    torrent.wanted = torrent.files.reduce(
      (sum, file) => sum + (file.priority === "skip" ? 0 : file.length),
      0,
    );
    tell([{ torrent, files }]);
  };

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://127.0.0.1");
    if (url.pathname === "/host/topics") {
      const stream = { response, topics: url.searchParams.getAll("topic") };
      response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      response.flushHeaders();
      for (const topic of stream.topics) say(stream, topic, null, whole(topic));
      streams.add(stream);
      request.on("close", () => streams.delete(stream));
    } else if (url.pathname === "/host/intents") {
      let body = "";
      for await (const chunk of request) body += chunk;
      const intent = JSON.parse(body);
      if (refused.has(intent.kind)) {
        asked.push(intent);
        response.end(JSON.stringify({ kind: "failed", message: "", says: { code: "no_daemon" } }));
        return;
      }
      obey(intent);
      response.end(JSON.stringify({ kind: "done", infoHash: intent.infoHash, message: null }));
    } else {
      const body = await readFile(join(pages, url.pathname)).catch(() => undefined);
      response.writeHead(body ? 200 : 404, {
        "content-type": TYPES[extname(url.pathname)] ?? "text/plain",
      });
      response.end(body);
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    asked,
    refused,
    origin: `http://127.0.0.1:${address.port}`,
    close: () => {
      clearInterval(timer);
      server.closeAllConnections();
      server.close();
    },
  };
}
