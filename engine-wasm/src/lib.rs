//! JSTorrent's brain: a complete BitTorrent engine without I/O.
//!
//! [`Engine`] is a state machine. It is told facts with the time at which they happened
//! ([`Engine::handle_input`]), it answers with intents ([`Engine::poll_output`]), and it says when
//! it wants to be woken ([`Engine::poll_timeout`]). It reads no clock, no random source and no
//! socket, so a whole swarm can be simulated from one seed, and the same crate runs in a browser
//! and in a terminal.
//!
//! What it wants done is done by `jstorrent-io-daemon`, in the words of [`shared_proto`]; a
//! [`host`] carries the frames between them.
//!
//! ```
//! use engine_wasm::{Config, Engine, Input, time::Instant, view::Intent};
//!
//! let mut engine = Engine::new(Config::default(), [7; 32], Instant(0));
//! engine.handle_input(Instant(1_000), Input::Intent { id: 1, intent: Intent::Pause { info_hash: "00".into() } });
//! // Without a daemon there is nobody to ask what was here before: the intent waits.
//! assert_eq!(engine.poll_output(), None);
//! assert_eq!(engine.poll_timeout(), None);
//! assert!(engine.snapshot(Instant(2_000)).torrents.is_empty());
//! ```
#![forbid(unsafe_code)]

pub mod addresses;
mod api;
mod arrivals;
pub mod bitfield;
mod calls;
mod context;
pub mod discover;
mod engine;
pub mod geometry;
mod handles;
pub mod hashes;
pub mod host;
pub mod io;
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
pub mod pick;
mod plan;
pub mod queue;
mod scrub;
mod settings;
#[cfg(test)]
mod sim;
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
