//! JSTorrent's I/O daemon as a library: sockets, files, hashing and HTTP ranges under the orders of
//! a remote engine.
//!
//! Where to look:
//!
//! - [`http`]: connections, URLs, ranges and replies
//! - [`control`]: the engine's WebSocket and the desk
//! - [`plane`]: the engine's commands, above [`sockets`], [`files`] and [`state`]
//! - [`host`]: settings, folders, browsers
//! - `convert`: what the user's ffmpeg makes of a file
#![forbid(unsafe_code)]

pub mod control;
pub(crate) mod convert;
pub mod daemon;
pub mod events;
pub mod files;
pub mod host;
pub mod http;
pub mod in_memory;
pub mod limits;
pub mod metrics;
pub mod plane;
pub mod sockets;
pub mod state;
#[cfg(test)]
pub(crate) mod testing;

/// Name of this service, as `/health` tells it.
pub const SERVICE: &str = "jstorrent-io-daemon";
/// Version of the daemon.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
