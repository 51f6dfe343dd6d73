// How engine and daemon stand with each other, as a page hears of it.

/** How the engine stands with the daemon. */
export type LinkState =
  | { kind: "connecting" }
  /** `baseUrl` has no slash at its end; a file's `url` follows it. */
  | { kind: "connected"; baseUrl: string; version: string }
  /** `message`: what the daemon's side said itself, in its own words; empty if it said nothing. */
  | { kind: "down"; cause: DownCause; reason?: DownReason | undefined; message: string }
  /** Another engine has the daemon; this one keeps still until a page says otherwise. */
  | { kind: "superseded" };

/** Why there is no daemon. `no_engine`: the WebAssembly itself could not be loaded. */
export type DownCause = "no_host" | "forbidden" | "host_error" | "unreachable" | "version" | "no_engine";

/** Why a native host gave no endpoint. `silent`: not in time. `background`: the extension's own background did not pass it on. */
export type HostReason = "not_started" | "ended" | "silent" | "not_understood" | "background";

/** More about a cause: of `host_error`, or of `unreachable`. `server`: the page comes from a server, which is gone. */
export type DownReason = HostReason | "token" | "server";

/** The link as a page sees it: the engine's own words, its silence, or that they don't speak the same language. */
export type PageLink =
  | LinkState
  | { kind: "starting" }
  | { kind: "reconnecting" }
  /** Page and engine are of two builds, and this part is the older one. */
  | { kind: "outdated"; part: "page" | "engine" };
