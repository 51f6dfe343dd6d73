//! The I/O plane: commands and events in batches, one batch a binary frame.
//!
//! Commands take effect in the order in which the engine sends them. The answer to a command is an
//! [`IoEvent::Done`] with the command's [`crate::OpId`]; answers come in any order. What a socket
//! does comes with its [`crate::ConnId`] or [`crate::SocketId`]. When the WebSocket closes, the
//! daemon closes the engine's connections and files, and drops the commands that still run.
//!
//! # Credit
//!
//! Each end may have `io_window` bytes ([`crate::Limits`]) of binary frames under way. The receiver
//! returns credit ([`IoCommand::Credit`], [`IoEvent::Credit`]) when it has processed them. A sender
//! with more than zero bytes of credit may send one frame of any allowed size; a sender without
//! credit waits. A daemon that waits stops reading its sockets. Frames that hold only credit are
//! free.

mod answer;
mod basic;
mod command;
mod event;

pub use answer::{About, FileStat, Note, Notes, OpError, OpErrorKind, OpOutput};
pub use basic::{DivertKey, Family, FileIdentity, MappedBy, Mapping, Span};
pub use command::{DigestKind, IoCommand, OpenMode, Rc4Start};
pub use event::{CloseReason, IoEvent, NotStored};
