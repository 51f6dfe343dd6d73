//! JSTorrent's I/O daemon as a library: sockets, files, hashing and HTTP ranges under the orders of
//! a remote engine.
//!
//! Where to look:
//!
//! - its life: [`daemon`], [`config`] (with `chosen`: download folders that a person chose),
//!   [`folder`] (state folder), [`descriptors`] (how many), [`install`], [`native_messaging`],
//!   [`metrics`], [`log`], `about` (what a report says of it), [`in_memory`] (without a listener)
//! - HTTP: `server` (with `connections`) → `routes` (URLs) → `serve` (a file's status and headers,
//!   with [`mod@range`], [`conditional`], [`multipart`]) → [`stream`] (its bytes, found by
//!   `opener`, read by `source`), or → `calls` (what the engine answers in words, with `uploads`);
//!   [`auth`] says who may; `pages` are files of the program itself; `convert` has the user's
//!   ffmpeg make of a file what browsers play
//! - the engine: `websocket` → `doorstep` (connections that are not known yet) → `control` (its
//!   WebSocket) → [`desk`] (who waits for what) and [`io_plane`] → [`sockets`] (with rate limits),
//!   [`files`], `digest`, [`state`], [`notes`] (what all daemons of a user share), `http_client`
//!   (with `http_fetch`), `resolve`, [`port_map`]; [`events`] is the way back; `read_ahead` follows
//!   hints, `show` asks the file manager
//! - [`limits`]: every bound of the I/O plane
#![forbid(unsafe_code)]

pub(crate) mod about;
pub(crate) mod app;
pub mod auth;
pub(crate) mod calls;
pub(crate) mod chosen;
pub mod conditional;
pub mod config;
pub(crate) mod connections;
pub(crate) mod control;
pub(crate) mod convert;
pub mod daemon;
pub mod descriptors;
pub mod desk;
pub(crate) mod digest;
pub(crate) mod doorstep;
pub mod events;
pub mod files;
pub mod folder;
pub(crate) mod http_client;
pub(crate) mod http_fetch;
pub mod in_memory;
pub mod install;
pub mod io_plane;
pub mod limits;
pub mod log;
pub mod metrics;
pub mod multipart;
pub mod native_messaging;
pub mod notes;
pub(crate) mod opener;
pub(crate) mod pages;
pub mod port_map;
pub mod range;
pub(crate) mod read_ahead;
pub(crate) mod resolve;
pub(crate) mod routes;
pub(crate) mod serve;
pub(crate) mod server;
pub(crate) mod show;
pub mod sockets;
pub(crate) mod source;
pub mod state;
pub mod stream;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod uploads;
pub(crate) mod websocket;

/// Name of this service, as `/health` tells it.
pub const SERVICE: &str = "jstorrent-io-daemon";
/// Version of the daemon.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
