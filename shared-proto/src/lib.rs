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
//!   grants stand until the message arrives: it must precede the change that it announces.
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
//! # Sockets
//!
//! The engine sends the commands below at any time after `welcome`, as [`IoCommand`]. [`io`] lists
//! their fields and describes how credit bounds what is under way. A command with an [`OpId`] has
//! exactly one answer, [`IoEvent::Done`]. When the connection is lost, the daemon closes the
//! engine's sockets and files, drops the commands that still run, and answers nothing more.
//!
//! - `TcpConnect`, `UtpConnect`. Sender: engine, to dial a peer. Answer: `TcpConnected` or
//!   `TcpClosed`, within `timeout_ms`. Late or lost: nothing is dialled.
//! - `TcpListen`, `UdpBind`, `UtpListen`. Sender: engine, to be reachable. Answer: `Done`. Late or
//!   lost: peers and datagrams are refused until then.
//! - `TcpRaw`, `TcpFramed`. Sender: engine, when it knows how to read the next bytes. Answer: none;
//!   `TcpData`, `TcpFrame`, `Stored` and `NotStored` follow. Late or lost: the daemon reads nothing
//!   before, so no byte is read in a wrong way.
//! - `TcpCipher`. Sender: engine, when the peers have agreed on keys. Answer: none. Late or lost:
//!   it applies to the bytes that the engine has not received yet, and to later sends.
//! - `TcpGroup`. Sender: engine, when a connection joins a group of rate limits. Answer: none. Late
//!   or lost: only the limit of all connections holds until then.
//! - `TcpSend`, `TcpSendSpan`, `UdpSend`. Sender: engine, to send to a peer. Answer: `Done` for
//!   `TcpSendSpan`, else none. Late or lost: after the end of the connection the bytes are dropped,
//!   and `TcpSendSpan` fails.
//! - `Arm`. Sender: engine, before it asks a peer for a payload. Answer: none; `Stored` or
//!   `NotStored` follows when the payload arrives. Late or lost: a payload that arrives earlier is
//!   dropped with `NotStored`.
//! - `Disarm`. Sender: engine, before it hashes or gives up the spans. Answer: none. Late or lost:
//!   the next payload with the key is written. It must therefore precede the `Digest`.
//! - `TcpClose`, `SocketClose`. Sender: engine, when it is done. Answer: none, and no further event
//!   of the socket. Late or lost: the engine ignores events that were under way.
//! - `PortMap`, `PortUnmap`. Sender: engine, when a port opens, or must be reachable no more.
//!   Answer: `PortMapped` after `PortMap`, at each change; else none. Late or lost: the router
//!   removes the mapping when its lease ends.
//!
//! # Files
//!
//! - `FileOpen`, `FileClose`. Sender: engine, around its use of a file. Answer: `Done` for
//!   `FileOpen`, else none. Late or lost: commands on a file that is not open fail.
//! - `FileRead`, `FileStat`, `Digest`, `RootRoom`. Sender: engine, when it needs to know what is on
//!   disk. Answer: `Done`. Late or lost: nothing changes; the next engine asks again.
//! - `FileWrite`, `FileCopy`, `FileSync`. Sender: engine, to bring bytes to disk. Answer: `Done`.
//!   Late or lost: without an answer the bytes may or may not be on disk, so the next engine hashes
//!   them.
//! - `FileMove`, `FileDelete`. Sender: engine, when a person moves or removes files. Answer:
//!   `Done`. Late or lost: without an answer the file may be in either state, so the next engine
//!   looks.
//!
//! # State and notes
//!
//! - `KvGet`, `KvScan`. Sender: engine, when it starts. Answer: `Done`. Late or lost: the engine
//!   waits with everything that depends on its state.
//! - `KvPut`, `KvDelete`. Sender: engine, when a record changes. Answer: `Done`, when the change is
//!   durable. Late or lost: a change that the daemon has received is written even if the engine has
//!   left; the next engine reads what is stored.
//! - `NotesRead`, `NotePut`. Sender: engine, when it starts, and when a note changes. Answer:
//!   `Done`; `NotesChanged` follows `NotesRead` when others write. Late or lost: of several notes
//!   with one key the newest stays.
//!
//! # Fetches
//!
//! - `HttpGet`, `HttpFetch`, `Resolve`. Sender: engine, to reach a server. Answer: `Done`, at the
//!   latest when the timeout has passed. Late or lost: the content of the spans of an unanswered
//!   `HttpFetch` is undefined.
//! - `Cancel`. Sender: engine, when it no longer needs one of these. Answer: none of its own; the
//!   cancelled command fails. Late or lost: a command that is already done stays done.
//! - `AboutDaemon`. Sender: engine, for a problem report. Answer: `Done`. Late or lost: the report
//!   lacks the daemon's part.
//!
//! # Events
//!
//! The daemon sends these as [`IoEvent`]. Only `TcpAccepted` and `HttpContent` ask for a reaction.
//!
//! - `Credit`. Sender: both ends, when they have processed binary frames. Answer: none. Late or
//!   lost: the other end stops sending when its window is used up.
//! - `Done`. Sender: daemon, once for each command with an [`OpId`], in any order. Answer: none.
//!   Late or lost: the engine waits; a lost connection fails all commands.
//! - `TcpConnected`, `TcpClosed`. Sender: daemon, when a connection opens or ends. Answer: none.
//!   Late or lost: commands for a closed connection are ignored.
//! - `TcpAccepted`. Sender: daemon, when a peer connects. Answer: the engine says how to read, or
//!   closes the connection. Late or lost: the daemon reads nothing from the peer.
//! - `TcpData`, `TcpFrame`, `Stored`, `NotStored`. Sender: daemon, in the order of the stream.
//!   Answer: none. Late or lost: an event of a connection that the engine has closed is ignored.
//! - `UdpReceived`. Sender: daemon, when a datagram arrives. Answer: none. Late or lost: it is
//!   dropped when the engine does not keep up.
//! - `PortMapped`. Sender: daemon, when a mapping changes. Answer: none. Late or lost: the engine
//!   announces its local port meanwhile.
//! - `HttpContent`. Sender: daemon, after `http_call`, until the content is complete. Answer:
//!   `http_reply`, as for the call. Late or lost: the call is not carried out.
//! - `NotesChanged`. Sender: daemon, within seconds after another daemon wrote notes. Answer: none.
//!   Late or lost: the next `NotesRead` returns all notes.
//! - `NetworkChanged`. Sender: daemon, within seconds after the computer woke up or a local address
//!   came or went. Answer: none. Late or lost: peers are found again as their time-outs end.
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
pub const PROTOCOL_VERSION: u32 = 6;
