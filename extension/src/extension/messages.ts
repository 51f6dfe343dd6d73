// What the extension's contexts say to each other besides what pages and engine do (host/protocol).
//
//     page ──runtime──► background ◄──runtime── offscreen ◄──port──► worker
//
// All of them are parts of one build, so nothing is looked at twice. What comes from elsewhere is
// checked where it comes in: the native host's answer by `endpoint.ts`, a link by `hand_over.ts`.

import type { HostReason } from "../model/link";

/** Page or offscreen document → background. */
export type RuntimeMessage =
  | { kind: "ensure_engine" }
  | { kind: "get_endpoint" }
  /** This torrent has just become complete. */
  | { kind: "completed"; infoHash: string; name: string }
  /** Start the extension anew: an update is ready. */
  | { kind: "restart_extension" }
  /** Show the list. */
  | { kind: "show_app" };

/** Background → offscreen document: Chrome has an update ready. */
export type UpdateMessage = { kind: "update_ready" };

/** Background → page: what came of `ensure_engine`. */
export type EngineReport = { kind: "ready" } | { kind: "failed"; message: string };

/** Background → the app page: a person chose this magnet link in the context menu, or the notification of this torrent. The page answers `true`. */
export type AppMessage =
  | { kind: "add_link"; link: string }
  | { kind: "show_torrent"; infoHash: string };

/** What came of asking the native host where the daemon is. */
export type EndpointResult =
  | { kind: "endpoint"; port: number; token: string; version: string }
  /** The native messaging host is not installed. */
  | { kind: "no_host" }
  /** It is installed for another extension id. */
  | { kind: "forbidden" }
  /** It is there, but something went wrong. `message`: its own words, empty if it said nothing. */
  | { kind: "host_error"; reason?: HostReason; message: string };

/**
 * Worker → offscreen document. `alive`: it holds the lock that bears its name, until it dies. `fatal`: the engine broke an invariant, or is of an
 * older build than a page; a new worker is the only way on.
 */
export type WorkerMessage =
  | { kind: "alive" }
  | { kind: "heartbeat" }
  | { kind: "get_endpoint"; id: number }
  | { kind: "fatal"; message: string }
  | { kind: "completed"; infoHash: string; name: string }
  /** Start the extension anew. `reopen`: show the list afterwards. */
  | { kind: "restart_extension"; reopen: boolean };

/** Offscreen document → worker. */
export type OffscreenMessage =
  | { kind: "endpoint"; id: number; result: EndpointResult }
  | UpdateMessage;
