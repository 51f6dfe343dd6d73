//! A complete BitTorrent engine without I/O.
//!
//! [`Engine`] is a state machine. The host passes inputs with the time at which they happened to
//! [`Engine::handle_input`], carries out the outputs of [`Engine::poll_output`], and calls again
//! at the time that [`Engine::poll_timeout`] returns. The engine reads no clock, no random source
//! and no socket. So a whole swarm can be simulated from one seed, and the same crate runs in a
//! browser and in a terminal.
//!
//! `jstorrent-io-daemon` performs the I/O; the messages between engine and daemon are defined in
//! [`shared_proto`], and a [`host`] moves the frames.
//!
//! ```
//! use engine_wasm::{Config, Engine, Input, time::Instant, view::Intent};
//!
//! let mut engine = Engine::new(Config::default(), [7; 32], Instant(0));
//! engine.handle_input(Instant(1_000), Input::Intent { id: 1, intent: Intent::Pause { info_hash: "00".into() } });
//! // The intent waits until a daemon is connected and has returned the stored torrents.
//! assert_eq!(engine.poll_output(), None);
//! assert_eq!(engine.poll_timeout(), None);
//! assert!(engine.snapshot(Instant(2_000)).torrents.is_empty());
//! ```
#![forbid(unsafe_code)]

pub mod addresses;
mod api;
mod arrivals;
mod bitfield;
mod calls;
mod context;
pub mod discover;
mod engine;
mod geometry;
mod handles;
pub mod hashes;
pub mod host;
mod io;
pub mod limits;
pub mod link;
pub mod log_tail;
mod magnet;
mod mapping;
mod marks;
pub mod media;
pub mod metainfo;
pub mod natural;
pub mod net;
mod notebook;
pub mod peer;
mod percent;
mod pick;
mod plan;
mod queue;
mod scrub;
mod settings;
#[cfg(test)]
mod sim;
pub mod source;
pub mod time;
mod timers;
mod torrent;
pub mod view;
mod writes;

pub use api::ApiConfig;
pub use discover::dht::DhtConfig;
pub use engine::{Config, Engine};
pub use io::{Input, Output};
pub use magnet::Patience;
pub use queue::QueueConfig;
pub use timers::{Timeout, TimerOwner, TimerReason};
pub use torrent::Goals;
