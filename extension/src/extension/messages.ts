// Messages between the extension's contexts, other than those of host/protocol.
//
// page ──runtime──► background ◄──runtime── offscreen ◄──port──► worker
//
// All contexts are of one build, so these messages are not validated. Input from outside is: the
// native host's answer in `endpoint.ts`, a link in `hand_over.ts`.

import type { HostReason } from "../model/link";

/** Page or offscreen document → background. */
export type RuntimeMessage =
  | { kind: "ensure_engine" }
  | { kind: "get_endpoint" }
  /** This torrent has just become complete. */
  | { kind: "completed"; infoHash: string; name: string }
  /** Restart the extension to install an update. */
  | { kind: "restart_extension" }
  /** Show the list page. */
  | { kind: "show_app" };

/** Background → offscreen document: an update is ready. */
export type UpdateMessage = { kind: "update_ready" };

/** Background → page: the outcome of `ensure_engine`. */
export type EngineReport = { kind: "ready" } | { kind: "failed"; message: string };

/**
 * Background → list page: a magnet link from the context menu, or a clicked notification. The page
 * answers `true`.
 */
export type AppMessage =
  | { kind: "add_link"; link: string }
  | { kind: "show_torrent"; infoHash: string };

/** The outcome of asking the native host for the daemon. */
export type EndpointResult =
  | { kind: "endpoint"; port: number; token: string; version: string }
  /** The native messaging host is not installed. */
  | { kind: "no_host" }
  /** The host is installed for another extension id. */
  | { kind: "forbidden" }
  /** The host failed. `message` is its own text, or empty. */
  | { kind: "host_error"; reason?: HostReason; message: string };

/**
 * Worker → offscreen document. `alive`: the worker holds the lock of its name until it dies.
 * `fatal`: the engine broke an invariant or is of an older build than a page; a new worker is
 * needed.
 */
export type WorkerMessage =
  | { kind: "alive" }
  | { kind: "heartbeat" }
  | { kind: "get_endpoint"; id: number }
  | { kind: "fatal"; message: string }
  | { kind: "completed"; infoHash: string; name: string }
  /** Restart the extension. `reopen`: show the list page afterwards. */
  | { kind: "restart_extension"; reopen: boolean };

/** Offscreen document → worker. */
export type OffscreenMessage =
  | { kind: "endpoint"; id: number; result: EndpointResult }
  | UpdateMessage;
