//! The protocol between the engine and the I/O daemon.
//!
//! The engine decides, the daemon acts. The engine opens one WebSocket to the daemon's `/control`
//! and both planes share it:
//!
//! - **Text frames** hold one JSON control message each ([`control`]). They are few and small, and
//!   a viewer may wait for them.
//! - **Binary frames** hold a batch of I/O messages each ([`io`]), encoded with `postcard`:
//!   sockets, files, digests, state, notes and fetches.
//!
//! [`frame`] encodes and decodes both, within size limits that both ends enforce. The daemon knows
//! files, spans, connections, frames, digests and requests, and no word of BitTorrent.
//!
//! # Delivery
//!
//! A WebSocket delivers messages in order, once, or not at all: a message can only get lost
//! together with the connection and everything after it. "Lost" below therefore means that the
//! connection ended. The two planes share one order on the sender's side, but the daemon writes
//! control messages ahead of queued events. A message that the receiver cannot parse, or that is
//! out of turn, closes the connection with [`CloseCode::Malformed`].
//!
//! # The start of a connection
//!
//! - `hello`. Sender: engine, first frame. Answer: `welcome`, or a close code. Late or lost: after
//!   5 s the daemon closes with [`CloseCode::HelloTimeout`].
//! - `welcome`. Sender: daemon, after a valid `hello`. Answer: none; the engine announces its
//!   files. Late or lost: the engine connects again.
//! - `roots_aside`. Sender: daemon, after `welcome` if folders are set aside. Answer: none. Late or
//!   lost: repeated after the next `welcome`.
//! - `state_status`. Sender: daemon, after `welcome` unless all is well, then at each change.
//!   Answer: none. Late or lost: repeated after the next `welcome`.
//!
//! A newer engine's `hello` ends the older engine's connection with [`CloseCode::Superseded`]. The
//! new engine gets the next `epoch`.
//!
//! # Files and ranges
//!
//! - `file_announce`. Sender: engine, when a file can be asked for or has changed. Answer: none.
//!   Late or lost: a viewer of the file waits for the grace, then gets 404 or 503.
//! - `file_forget`. Sender: engine, when the file must not be served. Answer: none. Late or lost:
//!   announcements end with the connection anyway.
//! - `range_request`. Sender: daemon, when a viewer asks. Answer: `range_available`, `range_block`
//!   or `range_reject`. Late or lost: without an answer within `max_wait_ms` the viewer gets 504;
//!   after a lost connection the daemon asks the next engine for the rest, with the same id.
//! - `range_available`, `range_ready`. Sender: engine, when bytes are verified. Answer: none. Late
//!   or lost: the viewer waits for as long as `range_block` renews its patience.
//! - `range_block`. Sender: engine, while bytes are missing; at least once per `max_wait_ms`.
//!   Answer: none. Late or lost: the reply ends: 504, or a truncated body.
//! - `range_revoke`. Sender: engine, when verified bytes are doubted. Answer: none. Late or lost:
//!   grants stand until the message arrives: it must precede the change that it is about.
//! - `range_reject`. Sender: engine, when the bytes will not come. Answer: none. Late or lost: as
//!   without an answer.
//! - `range_hint`. Sender: engine, when bytes on disk will be asked for soon. Answer: none. Late or
//!   lost: the disk is read later.
//! - `range_progress`. Sender: daemon, at most every 250 ms or 1 MiB. Answer: none. Late or lost:
//!   the next one replaces it.
//! - `range_cancel`. Sender: daemon, once, when a request ends in any way but `range_reject`.
//!   Answer: none. Late or lost: all requests end with the connection.
//! - `file_changed`. Sender: daemon, when another program changed a file; before later questions
//!   about the file. Answer: the engine checks the file. Late or lost: the engine looks at its
//!   files when it connects.
//!
//! A late message about a request that has ended is ignored, in both directions.
//!
//! # Calls
//!
//! - `http_call`. Sender: daemon, when a client calls the HTTP API; the content follows as
//!   [`IoEvent::HttpContent`]. Answer: `http_reply`. Late or lost: as `range_request`; the daemon
//!   repeats only idempotent calls.
//! - `http_reply`. Sender: engine, in one or more parts. Answer: none. Late or lost: a begun reply
//!   is truncated.
//! - `file_resolve`. Sender: daemon, for `/stream/<path>`. Answer: `file_resolved`. Late or lost:
//!   as `range_request`.
//! - `file_resolved`. Sender: engine. Answer: none. Late or lost: the client gets 503 or 504.
//!
//! # Orders in JSON
//!
//! - `rate_limit`. Sender: engine, when a limit changes. Answer: none. Late or lost: limits end
//!   with the connection.
//! - `file_show`. Sender: engine, when a person wants to see a file. Answer: [`IoEvent::Done`].
//!   Late or lost: the answer is dropped.
//! - `root_prefer`. Sender: engine, when a person chooses a folder. Answer: [`IoEvent::Done`]. Late
//!   or lost: the choice is kept even if the answer is dropped.
//!
//! # Commands and events
//!
//! [`IoCommand`] comes from the engine at any time after `welcome`. A command with an [`OpId`] has
//! exactly one answer, [`IoEvent::Done`]; the other commands have none or are followed by the
//! events that their documentation names. When the connection is lost, the daemon closes the
//! engine's sockets and files and answers nothing more. A write that was not answered may or may
//! not be on disk. [`io`] describes how credit bounds what is under way.
#![forbid(unsafe_code)]

pub mod control;
pub mod error;
pub mod frame;
pub mod ids;
pub mod io;
pub mod path;
mod root;
pub mod token;

pub use control::{BlockReason, DaemonMessage, EngineMessage, Limits};
pub use error::{CloseCode, FrameError};
pub use ids::{ConnId, FileId, FileRef, OpId, RequestId, RootKey, SocketId};
pub use io::{FileIdentity, IoCommand, IoEvent, OpenMode, Span};
pub use root::Root;

/// Version of this protocol, which `hello` and `welcome` carry.
///
/// A daemon closes a connection of another version with [`CloseCode::Protocol`].
pub const PROTOCOL_VERSION: u32 = 5;
