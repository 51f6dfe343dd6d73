//! The I/O plane: generic primitives, batched in binary frames.
//!
//! Commands take effect in the order in which they are sent. An answer comes as [`IoEvent::Done`]
//! with the command's [`OpId`]; what a socket does comes by its [`ConnId`]. When the engine's
//! socket goes, all its connections are closed, its open files too, and commands that still run are
//! forgotten.
//!
//! **Credit.** Each end may have `io_window` bytes ([`crate::Limits`]) of binary frames under way.
//! The receiver returns credit ([`IoCommand::Credit`], [`IoEvent::Credit`]) as it works them off; a
//! sender without credit waits: the daemon then stops reading sockets. A frame may be sent whenever
//! the credit left is above zero. Frames that hold nothing but credit cost none.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::control::Root;
use crate::ids::{ConnId, FileRef, OpId, RequestId, RootKey, SocketId};

/// Bytes of one open file, or of [`FileRef::ZEROS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The file.
    pub file: FileRef,
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub length: u32,
}

impl Span {
    /// Offset of the byte after the last, `None` if it is beyond `u64`.
    pub fn end(&self) -> Option<u64> {
        self.offset.checked_add(u64::from(self.length))
    }
}

/// A family of internet addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6, and nothing but.
    V6,
}

/// Where one direction of an RC4 transform begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rc4Start {
    /// The key, 1 to 256 bytes.
    pub key: Bytes,
    /// Bytes of the key stream that are used up already, those that a protocol discards included;
    /// at most [`crate::frame::MAX_RC4_SKIP`].
    pub skip: u32,
}

/// What a router lets in for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// The port there.
    pub port: u16,
    /// Our address there, if the router says.
    pub address: Option<IpAddr>,
    /// How it was asked.
    pub by: MappedBy,
}

/// How a router was asked to let a port in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MappedBy {
    /// Port Control Protocol (RFC 6887).
    Pcp,
    /// NAT Port Mapping Protocol (RFC 6886).
    NatPmp,
    /// UPnP's Internet Gateway Device.
    Upnp,
}

/// Which file a path leads to, whatever the file is called: the same for the same file only, also
/// after the disk was unplugged and plugged in again. Made of the file system's own identity, the
/// file's number in it and the time when the file was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileIdentity(pub [u8; 16]);

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpenMode {
    /// Reading a file that is there.
    Read,
    /// Making the file and its folders. Anything that has its name already is
    /// [`OpErrorKind::Exists`], and is left alone.
    Create,
    /// Writing to a file that is there; none is [`OpErrorKind::NotFound`].
    Write {
        /// Which file; another one is [`OpErrorKind::Changed`], and is left alone. Absent: whatever
        /// file has this path.
        identity: Option<FileIdentity>,
    },
}

/// Names a diverted frame: the eight bytes after its first.
pub type DivertKey = [u8; 8];

