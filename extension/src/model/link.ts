// The state of the connection between engine and daemon.

/** The connection as the engine knows it. */
export type LinkState =
  | { kind: "connecting" }
  /** `baseUrl` has no trailing slash; a file's `url` is appended to it. */
  | { kind: "connected"; baseUrl: string; version: string }
  | LinkDown
  /** Another engine uses the daemon. This engine stays idle until a page takes over. */
  | { kind: "superseded" };

/** The daemon is not connected. `message` is the daemon's or browser's own text, or empty. */
export interface LinkDown {
  kind: "down";
  cause: DownCause;
  reason?: DownReason | undefined;
  /** The versions, if they are incompatible. */
  versions?: Versions | undefined;
  message: string;
}

/** The versions of both sides. */
export interface Versions {
  extension: string;
  daemon: string;
}

/**
 * Why the daemon is not connected. `no_engine`: the WebAssembly failed to load. `not_started`: the
 * browser did not create the engine's document.
 */
export type DownCause =
  | "no_host"
  | "forbidden"
  | "host_error"
  | "unreachable"
  | "version"
  | "no_engine"
  | "not_started";

/**
 * Why a native host returned no endpoint. `silent`: it timed out. `background`: the extension's
 * background did not forward the answer.
 */
export type HostReason = "not_started" | "ended" | "silent" | "not_understood" | "background";

/**
 * Details of `host_error` and `unreachable`. `server`: the server of this page is gone.
 * `server_token`: the server wants another token.
 */
export type DownReason = HostReason | "token" | "server" | "server_token";

/** The connection as a page knows it: the engine's state, silence, or a build mismatch. */
export type PageLink =
  | LinkState
  | { kind: "starting" }
  | { kind: "reconnecting" }
  /** Page and engine are of different builds, and `part` is the older one. */
  | { kind: "outdated"; part: "page" | "engine" };
