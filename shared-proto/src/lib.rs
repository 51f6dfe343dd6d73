//! The protocol between the engine (the brain) and the I/O daemon (the muscle), defined once.
//!
//! One WebSocket carries both planes:
//!
//! - **Text frames** are single JSON control messages ([`control`]): who may speak, which files can
//!   be asked for, and the range conversation that decides every byte a viewer gets.
//! - **Binary frames** are batches of I/O messages ([`io`]), `postcard`-encoded: sockets, framing
//!   and diversion, files, digests, state, notes, HTTP fetches.
//!
//! [`frame`] is the one codec, with the size limits that both ends enforce. Nothing here knows what
//! a torrent is: the words are *file*, *span*, *connection*, *frame*, *digest* and *request*.
#![forbid(unsafe_code)]

pub mod control;
pub mod error;
pub mod frame;
pub mod ids;
pub mod io;
pub mod path;
pub mod token;

pub use control::{BlockReason, DaemonMessage, EngineMessage, Limits, Root};
pub use error::{CloseCode, FrameError};
pub use ids::{ConnId, FileId, FileRef, OpId, RequestId, RootKey, SocketId};
pub use io::{FileIdentity, IoCommand, IoEvent, OpenMode, Span};

/// Version of this protocol. `hello` names it; a daemon of another version closes with
/// [`CloseCode::Protocol`].
pub const PROTOCOL_VERSION: u32 = 5;
