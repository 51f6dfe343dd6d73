// How engine and daemon stand with each other, as a page hears of it.

/** How the engine stands with the daemon. */
export type LinkState =
  | { kind: "connecting" }
  /** `baseUrl` has no slash at its end; a file's `url` follows it. */
  | { kind: "connected"; baseUrl: string; version: string }
  | LinkDown
  /** Another engine has the daemon; this one keeps still until a page says otherwise. */
  | { kind: "superseded" };

/** There is no daemon. `message`: what the daemon's side, or the browser, said itself; empty if it said nothing. */
export interface LinkDown {
  kind: "down";
  cause: DownCause;
  reason?: DownReason | undefined;
  /** Those that don't fit each other. */
  versions?: Versions | undefined;
  message: string;
}

/** The versions of both sides. */
export interface Versions {
  extension: string;
  daemon: string;
}

/**
 * Why there is no daemon. `no_engine`: the WebAssembly itself could not be loaded. `not_started`: the browser does not even give the engine a place.
 */
export type DownCause =
  | "no_host"
  | "forbidden"
  | "host_error"
  | "unreachable"
  | "version"
  | "no_engine"
  | "not_started";

/** Why a native host gave no endpoint. `silent`: not in time. `background`: the extension's own background did not pass it on. */
export type HostReason = "not_started" | "ended" | "silent" | "not_understood" | "background";

/**
 * More about a cause: of `host_error`, or of `unreachable`. `server`: the page comes from a server, which is gone. `server_token`: it is there,
 * and wants another token.
 */
export type DownReason = HostReason | "token" | "server" | "server_token";

/** The link as a page sees it: the engine's own words, its silence, or that they don't speak the same language. */
export type PageLink =
  | LinkState
  | { kind: "starting" }
  | { kind: "reconnecting" }
  /** Page and engine are of two builds, and this part is the older one. */
  | { kind: "outdated"; part: "page" | "engine" };