/// What the engine orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IoCommand {
    /// This many more bytes of event frames may come.
    Credit {
        /// Bytes worked off.
        bytes: u32,
    },
    /// Open a TCP connection. [`IoEvent::TcpConnected`] or [`IoEvent::TcpClosed`] follows. Nothing
    /// is read before a [`IoCommand::TcpRaw`] or [`IoCommand::TcpFramed`] says how.
    TcpConnect {
        /// The engine's number for it.
        conn: ConnId,
        /// Whom to dial; the daemon's policy may refuse.
        addr: SocketAddr,
        /// When to give up, milliseconds.
        timeout_ms: u32,
    },
    /// Listen for TCP connections at the addresses that the user allows; an IPv6 socket takes IPv6
    /// only. → [`OpOutput::Bound`], then [`IoEvent::TcpAccepted`] for each connection.
    TcpListen {
        /// For the answer.
        op: OpId,
        /// The engine's number for it.
        socket: SocketId,
        /// Which addresses.
        family: Family,
        /// Port; 0 for any.
        port: u16,
    },
    /// Bind a UDP socket at the addresses that the user allows. → [`OpOutput::Bound`], then
    /// [`IoEvent::UdpReceived`] for each datagram.
    UdpBind {
        /// For the answer.
        op: OpId,
        /// The engine's number for it.
        socket: SocketId,
        /// Which addresses.
        family: Family,
        /// Port; 0 for any.
        port: u16,
        /// A multicast group to join, on every interface that the user allows. The port is then
        /// shared with others who did.
        group: Option<IpAddr>,
    },
    /// Send a datagram; the daemon's policy may refuse the address. No answer: it may be lost like
    /// any other.
    UdpSend {
        /// The socket.
        socket: SocketId,
        /// To whom.
        to: SocketAddr,
        /// The datagram.
        data: Bytes,
    },
    /// From here on the datagrams of a UDP socket that are uTP's (BEP 29: version 1, a known type)
    /// are connections and no longer handed up. Others' connections come as
    /// [`IoEvent::TcpAccepted`]. → [`OpOutput::Unit`]
    UtpListen {
        /// For the answer.
        op: OpId,
        /// The socket.
        socket: SocketId,
    },
    /// Open a uTP connection over such a socket. What follows is as with [`IoCommand::TcpConnect`],
    /// and the connection takes the same commands.
    UtpConnect {
        /// The engine's number for it.
        conn: ConnId,
        /// The socket.
        socket: SocketId,
        /// Whom to dial; the daemon's policy may refuse.
        addr: SocketAddr,
        /// When to give up, milliseconds.
        timeout_ms: u32,
    },
    /// Close a listening or UDP socket; uTP connections over it close, too. No event follows. Its
    /// number may not be used again.
    SocketClose {
        /// The socket.
        socket: SocketId,
    },
    /// Transform what is read or sent from here on with RC4. Reading: bytes that the engine has not
    /// been handed yet. Once for each direction; `None` leaves a direction as it is.
    TcpCipher {
        /// The connection.
        conn: ConnId,
        /// What is read.
        read: Option<Rc4Start>,
        /// What is sent.
        write: Option<Rc4Start>,
    },
    /// Send bytes and then bytes of a file, in order, after what was sent before. →
    /// [`OpOutput::Unit`] when the last of them is handed to the operating system. If the file
    /// can't be read, nothing of it is sent and the connection closes.
    TcpSendSpan {
        /// For the answer.
        op: OpId,
        /// The connection.
        conn: ConnId,
        /// The bytes before.
        head: Bytes,
        /// The bytes of files, one span after the other; together at most
        /// [`crate::frame::MAX_READ`].
        spans: Vec<Span>,
    },
    /// Count a connection to a group of the rate limits ([`crate::EngineMessage::RateLimit`]); 0,
    /// the beginning, is none.
    TcpGroup {
        /// The connection.
        conn: ConnId,
        /// The group.
        group: u32,
    },
    /// Send bytes, in order, after what was sent before.
    TcpSend {
        /// The connection.
        conn: ConnId,
        /// The bytes.
        data: Bytes,
    },
    /// Hand up at most this many further bytes as they come ([`IoEvent::TcpData`]), then stop
    /// reading: a handshake can be read to its last byte and not one further.
    TcpRaw {
        /// The connection.
        conn: ConnId,
        /// Bytes to read, added to what is left of earlier ones.
        bytes: u32,
    },
    /// From here on the stream is frames: a big-endian `u32` length, then that many bytes. Frames
    /// of length zero are swallowed; one longer than `max_frame` closes the connection.
    TcpFramed {
        /// The connection.
        conn: ConnId,
        /// Longest frame, bytes, without its length field.
        max_frame: u32,
        /// First byte of the frames whose payload goes to spans: `first byte, key (8), payload`. A
        /// frame with this first byte that is too short for a key is handed up like any other.
        divert: Option<u8>,
    },
    /// When the diverted frame of this key comes, its payload goes to these spans, in order; then
    /// the key is forgotten. The payload must be as long as the spans together. Arming a key again
    /// replaces its spans.
    Arm {
        /// The connection.
        conn: ConnId,
        /// The key.
        key: DivertKey,
        /// Where the payload goes.
        spans: Vec<Span>,
    },
    /// Forget a key. A later [`IoCommand::Digest`] or read of its spans sees no write of this key
    /// after it began.
    Disarm {
        /// The connection.
        conn: ConnId,
        /// The key.
        key: DivertKey,
    },
    /// Close at once. No event follows, whatever was under way.
    TcpClose {
        /// The connection.
        conn: ConnId,
    },
    /// Open a file beneath a root. A file that is opened for writing is locked against every other
    /// process of the user until it is closed ([`OpErrorKind::Busy`] when another process holds
    /// it). → [`OpOutput::Opened`]
    FileOpen {
        /// For the answer.
        op: OpId,
        /// The engine's number for it from now on.
        file: FileRef,
        /// The folder.
        root: RootKey,
        /// Path below it, component by component.
        path: Vec<String>,
        /// Full length, bytes. A file that is opened for writing and is shorter is extended,
        /// sparse; a longer one is left as it is.
        length: u64,
        /// What for.
        mode: OpenMode,
    },
    /// Close an open file. Its number may be used again afterwards. No answer.
    FileClose {
        /// The file.
        file: FileRef,
    },
    /// Write bytes. → [`OpOutput::Unit`]
    FileWrite {
        /// For the answer.
        op: OpId,
        /// The file.
        file: FileRef,
        /// First byte.
        offset: u64,
        /// The bytes.
        data: Bytes,
    },
    /// Read bytes, at most [`crate::frame::MAX_READ`]. → [`OpOutput::Bytes`], shorter at the end of
    /// the file.
    FileRead {
        /// For the answer.
        op: OpId,
        /// What.
        span: Span,
    },
    /// Make a file's bytes durable. → [`OpOutput::Unit`]
    FileSync {
        /// For the answer.
        op: OpId,
        /// The file.
        file: FileRef,
    },
    /// Rename, also into another root, by copying where that is another disk; an existing target is
    /// an error, and then nothing has changed. Open handles go on with the same bytes. Folders that
    /// this leaves empty are deleted. Another file than the named one stays where it is:
    /// [`OpErrorKind::Changed`]. → [`OpOutput::Unit`]
    FileMove {
        /// For the answer.
        op: OpId,
        /// Which file; absent: whatever file has this path.
        identity: Option<FileIdentity>,
        /// The folder.
        root: RootKey,
        /// Path now.
        from: Vec<String>,
        /// The folder then.
        to_root: RootKey,
        /// Path then.
        to: Vec<String>,
    },
    /// What a path holds. → [`OpOutput::Stat`]
    FileStat {
        /// For the answer.
        op: OpId,
        /// The folder.
        root: RootKey,
        /// Path below it.
        path: Vec<String>,
    },
    /// Delete a file, and the folders above it that this leaves empty, the root excepted. Another
    /// file than the named one stays: [`OpErrorKind::Changed`]. → [`OpOutput::Unit`]
    FileDelete {
        /// For the answer.
        op: OpId,
        /// The folder.
        root: RootKey,
        /// Path below it.
        path: Vec<String>,
        /// Which file; absent: whatever file has this path.
        identity: Option<FileIdentity>,
    },
    /// Copy a span from one open file to the same place in another, sharing the blocks where the
    /// file system can. An end of file inside the span is [`OpErrorKind::NotFound`]. →
    /// [`OpOutput::Unit`]
    FileCopy {
        /// For the answer.
        op: OpId,
        /// The file to read.
        from: FileRef,
        /// The file to write, open for writing.
        to: FileRef,
        /// First byte, in both.
        offset: u64,
        /// Number of bytes.
        length: u64,
    },
    /// Hash the bytes of the spans, one after the other. → [`OpOutput::Digest`]; an end of file
    /// inside a span is [`OpErrorKind::NotFound`].
    Digest {
        /// For the answer.
        op: OpId,
        /// Which hash.
        kind: DigestKind,
        /// What.
        spans: Vec<Span>,
    },
    /// Store a value in the daemon's state. → [`OpOutput::Unit`] when it is durable.
    KvPut {
        /// For the answer.
        op: OpId,
        /// Key, at most [`crate::frame::MAX_KEY`] bytes.
        key: String,
        /// Value.
        value: Bytes,
    },
    /// Look a value up. → [`OpOutput::Value`]
    KvGet {
        /// For the answer.
        op: OpId,
        /// Key.
        key: String,
    },
    /// Forget a value; none is fine. → [`OpOutput::Unit`]
    KvDelete {
        /// For the answer.
        op: OpId,
        /// Key.
        key: String,
    },
    /// All keys with a prefix, in order, without their values. → [`OpOutput::Keys`]
    KvScan {
        /// For the answer.
        op: OpId,
        /// Prefix; empty for all.
        prefix: String,
    },
    /// Fetch an `http:` or `https:` URL, following a few redirects. → [`OpOutput::Http`]; a body
    /// over `max_bytes` is [`OpErrorKind::Limit`].
    HttpGet {
        /// For the answer.
        op: OpId,
        /// The URL.
        url: String,
        /// Longest body taken, bytes.
        max_bytes: u32,
        /// When to give up, milliseconds.
        timeout_ms: u32,
    },
    /// Fetch a range of an `http:` or `https:` URL, as long as the spans together, and write it to
    /// them as it comes. → [`OpOutput::Http`] with an empty body: 206, or 200 from a server that
    /// knows no ranges for a file that is just this range, and all of it is written; any other
    /// status, and nothing is. A body of another length is [`OpErrorKind::Network`]; the spans may
    /// then hold anything.
    HttpFetch {
        /// For the answer.
        op: OpId,
        /// The URL.
        url: String,
        /// First byte.
        offset: u64,
        /// Where it goes.
        spans: Vec<Span>,
        /// Group of the rate limits that it counts to; 0 for none.
        group: u32,
        /// For how long the server may let us wait in all, milliseconds. What limits and the disk
        /// take does not count.
        timeout_ms: u32,
    },
    /// Forget a command that is under way: an [`IoCommand::HttpGet`], [`IoCommand::HttpFetch`] or
    /// [`IoCommand::Resolve`]. It ends with [`OpErrorKind::Timeout`] unless it is done already;
    /// nothing is written afterwards.
    Cancel {
        /// The command.
        op: OpId,
    },
    /// The addresses of a host, those that the policy refuses left out. → [`OpOutput::Addresses`]
    Resolve {
        /// For the answer.
        op: OpId,
        /// A name, or an address as text.
        host: String,
        /// Port.
        port: u16,
    },
    /// Ask the router to let in what comes for an IPv4 socket of the engine's, by whichever of PCP,
    /// NAT-PMP and UPnP it knows, and go on asking until the socket closes. Port and protocol are
    /// the socket's. → [`IoEvent::PortMapped`], whenever something else is true than before
    PortMap {
        /// A listening socket, or a UDP socket.
        socket: SocketId,
    },
    /// Ask the router to let nothing in any more. No answer: the router may be gone, and forgets by
    /// itself.
    PortUnmap {
        /// The socket.
        socket: SocketId,
    },
    /// Keep a note for all programs of this user, whichever state folder they use. Of several notes
    /// with one key the newest is kept. → [`OpOutput::Notes`] with the one note that is kept, when
    /// it is durable
    NotePut {
        /// For the answer.
        op: OpId,
        /// Key, at most [`crate::frame::MAX_NOTE_KEY`] bytes.
        key: String,
        /// Value, at most [`crate::frame::MAX_NOTE`] bytes.
        value: String,
        /// How long ago the engine learned this, milliseconds.
        age_ms: u64,
    },
    /// All notes of this user. → [`OpOutput::Notes`]. From then on the notes that other programs
    /// write come as [`IoEvent::NotesChanged`].
    NotesRead {
        /// For the answer.
        op: OpId,
    },
    /// How much room there is where a root lies. → [`OpOutput::Room`]; [`OpErrorKind::Other`] where
    /// the system does not say
    RootRoom {
        /// For the answer.
        op: OpId,
        /// The folder.
        root: RootKey,
    },
    /// What a person who looks for a fault has to know of the daemon. → [`OpOutput::About`]
    AboutDaemon {
        /// For the answer.
        op: OpId,
    },
}

