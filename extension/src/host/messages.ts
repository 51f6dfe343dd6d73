// Every message between the extension's contexts, one union a direction, and the check each passes at its border.
//
//     page ◄──runtime──► background ◄──runtime── offscreen ◄──port──► worker ◄──BroadcastChannel──► page
//
// Nothing here acts. What the engine says of torrents comes from Rust (generated/); its shapes are checked all the
// same, because a page must not break when an old worker is still alive after an update.

import type { LinkState } from "../model/link";
import type { FilePriority } from "../model/generated/FilePriority";
import type { FileView } from "../model/generated/FileView";
import type { Intent } from "../model/generated/Intent";
import type { IntentReply } from "../model/generated/IntentReply";
import type { MainFile } from "../model/generated/MainFile";
import type { NoticeView } from "../model/generated/NoticeView";
import type { PiecesView } from "../model/generated/PiecesView";
import type { PortMappingView } from "../model/generated/PortMappingView";
import type { RootView } from "../model/generated/RootView";
import type { Settings } from "../model/generated/Settings";
import type { Sharing } from "../model/generated/Sharing";
import type { Snapshot } from "../model/generated/Snapshot";
import type { StreamView } from "../model/generated/StreamView";
import { TOKEN } from "../model/generated/Token";
import type { TorrentView } from "../model/generated/TorrentView";
import type { TrackerView } from "../model/generated/TrackerView";
import type { WaitView } from "../model/generated/WaitView";
import type { Shape } from "./shape";
import { boolean, bytes, integer, list, literal, mend, nullable, object, or, parse, pattern, quantity, text, variants } from "./shape";
import { isMagnet } from "../text/torrent_link";

/** Name of the channel between the worker and the pages; only this extension's contexts can join it. */
export const CHANNEL = "jstorrent";

/** A `.torrent` file larger than this is refused before it is read. */
export const MAX_METAINFO_BYTES = 8 * 1024 * 1024;

const MAX_TORRENTS = 100_000;
const MAX_TRACKERS = 1_000;
const MAX_FILES = 1_000_000;
const MAX_ROOTS = 1_000;
const MAX_TEXT = 64 * 1024;
const MAX_CELLS = 4096;
const MAX_PEERS = 1000;

const infoHash = pattern(/^[0-9a-f]{40}$/);
const id = integer();
const words = text(MAX_TEXT);

// ---- to and from the background, over runtime messages ----------------------------------------------------------

/** Page or offscreen document → background. */
export type RuntimeMessage = { kind: "ensure_engine" } | { kind: "get_endpoint" };

/** Background → the app page: a person chose this magnet link in the context menu. The page answers `true`. */
export type AppMessage = { kind: "add_link"; link: string };

/** What came of asking the native host where the daemon is. */
export type EndpointResult =
  | { kind: "endpoint"; port: number; token: string; version: string }
  /** The native messaging host is not installed. */
  | { kind: "no_host" }
  /** It is installed for another extension id. */
  | { kind: "forbidden" }
  /** It is there, but something went wrong, in plain words. */
  | { kind: "host_error"; message: string };

const runtimeMessage = variants<RuntimeMessage>({
  ensure_engine: object({ kind: literal("ensure_engine") }),
  get_endpoint: object({ kind: literal("get_endpoint") }),
});
const endpointResult = variants<EndpointResult>({
  endpoint: object({
    kind: literal("endpoint"),
    port: integer(1, 65535),
    token: pattern(TOKEN),
    version: text(64),
  }),
  no_host: object({ kind: literal("no_host") }),
  forbidden: object({ kind: literal("forbidden") }),
  host_error: object({ kind: literal("host_error"), message: words }),
});

const appMessage = object<AppMessage>({
  kind: literal("add_link"),
  link: (value): value is string => typeof value === "string" && isMagnet(value),
});

export const parseAppMessage = (value: unknown) => parse(appMessage, value);
export const parseRuntimeMessage = (value: unknown) => parse(runtimeMessage, value);
export const parseEndpointResult = (value: unknown) => parse(endpointResult, value);

// ---- between the offscreen document and its worker --------------------------------------------------------------

/**
 * Worker → offscreen document. `alive`: it holds the lock that bears its name, until it dies. `fatal`: the engine broke an invariant; a new worker
 * is the only way on.
 */
export type WorkerMessage =
  | { kind: "alive" }
  | { kind: "heartbeat" }
  | { kind: "get_endpoint"; id: number }
  | { kind: "fatal"; message: string };

/** Offscreen document → worker. */
export type OffscreenMessage = { kind: "endpoint"; id: number; result: EndpointResult };

