//! A complete BitTorrent streaming engine without I/O.
//!
//! [`Engine`] is a state machine. The host passes facts to it with the time at which they happened,
//! and the engine returns the actions that the host must carry out. The engine opens no socket,
//! reads no file, and asks no clock. The same crate therefore runs in a browser, in a terminal, and
//! in a simulation of a whole swarm.
//!
//! [`Engine`] decides; `jstorrent-io-daemon` acts. The two exchange the messages of
//! [`shared_proto`]. A [`host`] carries those messages over a WebSocket.
//!
//! # The loop
//!
//! A host repeats four steps:
//!
//! 1. It passes one fact to [`Engine::handle_input`].
//! 2. It calls [`Engine::poll_output`] until that returns `None`, and carries out each [`Output`].
//! 3. It asks [`Engine::poll_timeout`] when to come back.
//! 4. It waits for the next fact. If none arrives before the timeout, the fact is
//!    [`Input::Timeout`].
//!
//! # Example
//!
//! This host adds a torrent and serves a range of its file. The daemon and the one peer are played
//! by a few lines each: the daemon keeps the file in memory, and the peer sends every block that
//! the engine expects. Time is a number, so that the example sleeps without waiting.
//!
//! ```
//! use std::collections::VecDeque;
//!
//! use bytes::Bytes;
//! use engine_wasm::metainfo::encode::Dict;
//! use engine_wasm::peer::handshake::Handshake;
//! use engine_wasm::view::{Intent, IntentReply};
//! use engine_wasm::{Config, Engine, Input, Output, metainfo::InfoHash, time::Instant};
//! use sha1::{Digest, Sha1};
//! use shared_proto::io::{DigestKind, FileStat, Notes, OpOutput};
//! use shared_proto::{DaemonMessage, EngineMessage, IoCommand, IoEvent, Limits, RequestId, Root};
//!
//! const PIECE_LENGTH: usize = 16 << 10;
//!
//! // A torrent of one file with four pieces of one block each.
//! let content: Vec<u8> = (0..4 * PIECE_LENGTH).map(|at| (at * at >> 7) as u8).collect();
//! let pieces: Vec<u8> = content.chunks(PIECE_LENGTH).flat_map(Sha1::digest).collect();
//! let info = Dict::new()
//!     .bytes("name", "film.mp4")
//!     .int("length", content.len() as i64)
//!     .int("piece length", PIECE_LENGTH as i64)
//!     .bytes("pieces", pieces)
//!     .encode();
//! let info_hash = InfoHash(Sha1::digest(&info).into());
//! let metainfo = Dict::new().raw("info", info).encode();
//!
//! // The peer has every piece: it sends `have all` (BEP 6), then `unchoke`.
//! const HAVE_ALL: Bytes = Bytes::from_static(&[14]);
//! const UNCHOKE: Bytes = Bytes::from_static(&[1]);
//! let handshake = Handshake::ours(info_hash, *b"-EX0001-a-peer-there").encode();
//!
//! // The daemon: carries out a command on a disk in memory, and reports what came of it.
//! let mut disk = vec![0; content.len()];
//! let mut carry_out = |command| -> Vec<IoEvent> {
//!     let (op, output) = match command {
//!         // The peer accepts the connection, answers the handshake, and begins to talk.
//!         IoCommand::TcpConnect { conn, .. } => return vec![IoEvent::TcpConnected { conn }],
//!         IoCommand::TcpRaw { conn, .. } => {
//!             let data = Bytes::copy_from_slice(&handshake);
//!             return vec![IoEvent::TcpData { conn, data }];
//!         }
//!         IoCommand::TcpFramed { conn, .. } => {
//!             return [HAVE_ALL, UNCHOKE].map(|data| IoEvent::TcpFrame { conn, data }).into();
//!         }
//!         // The engine names a block that it requests, and where the daemon must store it. Here
//!         // the block arrives at once.
//!         IoCommand::Arm { conn, key, spans } => {
//!             let [piece, begin] = [0, 4].map(|at| {
//!                 u32::from_be_bytes(key[at..at + 4].try_into().unwrap()) as usize
//!             });
//!             let mut from = piece * PIECE_LENGTH + begin;
//!             for span in spans {
//!                 let (to, length) = (span.offset as usize, span.length as usize);
//!                 disk[to..to + length].copy_from_slice(&content[from..from + length]);
//!                 from += length;
//!             }
//!             return vec![IoEvent::Stored { conn, key }];
//!         }
//!         IoCommand::Digest { op, kind: DigestKind::Sha1, spans } => {
//!             let mut hash = Sha1::new();
//!             for span in spans {
//!                 let from = span.offset as usize;
//!                 hash.update(&disk[from..from + span.length as usize]);
//!             }
//!             (op, OpOutput::Digest(Bytes::copy_from_slice(&hash.finalize())))
//!         }
//!         IoCommand::FileOpen { op, length, .. } => {
//!             let stat = FileStat { length, modified_ns: 1, changed_ns: 1, identity: None };
//!             (op, OpOutput::Opened { stat })
//!         }
//!         // Nothing was stored by an earlier engine.
//!         IoCommand::FileStat { op, .. } => (op, OpOutput::Stat(None)),
//!         IoCommand::KvScan { op, .. } => (op, OpOutput::Keys(Vec::new())),
//!         IoCommand::KvGet { op, .. } => (op, OpOutput::Value(None)),
//!         IoCommand::KvPut { op, .. } => (op, OpOutput::Unit),
//!         IoCommand::NotesRead { op } => (op, OpOutput::Notes(Notes::default())),
//!         // The rest has no answer, or does not matter here.
//!         _ => return Vec::new(),
//!     };
//!     vec![IoEvent::Done { op, result: Ok(output) }]
//! };
//!
//! // The host: an engine, and the facts that it has not passed to the engine yet.
//! let mut now = Instant(0);
//! let mut engine = Engine::new(Config::default(), [7; 32], now);
//! let root = Root { key: "d".into(), label: "Downloads".into(), path: "/downloads".into() };
//! let limits = Limits { max_conns: 8, max_files: 8, io_window: 1 << 20, max_wait_ms: 120_000 };
//! let peer = vec!["127.0.0.1:6881".to_owned()];
//! let mut facts = VecDeque::from([
//!     Input::Linked { epoch: 1, roots: vec![root], limits },
//!     Input::Intent { id: 1, intent: Intent::AddTorrent { metainfo: metainfo.into() } },
//!     Input::Intent {
//!         id: 2,
//!         intent: Intent::AddPeers { info_hash: info_hash.to_string(), peers: peer },
//!     },
//! ]);
//!
//! // A viewer requests this range as soon as the file is announced.
//! let (start, end) = (20_000, 39_999);
//! let request_id = RequestId(uuid::Uuid::from_u128(1));
//!
//! let granted = loop {
//!     // Pass the next fact, or sleep until the timeout.
//!     match facts.pop_front() {
//!         Some(fact) => engine.handle_input(now, fact),
//!         None => {
//!             let timeout = engine.poll_timeout().expect("the engine waits for something");
//!             now = now.max(timeout.at);
//!             engine.handle_input(now, Input::Timeout);
//!         }
//!     }
//!     // Drain the outputs.
//!     let mut granted = None;
//!     while let Some(output) = engine.poll_output() {
//!         match output {
//!             Output::Io(command) => facts.extend(carry_out(command).into_iter().map(Input::Io)),
//!             Output::Control(EngineMessage::FileAnnounce { file_id, .. }) => {
//!                 let only_now = false;
//!                 let request =
//!                     DaemonMessage::RangeRequest { request_id, file_id, start, end, only_now };
//!                 facts.push_back(Input::Control(request));
//!             }
//!             Output::Control(EngineMessage::RangeAvailable { end, .. }) => granted = Some(end),
//!             Output::Control(EngineMessage::RangeReady { end, .. }) => granted = Some(end),
//!             Output::Reply { reply, .. } => assert!(matches!(reply, IntentReply::Done { .. })),
//!             Output::Control(_) | Output::Changed => {}
//!         }
//!     }
//!     // Without an `end`, all bytes of the request are granted.
//!     match granted {
//!         Some(last) if last.is_none_or(|last| last >= end) => break start..=end,
//!         _ => {}
//!     }
//! };
//! let [first, last] = [*granted.start(), *granted.end()].map(|at| at as usize);
//! assert_eq!(disk[first..=last], content[first..=last]);
//! ```
//!
//! # Time
//!
//! [`time::Instant`] counts microseconds since an epoch that the host chooses. Times never go back:
//! a host passes a monotonic clock. [`Engine::poll_timeout`] returns the earliest [`Timeout`],
//! whose owner and reason say what the engine will do then; a timeout in the past is due at once.
//! The host may pass [`Input::Timeout`] early or late. An early one does nothing; a late one delays
//! the work, and nothing is lost.
//!
//! # Effects
//!
//! Every effect is an [`Output`]: a message or command for the daemon, the reply to an intent, or
//! the note that [`Engine::snapshot`] has changed. A command with an [`shared_proto::OpId`] is
//! answered by exactly one [`shared_proto::IoEvent::Done`]. When the connection ends, the host
//! passes [`Input::Unlinked`] and drops the outputs for the daemon. The engine then forgets its
//! sockets, open files and commands; after the next [`Input::Linked`] it reads its state from the
//! daemon and starts again. Intents that arrive before the state is read wait for it.
//!
//! # Errors
//!
//! [`Engine::handle_input`] returns no error. What a peer, a tracker, a disk or a viewer does wrong
//! is data: the engine closes the connection, rejects the range, or shows the error in the
//! snapshot. A failed intent is answered with [`view::IntentReply::Failed`]. Only a daemon that
//! violates the protocol ends the connection ([`link::LinkError`]). The engine panics only when an
//! invariant of its own is broken.
//!
//! # Determinism
//!
//! The same [`Config`], seed, and inputs at the same times give the same outputs. The engine has no
//! other source of randomness or time, no global state, and no iteration over hash maps. The
//! simulations in `sim` rely on this: they run whole swarms on a virtual clock, and a failed run is
//! repeated from its seed.
#![forbid(unsafe_code)]

pub mod addresses;
mod announcing;
mod api;
mod arrivals;
mod bitfield;
mod calls;
mod config;
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
mod precedence;
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
pub use config::Config;
pub use discover::dht::DhtConfig;
pub use engine::Engine;
pub use io::{Input, Output};
pub use magnet::Patience;
pub use queue::QueueConfig;
pub use timers::{Timeout, TimerOwner, TimerReason};
pub use torrent::Goals;