/// What the daemon reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IoEvent {
    /// This many more bytes of command frames may come.
    Credit {
        /// Bytes worked off.
        bytes: u32,
    },
    /// A connection is open.
    TcpConnected {
        /// The connection.
        conn: ConnId,
    },
    /// Somebody connected. It is open; nothing is read before the engine says how.
    TcpAccepted {
        /// The listening socket, or the UDP socket of a uTP connection.
        socket: SocketId,
        /// The connection: a number of the daemon's, from [`ConnId::ACCEPTED`] on.
        conn: ConnId,
        /// Who.
        addr: SocketAddr,
    },
    /// A datagram came.
    UdpReceived {
        /// The socket.
        socket: SocketId,
        /// From whom.
        from: SocketAddr,
        /// The datagram, at most [`crate::frame::MAX_DATAGRAM`] bytes.
        data: Bytes,
    },
    /// A connection is closed, or was never open. Nothing further comes from it.
    TcpClosed {
        /// The connection.
        conn: ConnId,
        /// Why.
        reason: CloseReason,
    },
    /// Raw bytes, in order.
    TcpData {
        /// The connection.
        conn: ConnId,
        /// The bytes.
        data: Bytes,
    },
    /// A frame that was not diverted, without its length field, never empty.
    TcpFrame {
        /// The connection.
        conn: ConnId,
        /// The frame.
        data: Bytes,
    },
    /// A diverted payload is in its spans: readers and digests from now on see it.
    Stored {
        /// The connection.
        conn: ConnId,
        /// Its key.
        key: DivertKey,
    },
    /// A diverted payload was thrown away.
    NotStored {
        /// The connection.
        conn: ConnId,
        /// Its key.
        key: DivertKey,
        /// Length of the payload, bytes.
        length: u32,
        /// Why.
        reason: NotStored,
    },
    /// The answer to a command.
    Done {
        /// The command.
        op: OpId,
        /// What came of it.
        result: Result<OpOutput, OpError>,
    },
    /// What the router lets in for a socket, when it is something else than before. An error of the
    /// kind [`OpErrorKind::Denied`] or [`OpErrorKind::Limit`] is the last word; after any other one
    /// the router is asked again.
    PortMapped {
        /// The socket.
        socket: SocketId,
        /// What now.
        result: Result<Mapping, OpError>,
    },
    /// The next bytes of the content of a call ([`crate::DaemonMessage::HttpCall`]), which was told
    /// before. They cost credit like everything here, so that a long content holds nothing else up.
    HttpContent {
        /// The call.
        request_id: RequestId,
        /// At most [`crate::frame::BATCH_TARGET`] bytes.
        data: Bytes,
    },
    /// Other programs of this user wrote notes, or the file of the notes was set aside.
    NotesChanged {
        /// The notes that are new or newer than the engine was told.
        notes: Notes,
    },
}