const workerMessage = variants<WorkerMessage>({
  alive: object({ kind: literal("alive") }),
  heartbeat: object({ kind: literal("heartbeat") }),
  get_endpoint: object({ kind: literal("get_endpoint"), id }),
  fatal: object({ kind: literal("fatal"), message: words }),
});
const offscreenMessage = variants<OffscreenMessage>({
  endpoint: object({ kind: literal("endpoint"), id, result: endpointResult }),
});

export const parseWorkerMessage = (value: unknown) => parse(workerMessage, value);
export const parseOffscreenMessage = (value: unknown) => parse(offscreenMessage, value);

// ---- between pages and the worker, over the channel -------------------------------------------------------------

/** What the worker tells every page. */
export type PublishedState = { link: LinkState; snapshot: Snapshot };

/** What a page asks of the worker. */
export type PageRequest =
  | { kind: "intent"; intent: Intent }
  | { kind: "pieces"; infoHash: string; fileIndex: number; cells: number }
  /** Try the daemon now instead of when the back-off ends. */
  | { kind: "retry" }
  /** Be the daemon's engine again after another one took it. */
  | { kind: "take_over" };

/** The worker's answer to a request. */
export type PageReply =
  | { kind: "intent"; reply: IntentReply }
  | { kind: "pieces"; pieces: PiecesView | null }
  | { kind: "ok" };

/** Page → worker. A page says `watch` every two seconds; one that stops is forgotten. */
export type PageMessage =
  | { kind: "watch"; page: string }
  | { kind: "leave"; page: string }
  | { kind: "request"; page: string; id: number; request: PageRequest };

/** Worker → pages. */
export type EngineMessage =
  | { kind: "state"; state: PublishedState }
  | { kind: "reply"; page: string; id: number; reply: PageReply };

const sharing = object<Sharing>({
  downLimitBps: nullable(quantity),
  upLimitBps: nullable(quantity),
  ratioPercent: nullable(integer()),
  seedS: nullable(integer()),
});
const settings = object<Settings>({
  downLimitBps: nullable(integer()),
  upLimitBps: nullable(integer()),
  maxConnections: integer(),
  encryption: literal("off", "allowed", "preferred", "forced"),
  tcp: boolean,
  utp: boolean,
  dht: boolean,
  trackers: boolean,
  pex: boolean,
  webSeeds: boolean,
  ratioPercent: nullable(integer()),
  seedS: nullable(integer()),
  maxDownloads: nullable(integer()),
  maxSeeds: nullable(integer()),
});
const priority = or(literal("skip", "low", "normal", "high"), "normal");
const filePriority = object<FilePriority>({ index: integer(), priority });
const intent = variants<Intent>({
  add_torrent: object({ kind: literal("add_torrent"), metainfo: bytes(MAX_METAINFO_BYTES) }),
  add_magnet: object({ kind: literal("add_magnet"), uri: words }),
  add_url: object({ kind: literal("add_url"), url: words }),
  add_peers: object({ kind: literal("add_peers"), infoHash, peers: list(text(128), MAX_PEERS) }),
  set_sharing: object({ kind: literal("set_sharing"), infoHash, sharing }),
  configure: object({ kind: literal("configure"), settings }),
  pause: object({ kind: literal("pause"), infoHash }),
  resume: object({ kind: literal("resume"), infoHash }),
  set_priorities: object({ kind: literal("set_priorities"), infoHash, files: list(filePriority, MAX_FILES) }),
  recheck: object({ kind: literal("recheck"), infoHash }),
  adopt: object({ kind: literal("adopt"), infoHash }),
  cancel_recheck: object({ kind: literal("cancel_recheck"), infoHash }),
  move: object({ kind: literal("move"), infoHash, root: nullable(words), folder: nullable(words), name: nullable(words) }),
  rename_file: object({ kind: literal("rename_file"), infoHash, index: integer(), name: words }),
  remove: object({ kind: literal("remove"), infoHash, deleteData: boolean }),
});
const intentReply = variants<IntentReply>({
  done: object({ kind: literal("done"), infoHash, message: nullable(words) }),
  configured: object({ kind: literal("configured") }),
  failed: object({ kind: literal("failed"), message: words }),
});

