//! JSTorrent's I/O daemon as a library: the muscle under the orders of a remote engine.
//!
//! The daemon serves HTTP ranges and owns sockets, files, hashing and state. An engine connects
//! over a WebSocket, sends commands, and decides which bytes a viewer may get. The daemon knows
//! files, spans, connections, frames, digests and requests, and nothing of what they mean to the
//! engine. Every other program and web page on the machine can reach the daemon, so it trusts none
//! of them.
//!
//! # Rooms
//!
//! A room uses only the rooms below it in this list, and no two modules use each other.
//!
//! - [`daemon`] starts and stops everything; [`in_memory`] is the same without a listener.
//! - `http` owns connections, URLs, access, status codes, headers and bodies.
//! - `convert` owns running ffmpeg processes.
//! - [`control`] owns the engine's WebSocket and the desk: announced files, requests and grants.
//! - [`plane`] owns the routing of the engine's binary commands, HTTP fetches and name lookups.
//! - [`host`] owns settings, folders, log, native messaging and the file manager.
//! - [`sockets`] owns connections, ports, uTP, rate limits and port mappings of one engine.
//! - [`state`] owns the durable keys and values, and the notes that all daemons of a user share.
//! - [`events`] is the queue of events for the engine.
//! - [`files`] owns everything below the download folders, and the locks on bytes and files.
//! - [`policy`] owns limits, allowed addresses and secrets. [`metrics`] counts.
//!
//! # The life of a request
//!
//! 1. `http::server` accepts a connection, which takes a permit. When all permits are taken, an
//!    idle or stalled connection closes.
//! 2. The server checks `Host`; `http::routes` finds the handler, which checks origin, site, token
//!    or key (`http::auth`).
//! 3. `http::file_service` looks the file up at the desk, evaluates preconditions and `Range`, and
//!    asks the engine: `range_request`.
//! 4. The engine grants bytes with `range_available` or `range_ready`, and says `range_block` while
//!    it fetches them. The reply's headers go out with the first granted byte.
//! 5. `http::stream` reads granted bytes under a claim (`files::locks`) and passes them to the
//!    connection. It stops reading when the viewer stops receiving.
//! 6. The reply is complete, the viewer leaves, or the engine takes bytes back. The ticket is
//!    dropped, and the engine gets `range_cancel`.
//!
//! A call of the HTTP API takes the same way up to step 2. The engine then gets `http_call` and
//! answers with `http_reply`.
//!
//! # Time
//!
//! The daemon has no clock of its own to drive: tasks wait on tokio's timers. Viewers wait for an
//! engine for the *grace* (3 s), for its next word for the *maximum wait* (120 s), and running
//! replies have the *stop grace* (2 s) when the daemon stops. Blocking work (disks, hashing, name
//! lookups) runs on threads or processes of its own, so a stuck disk delays only what needs it. The
//! documentation of each constant gives its unit and reason.
//!
//! # Errors
//!
//! What a peer, viewer, disk or engine does wrong is data. A command fails with an
//! [`shared_proto::io::OpError`]; a viewer gets an HTTP status; a malformed message closes the
//! engine's connection with a [`shared_proto::CloseCode`]. A broken invariant of the daemon itself
//! panics. A panic ends one task, never the process. A failing disk makes the state store keep
//! changes in memory and report it (`state_status`).
#![forbid(unsafe_code)]

pub mod control;
pub(crate) mod convert;
pub mod daemon;
pub mod events;
pub mod files;
pub mod host;
pub(crate) mod http;
pub mod in_memory;
pub mod metrics;
pub mod plane;
pub mod policy;
pub mod sockets;
pub mod state;
#[cfg(test)]
pub(crate) mod testing;

/// Name of this service, as `/health` tells it.
pub(crate) const SERVICE: &str = "jstorrent-io-daemon";
/// Version of the daemon.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