/// A small text that all programs of a user share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// What it is about.
    pub key: String,
    /// What it says.
    pub value: String,
    /// When it was written, milliseconds since 1970.
    pub at_ms: u64,
}

/// Notes, and what became of files of notes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    /// The notes, in the order of their keys.
    pub notes: Vec<Note>,
    /// Paths of files of notes that could not be read and were set aside, those of earlier runs
    /// included.
    pub set_aside: Vec<String>,
}

/// Which hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DigestKind {
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-256 of each 16 KiB of the spans taken together (the last may be shorter), 32 bytes each.
    Sha256Leaves,
}

/// What a command that succeeded gives back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpOutput {
    /// Nothing but that it is done.
    Unit,
    /// A file is open.
    Opened {
        /// What it looks like, after it was made or extended.
        stat: FileStat,
    },
    /// A socket is bound.
    Bound {
        /// Its port.
        port: u16,
    },
    /// What a path holds; `None` for nothing.
    Stat(Option<FileStat>),
    /// The addresses of a host, never empty.
    Addresses(Vec<SocketAddr>),
    /// Bytes of a file.
    Bytes(Bytes),
    /// A digest, or the leaves' digests one after the other.
    Digest(Bytes),
    /// A value, `None` when there is none.
    Value(Option<Bytes>),
    /// Keys, in order.
    Keys(Vec<String>),
    /// An HTTP reply.
    Http {
        /// Status.
        status: u16,
        /// Body.
        body: Bytes,
    },
    /// Notes.
    Notes(Notes),
    /// Room on a disk.
    Room {
        /// Bytes that this user may still write.
        free: u64,
        /// Bytes in all.
        total: u64,
    },
    /// The daemon.
    About(About),
    /// The folders that may be used now; the first is the default.
    Roots(Vec<Root>),
}

