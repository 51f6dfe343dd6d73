//! What the engine orders: sockets, files, digests, state, notes and fetches.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::basic::{DivertKey, Family, FileIdentity, Span};
use crate::ids::{ConnId, FileRef, OpId, RootKey, SocketId};

/// Where one direction of an RC4 cipher starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rc4Start {
    /// The key, 1 to 256 bytes.
    pub key: Bytes,
    /// Bytes of the key stream to skip, at most [`crate::frame::MAX_RC4_SKIP`].
    pub skip: u32,
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpenMode {
    /// Read an existing file.
    Read,
    /// Create the file and its folders.
    ///
    /// If the path already exists, the command fails with [`super::OpErrorKind::Exists`] and
    /// changes nothing.
    Create,
    /// Write to an existing file. Without one, the command fails with
    /// [`super::OpErrorKind::NotFound`].
    Write {
        /// The expected file. If the path leads to another file, the command fails with
        /// [`super::OpErrorKind::Changed`] and changes nothing. Absent: any file.
        identity: Option<FileIdentity>,
    },
}

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DigestKind {
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-256 of each 16 KiB of all spans together, 32 bytes each. The last block may be shorter.
    Sha256Leaves,
}

/// A command of the engine.
///
/// The arrow names the [`super::OpOutput`] of the answer. A command that fails is answered with a
/// [`super::OpError`]. Commands for a connection or socket that is already closed are ignored,
/// because the event about its end may still be under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IoCommand {
    /// Allow more bytes of event frames. No answer.
    Credit {
        /// Bytes that the engine has processed.
        bytes: u32,
    },
    /// Open a TCP connection.
    ///
    /// [`super::IoEvent::TcpConnected`] or [`super::IoEvent::TcpClosed`] follows. The daemon reads
    /// nothing before [`IoCommand::TcpRaw`] or [`IoCommand::TcpFramed`].
    TcpConnect {
        /// The engine's number for the connection.
        conn: ConnId,
        /// The remote address; the daemon's policy may refuse it.
        addr: SocketAddr,
        /// Timeout, milliseconds.
        timeout_ms: u32,
    },
    /// Listen for TCP connections. → [`super::OpOutput::Bound`]
    ///
    /// The daemon binds the local addresses that the user allows. [`super::IoEvent::TcpAccepted`]
    /// follows for each connection.
    TcpListen {
        /// For the answer.
        op: OpId,
        /// The engine's number for the socket.
        socket: SocketId,
        /// The family of the local addresses.
        family: Family,
        /// Port; 0 for any.
        port: u16,
    },
    /// Bind a UDP socket. → [`super::OpOutput::Bound`]
    ///
    /// The daemon binds the local addresses that the user allows. [`super::IoEvent::UdpReceived`]
    /// follows for each datagram.
    UdpBind {
        /// For the answer.
        op: OpId,
        /// The engine's number for the socket.
        socket: SocketId,
        /// The family of the local addresses.
        family: Family,
        /// Port; 0 for any.
        port: u16,
        /// A multicast group to join on every interface that the user allows. The port is then
        /// shared with other programs in the group.
        group: Option<IpAddr>,
    },
    /// Send a datagram. No answer: datagrams can get lost.
    UdpSend {
        /// The socket.
        socket: SocketId,
        /// The remote address; the daemon's policy may refuse it.
        to: SocketAddr,
        /// The datagram.
        data: Bytes,
    },
    /// Accept uTP (BEP 29) on a UDP socket. → [`super::OpOutput::Unit`]
    ///
    /// Datagrams of uTP version 1 with a known type no longer reach the engine.
    /// [`super::IoEvent::TcpAccepted`] reports incoming connections.
    UtpListen {
        /// For the answer.
        op: OpId,
        /// The socket.
        socket: SocketId,
    },
    /// Open a uTP connection over a socket with [`IoCommand::UtpListen`].
    ///
    /// Events and further commands are those of a TCP connection.
    UtpConnect {
        /// The engine's number for the connection.
        conn: ConnId,
        /// The socket.
        socket: SocketId,
        /// The remote address; the daemon's policy may refuse it.
        addr: SocketAddr,
        /// Timeout, milliseconds.
        timeout_ms: u32,
    },
    /// Close a listening or UDP socket, and the uTP connections over it. No answer.
    ///
    /// The engine must not use the socket's number again.
    SocketClose {
        /// The socket.
        socket: SocketId,
    },
    /// Encrypt and decrypt the rest of a stream with RC4. No answer.
    ///
    /// Decryption starts with the first byte that the engine has not received yet. A direction can
    /// be set once; `None` leaves it as it is.
    TcpCipher {
        /// The connection.
        conn: ConnId,
        /// The incoming direction.
        read: Option<Rc4Start>,
        /// The outgoing direction.
        write: Option<Rc4Start>,
    },
    /// Send bytes, then bytes of files. → [`super::OpOutput::Unit`]
    ///
    /// The answer comes when the operating system has taken the last byte. If a file cannot be
    /// read, the daemon sends nothing of this command and closes the connection.
    TcpSendSpan {
        /// For the answer.
        op: OpId,
        /// The connection.
        conn: ConnId,
        /// The bytes to send first.
        head: Bytes,
        /// The spans to send next, at most [`crate::frame::MAX_READ`] bytes in total.
        spans: Vec<Span>,
    },
    /// Move a connection to a group of the rate limits. No answer.
    ///
    /// See [`crate::EngineMessage::RateLimit`].
    TcpGroup {
        /// The connection.
        conn: ConnId,
        /// The group; 0, the default, is none.
        group: u32,
    },
    /// Send bytes after those of earlier commands. No answer.
    TcpSend {
        /// The connection.
        conn: ConnId,
        /// The bytes.
        data: Bytes,
    },
    /// Read a number of raw bytes, then stop. No answer.
    ///
    /// [`super::IoEvent::TcpData`] delivers the bytes as they arrive. A handshake can be read to
    /// its last byte and not beyond.
    TcpRaw {
        /// The connection.
        conn: ConnId,
        /// Bytes to read, in addition to those still outstanding.
        bytes: u32,
    },
    /// Read the rest of the stream as frames. No answer.
    ///
    /// A frame is a big-endian `u32` length and that many bytes. The daemon drops frames of length
    /// zero, and closes the connection when a frame is longer than `max_frame`.
    TcpFramed {
        /// The connection.
        conn: ConnId,
        /// Longest frame, bytes, without its length field.
        max_frame: u32,
        /// First byte of the frames to divert: `first byte, key (8 bytes), payload`. A frame with
        /// this first byte that is too short for a key reaches the engine like any other.
        divert: Option<u8>,
    },
    /// Store the payload of the next diverted frame with this key. No answer.
    ///
    /// The daemon writes the payload to the spans, in order, and forgets the key;
    /// [`super::IoEvent::Stored`] or [`super::IoEvent::NotStored`] follows. The payload must be as
    /// long as all spans together. To arm a key again replaces its spans.
    Arm {
        /// The connection.
        conn: ConnId,
        /// The key.
        key: DivertKey,
        /// Where the payload goes.
        spans: Vec<Span>,
    },
    /// Forget an armed key. No answer.
    ///
    /// A write for this key that has begun ends before a later [`IoCommand::Digest`] or read of its
    /// spans begins; no other write for it follows.
    Disarm {
        /// The connection.
        conn: ConnId,
        /// The key.
        key: DivertKey,
    },
    /// Close a connection at once. No event follows, not even for what was under way.
    TcpClose {
        /// The connection.
        conn: ConnId,
    },
    /// Open a file below a root. → [`super::OpOutput::Opened`]
    ///
    /// The daemon locks a file that it opens for writing against all other processes of the user,
    /// until the file is closed. [`super::OpErrorKind::Busy`] reports that another process holds
    /// the lock.
    FileOpen {
        /// For the answer.
        op: OpId,
        /// The engine's number for the file.
        file: FileRef,
        /// The root.
        root: RootKey,
        /// Path below the root, component by component.
        path: Vec<String>,
        /// Full length, bytes. A shorter file that is opened for writing is extended, sparse; a
        /// longer file stays as it is.
        length: u64,
        /// What for.
        mode: OpenMode,
    },
    /// Close an open file. No answer. The engine may use its number again.
    FileClose {
        /// The file.
        file: FileRef,
    },
    /// Write bytes. → [`super::OpOutput::Unit`]
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
    /// Read at most [`crate::frame::MAX_READ`] bytes. → [`super::OpOutput::Bytes`]
    ///
    /// The answer is shorter when the file ends inside the span.
    FileRead {
        /// For the answer.
        op: OpId,
        /// The bytes to read.
        span: Span,
    },
    /// Make a file's bytes durable. → [`super::OpOutput::Unit`]
    FileSync {
        /// For the answer.
        op: OpId,
        /// The file.
        file: FileRef,
    },
    /// Move a file to another path or root. → [`super::OpOutput::Unit`]
    ///
    /// Between disks the daemon copies the file. Open handles go on with the same bytes. Folders
    /// that become empty are deleted. The command changes nothing when the target exists
    /// ([`super::OpErrorKind::Exists`]) or the path leads to another file
    /// ([`super::OpErrorKind::Changed`]).
    FileMove {
        /// For the answer.
        op: OpId,
        /// The expected file; absent: any file.
        identity: Option<FileIdentity>,
        /// The root now.
        root: RootKey,
        /// The path now.
        from: Vec<String>,
        /// The root afterwards.
        to_root: RootKey,
        /// The path afterwards.
        to: Vec<String>,
    },
    /// Look at a path. → [`super::OpOutput::Stat`]
    FileStat {
        /// For the answer.
        op: OpId,
        /// The root.
        root: RootKey,
        /// Path below the root.
        path: Vec<String>,
    },
    /// Delete a file, and the folders below the root that become empty. → [`super::OpOutput::Unit`]
    ///
    /// The command changes nothing when the path leads to another file
    /// ([`super::OpErrorKind::Changed`]).
    FileDelete {
        /// For the answer.
        op: OpId,
        /// The root.
        root: RootKey,
        /// Path below the root.
        path: Vec<String>,
        /// The expected file; absent: any file.
        identity: Option<FileIdentity>,
    },
    /// Copy bytes to the same offset of another open file. → [`super::OpOutput::Unit`]
    ///
    /// The files share the blocks where the file system supports it. The command fails with
    /// [`super::OpErrorKind::NotFound`] when the source ends inside the span.
    FileCopy {
        /// For the answer.
        op: OpId,
        /// The source.
        from: FileRef,
        /// The target, open for writing.
        to: FileRef,
        /// First byte, in both files.
        offset: u64,
        /// Number of bytes.
        length: u64,
    },
    /// Hash the bytes of all spans, in order. → [`super::OpOutput::Digest`]
    ///
    /// The command fails with [`super::OpErrorKind::NotFound`] when a file ends inside a span.
    Digest {
        /// For the answer.
        op: OpId,
        /// The hash function.
        kind: DigestKind,
        /// The bytes to hash.
        spans: Vec<Span>,
    },
    /// Store a value in the daemon's state. → [`super::OpOutput::Unit`], when it is durable
    KvPut {
        /// For the answer.
        op: OpId,
        /// Key, at most [`crate::frame::MAX_KEY`] bytes.
        key: String,
        /// Value, at most [`crate::frame::MAX_VALUE`] bytes.
        value: Bytes,
    },
    /// Read a value. → [`super::OpOutput::Value`]
    KvGet {
        /// For the answer.
        op: OpId,
        /// Key.
        key: String,
    },
    /// Delete a value. A missing value is no error. → [`super::OpOutput::Unit`]
    KvDelete {
        /// For the answer.
        op: OpId,
        /// Key.
        key: String,
    },
    /// List the keys with a prefix, in order. → [`super::OpOutput::Keys`]
    KvScan {
        /// For the answer.
        op: OpId,
        /// Prefix; empty for all keys.
        prefix: String,
    },
    /// Fetch an `http:` or `https:` URL, following a few redirects. → [`super::OpOutput::Http`]
    ///
    /// The body is decoded if the server encoded it with gzip or deflate. The command fails with
    /// [`super::OpErrorKind::Limit`] when the body, encoded or decoded, is longer than
    /// `max_bytes`.
    HttpGet {
        /// For the answer.
        op: OpId,
        /// The URL.
        url: String,
        /// Longest body, bytes.
        max_bytes: u32,
        /// Timeout, milliseconds.
        timeout_ms: u32,
    },
    /// Fetch a range of an `http:` or `https:` URL into files. → [`super::OpOutput::Http`]
    ///
    /// The range is as long as all spans together. The answer's body is empty. With status 206 the
    /// daemon has written all of the range. The same holds for 200, when the server knows no ranges
    /// and the whole file is this range. With any other status the daemon has written nothing. The
    /// command fails with [`super::OpErrorKind::Network`] when the body has another length; the
    /// content of the spans is then undefined.
    HttpFetch {
        /// For the answer.
        op: OpId,
        /// The URL.
        url: String,
        /// First byte.
        offset: u64,
        /// Where the bytes go.
        spans: Vec<Span>,
        /// The group of the rate limits; 0 for none.
        group: u32,
        /// How long the server may take in total, milliseconds. Waiting for rate limits and for the
        /// disk does not count.
        timeout_ms: u32,
    },
    /// Cancel an [`IoCommand::HttpGet`], [`IoCommand::HttpFetch`] or [`IoCommand::Resolve`].
    ///
    /// The cancelled command fails with [`super::OpErrorKind::Timeout`] unless it is already done.
    /// The daemon writes nothing for it afterwards. No other answer.
    Cancel {
        /// The command.
        op: OpId,
    },
    /// Look up the addresses of a host that the policy allows. → [`super::OpOutput::Addresses`]
    Resolve {
        /// For the answer.
        op: OpId,
        /// A name, or an address as text.
        host: String,
        /// Port.
        port: u16,
    },
    /// Ask the router to forward a port to an IPv4 socket.
    ///
    /// The daemon tries PCP, NAT-PMP and UPnP, and renews the mapping until the socket closes. The
    /// external port and the protocol are those of the socket where possible.
    /// [`super::IoEvent::PortMapped`] reports each change.
    PortMap {
        /// A listening socket, or a UDP socket.
        socket: SocketId,
    },
    /// Ask the router to remove the mapping of a socket. No answer.
    ///
    /// A router that cannot be reached removes the mapping when its lease ends.
    PortUnmap {
        /// The socket.
        socket: SocketId,
    },
    /// Keep a note that all daemons of this user share. → [`super::OpOutput::Notes`]
    ///
    /// Of several notes with one key the newest stays. The answer holds that note, when it is
    /// durable.
    NotePut {
        /// For the answer.
        op: OpId,
        /// Key, at most [`crate::frame::MAX_NOTE_KEY`] bytes.
        key: String,
        /// Value, at most [`crate::frame::MAX_NOTE`] bytes.
        value: String,
        /// The note's age, milliseconds.
        age_ms: u64,
    },
    /// Read all notes of this user. → [`super::OpOutput::Notes`]
    ///
    /// From then on [`super::IoEvent::NotesChanged`] reports what other daemons write.
    NotesRead {
        /// For the answer.
        op: OpId,
    },
    /// Ask for the free space of a root's disk. → [`super::OpOutput::Room`]
    ///
    /// The command fails with [`super::OpErrorKind::Other`] where the system does not tell it.
    RootRoom {
        /// For the answer.
        op: OpId,
        /// The root.
        root: RootKey,
    },
    /// Describe the daemon for a problem report. → [`super::OpOutput::About`]
    AboutDaemon {
        /// For the answer.
        op: OpId,
    },
}