const file = object<FileView>({
  index: integer(),
  path: words,
  length: quantity,
  verified: quantity,
  priority,
  contentType: text(256),
  playable: boolean,
  // A path, never a scheme or another host: it is put behind the base URL.
  url: or(pattern(/^\/stream\/[^\s#]{1,2048}$/), ""),
  displaced: boolean,
});
const tracker = object<TrackerView>({
  url: words,
  tier: integer(),
  state: literal("idle", "asking", "working", "failing"),
  nextAnnounceS: nullable(integer()),
  seeders: nullable(integer()),
  leechers: nullable(integer()),
  message: nullable(words),
});
const torrent = object<TorrentView>({
  infoHash,
  name: words,
  version: nullable(literal("v1", "hybrid", "v2")),
  state: or(literal("metadata", "checking", "queued", "downloading", "complete", "paused", "error"), "queued"),
  message: nullable(words),
  length: quantity,
  verified: quantity,
  wanted: quantity,
  wantedVerified: quantity,
  checkProgress: nullable(quantity),
  moveProgress: nullable(quantity),
  root: words,
  liesAt: words,
  downloaded: quantity,
  uploaded: quantity,
  wasted: quantity,
  pieceLength: integer(),
  pieceCount: integer(),
  downRateBps: quantity,
  upRateBps: quantity,
  sharing,
  giving: literal("closed", "open", "queued", "sated"),
  peers: integer(),
  knownPeers: integer(),
  trackers: list(tracker, MAX_TRACKERS),
  fileCount: integer(),
  mainFile: nullable(object<MainFile>({ index: integer(), path: words })),
  files: list(file, MAX_FILES),
});
const wait = object<WaitView>({
  reason: literal("downloading", "checking", "no_peers", "no_source", "stopped"),
  havePieces: integer(),
  needPieces: integer(),
  etaMs: nullable(quantity),
  sources: integer(),
});
const stream = object<StreamView>({
  infoHash,
  fileIndex: integer(),
  start: quantity,
  end: quantity,
  position: quantity,
  waiting: nullable(wait),
});
const notice = object<NoticeView>({
  kind: literal("not_saved", "not_read", "set_aside", "unreadable"),
  message: text(8192),
});
const portMapping = object<PortMappingView>({
  state: literal("asking", "mapped", "failed"),
  port: nullable(integer(0, 65535)),
  address: nullable(text(64)),
  by: nullable(literal("pcp", "nat_pmp", "upnp")),
  message: nullable(words),
});
const snapshot = object<Snapshot>({
  // Without it, a page must not look as if there were none.
  torrents: list(torrent, MAX_TORRENTS, true),
  streams: list(stream, MAX_TORRENTS),
  roots: list(object<RootView>({ key: words, label: words }), MAX_ROOTS),
  listenPort: nullable(integer(0, 65535)),
  portMapping: nullable(portMapping),
  settings: nullable(settings),
  notices: list(notice, 1000),
});
const cell = integer(0, 255);
const pieces = object<PiecesView>({ verified: list(cell, MAX_CELLS), underway: list(cell, MAX_CELLS) });

const link = variants<LinkState>({
  connecting: object({ kind: literal("connecting") }),
  connected: object({
    kind: literal("connected"),
    baseUrl: pattern(/^http:\/\/127\.0\.0\.1:\d{1,5}$/),
    version: text(64),
  }),
  down: object({
    kind: literal("down"),
    cause: literal("no_host", "forbidden", "host_error", "unreachable", "version", "no_engine"),
    message: words,
  }),
  superseded: object({ kind: literal("superseded") }),
});
// A link that is not understood is none yet.
const state: Shape<PublishedState> = object({ link: or(link, { kind: "connecting" }), snapshot });
const mendable = object<{ kind: "state"; state: PublishedState }>({ kind: literal("state"), state });

const pageId = text(64);
const pageRequest = variants<PageRequest>({
  intent: object({ kind: literal("intent"), intent }),
  pieces: object({ kind: literal("pieces"), infoHash, fileIndex: integer(), cells: integer(1, MAX_CELLS) }),
  retry: object({ kind: literal("retry") }),
  take_over: object({ kind: literal("take_over") }),
});
const pageReply = variants<PageReply>({
  intent: object({ kind: literal("intent"), reply: intentReply }),
  pieces: object({ kind: literal("pieces"), pieces: nullable(pieces) }),
  ok: object({ kind: literal("ok") }),
});
const pageMessage = variants<PageMessage>({
  watch: object({ kind: literal("watch"), page: pageId }),
  leave: object({ kind: literal("leave"), page: pageId }),
  request: object({ kind: literal("request"), page: pageId, id, request: pageRequest }),
});
const engineMessage = variants<EngineMessage>({
  state: object({ kind: literal("state"), state }),
  reply: object({ kind: literal("reply"), page: pageId, id, reply: pageReply }),
});

export const parsePageMessage = (value: unknown) => parse(pageMessage, value);

/** Fields that were not understood, each told once. */
const told = new Set<string>();

/** A message of the engine. Of a state that is not wholly understood, only the fields are lost that are not. */
export function parseEngineMessage(value: unknown): EngineMessage | undefined {
  const whole = parse(engineMessage, value);
  if (whole || (value as { kind?: unknown } | null | undefined)?.kind !== "state") return whole;
  return mend(mendable, value, (field) => {
    if (!told.has(field)) console.warn("The engine said something that was not understood:", field);
    told.add(field);
  });
}