/// A daemon, its system, and what it logged last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Name and version of the program.
    pub program: String,
    /// Operating system and processor.
    pub system: String,
    /// The last lines of its log, the oldest first. They may hold paths and addresses.
    pub log: Vec<String>,
}

/// A file on disk, as far as it tells whether somebody changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileStat {
    /// Length, bytes.
    pub length: u64,
    /// Last change of its content, nanoseconds since 1970.
    pub modified_ns: u64,
    /// Last change of anything about it, names and times included, nanoseconds since 1970: nobody
    /// can set this one back. Zero where the system does not say.
    pub changed_ns: u64,
    /// Which file it is; absent where the file system does not tell files apart reliably.
    pub identity: Option<FileIdentity>,
}

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpError {
    /// What kind.
    pub kind: OpErrorKind,
    /// Plain words, without paths or addresses.
    pub message: String,
}

/// The kinds of failure that an engine can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpErrorKind {
    /// No such root, file, folder, open file, or bytes.
    NotFound,
    /// The target exists.
    Exists,
    /// The path, address or URL is not allowed, or the operating system denies it.
    Denied,
    /// The disk or the quota is full.
    Full,
    /// A limit of the daemon.
    Limit,
    /// It took too long.
    Timeout,
    /// The other end or the way to it.
    Network,
    /// Anything else.
    Other,
    /// Another file has this path than the one that was named.
    Changed,
    /// Another process of the user has the file open for writing.
    Busy,
    /// The root's folder is not there, though it held files before: its disk may not be mounted.
    Absent,
    /// The file system takes no such name: too long for it, or with characters that it does not
    /// allow.
    Name,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CloseReason {
    /// The other end closed it.
    Remote,
    /// Nobody listens there.
    Refused,
    /// It took too long.
    Timeout,
    /// The daemon's policy does not allow the address.
    Denied,
    /// A frame over its maximum.
    Oversized,
    /// The daemon has too many, or this one had too much unsent.
    Limit,
    /// Any other failure of the network.
    Network,
}

/// Why a diverted payload was thrown away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotStored {
    /// Its key was not armed.
    Unarmed,
    /// It was not as long as its spans; the key stays armed.
    Length,
    /// The file could not be written; the key is forgotten.
    Failed(OpError),
}
