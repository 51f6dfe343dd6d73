//! The control plane: JSON messages, one a text frame, named by `op`.
//!
//! Fields are camelCase; what belongs to a request carries its `requestId`. Unknown *fields* are
//! ignored, so that a message may grow; an unknown `op` is an error. Offsets are bytes, `end` is
//! inclusive as in RFC 9110 §14.1.2.

use serde::{Deserialize, Serialize};

use crate::ids::{FileId, OpId, RequestId, RootKey};
use crate::io::FileStat;

/// What the engine says to the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum EngineMessage {
    /// The first frame of every engine, within 5 s of the upgrade.
    Hello {
        /// [`crate::PROTOCOL_VERSION`] of the engine.
        protocol: u32,
        /// The daemon's session token; see [`crate::token::is_token`].
        token: String,
        /// Name and version of the engine, for people to read.
        engine: String,
        /// A random name of this engine's life, for logs.
        session: String,
    },
    /// This file can be asked for at `/stream/<fileId>?key=<key>`. Repeating it replaces it.
    FileAnnounce {
        /// Its name in URLs.
        file_id: FileId,
        /// The folder it lies in.
        root: RootKey,
        /// Its path below the root, component by component.
        path: Vec<String>,
        /// Its full length in bytes, also while it is incomplete.
        length: u64,
        /// `Content-Type` of replies.
        content_type: String,
        /// Strong entity tag, without quotes.
        etag: String,
        /// The capability: without it in the URL (or the session token) the file is not served.
        key: String,
    },
    /// 404 from now on; running bodies are cut.
    FileForget {
        /// The file.
        file_id: FileId,
    },
    /// Granted up to `end` inclusive (absent: the whole range).
    RangeAvailable {
        /// The request.
        request_id: RequestId,
        /// Last granted byte.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end: Option<u64>,
    },
    /// Wait: it will come. Each one renews the daemon's patience.
    RangeBlock {
        /// The request.
        request_id: RequestId,
        /// What it waits for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<BlockReason>,
        /// When the next bytes are expected, milliseconds from now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        eta_ms: Option<u64>,
    },
    /// Granted up to `end` inclusive (absent: the whole range). Repeated, each raises the
    /// watermark; a lower `end` than before changes nothing.
    RangeReady {
        /// The request.
        request_id: RequestId,
        /// Last granted byte.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end: Option<u64>,
    },
    /// These bytes are no longer proven. What was granted of them and not sent yet is no longer
    /// granted, to any request of the file. A reply that has read bytes of them is cut at once; the
    /// others go on up to `start`.
    RangeRevoke {
        /// The file.
        file_id: FileId,
        /// First byte.
        start: u64,
        /// Last byte.
        end: u64,
    },
    /// It will not come. Before the headers a status, after them the body is truncated.
    RangeReject {
        /// The request.
        request_id: RequestId,
        /// HTTP status; absent: 416 if the range lies outside the file, else 503.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// Plain words for a person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// `Retry-After`, seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
    /// These bytes, on disk and granted, will be asked for soon: the daemon may read ahead.
    RangeHint {
        /// The file.
        file_id: FileId,
        /// First byte.
        start: u64,
        /// Last byte.
        end: u64,
    },
    /// The answer to `http_call`, or a part of it.
    HttpReply {
        /// The request.
        request_id: RequestId,
        /// HTTP status; counts in the first part only.
        status: u16,
        /// Response headers, name and value; count in the first part only.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        headers: Vec<(String, String)>,
        /// The body, UTF-8 text, or the next part of it.
        body: String,
        /// Whether further parts follow, as for server-sent events. Until the last one the client
        /// may leave, which is told by `range_cancel`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        more: bool,
    },
    /// The answer to `file_resolve`: a file, or the reply to send instead of one.
    FileResolved {
        /// The request.
        request_id: RequestId,
        /// The file; absent: there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file_id: Option<FileId>,
        /// Without a file: the HTTP status; absent: 404.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// Without a file: the body, JSON.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
    },
    /// At most this many bytes a second through all connections of a group, each direction on its
    /// own.
    RateLimit {
        /// The group of connections; see [`crate::io::IoCommand::TcpGroup`]. 0 is all of them
        /// together.
        group: u32,
        /// Bytes a second from the network; absent: no limit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        down_bps: Option<u64>,
        /// Bytes a second to the network; absent: no limit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        up_bps: Option<u64>,
    },
    /// Show a file in the system's file manager: only a file that was announced; where it is not
    /// there, the nearest folder above it that is. Answered on the I/O plane, with
    /// [`crate::io::OpOutput::Unit`].
    FileShow {
        /// For the answer.
        answer: OpId,
        /// The file.
        file_id: FileId,
    },
    /// Make a folder the default of those that may be used, and keep that; the others stay. It must
    /// exist, belong to the user and be writable. Answered on the I/O plane, with
    /// [`crate::io::OpOutput::Roots`].
    RootPrefer {
        /// For the answer.
        answer: OpId,
        /// Its absolute path.
        path: String,
    },
}

/// What the daemon says to the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum DaemonMessage {
    /// The answer to a `hello` that is accepted.
    Welcome {
        /// [`crate::PROTOCOL_VERSION`] of the daemon.
        protocol: u32,
        /// Number of this engine's term, rising by one with each engine.
        epoch: u64,
        /// The folders that may be used; the first is the default.
        roots: Vec<Root>,
        /// What the engine may ask for.
        limits: Limits,
    },
    /// How the store of the state is. Sent after `welcome` unless all is well, and whenever it
    /// changes.
    StateStatus {
        /// Why nothing can be written now, in plain words; absent when all is well. What is put
        /// meanwhile is answered with an error, kept in memory, and written when that works.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trouble: Option<String>,
        /// Paths of files that could not be read and were set aside, those of earlier runs
        /// included.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        set_aside: Vec<String>,
        /// How often in this run a new store was begun without what the former one held: an engine
        /// that is there then puts everything again.
        #[serde(default)]
        begun_anew: u32,
    },
    /// The folders in which files may lie, but that take no new ones: each shares files with one
    /// that was chosen later. Sent after `welcome` if there are any.
    RootsAside {
        /// The folders.
        roots: Vec<Root>,
    },
    /// May I send these bytes?
    RangeRequest {
        /// Names the request until it ends.
        request_id: RequestId,
        /// The file.
        file_id: FileId,
        /// First byte.
        start: u64,
        /// Last byte.
        end: u64,
        /// Whether only what is there now is wanted: the engine grants it or rejects the request,
        /// at once, and nothing is fetched for it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        only_now: bool,
    },
    /// The viewer has drained everything before `position`; at most every 250 ms or 1 MiB.
    RangeProgress {
        /// The request.
        request_id: RequestId,
        /// Offset in the file of the first byte not yet drained.
        position: u64,
    },
    /// The viewer is gone, or the reply is complete: drop the request's demand now. Also for an
    /// `http_call` whose client left before its reply was complete.
    RangeCancel {
        /// The request.
        request_id: RequestId,
    },
    /// Another program changed this file after the engine was last told what it looks like. Said
    /// before any question about the file that comes later.
    FileChanged {
        /// The file.
        file_id: FileId,
        /// What it looks like now, absent when it is gone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stat: Option<FileStat>,
        /// Whether this was noticed while a reply was being sent: a wrong byte may have left.
        sending: bool,
    },
    /// A call of the HTTP API, for the engine to answer.
    HttpCall {
        /// The request.
        request_id: RequestId,
        /// HTTP method, upper case.
        method: String,
        /// Path, still percent-encoded.
        path: String,
        /// Query without its `?`, still percent-encoded; empty when there is none.
        query: String,
        /// The `Host` that the client named, for replies that hold absolute URLs.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        host: String,
        /// The content's `Content-Type`, absent when there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
        /// Bytes of its content, at most [`crate::frame::MAX_CONTENT`]. They follow in order as
        /// [`crate::io::IoEvent::HttpContent`]; absent: none.
        #[serde(default, skip_serializing_if = "is_zero")]
        content_length: u64,
    },
    /// Which file is `/stream/<path>`?
    FileResolve {
        /// The request.
        request_id: RequestId,
        /// What follows `/stream/`, still percent-encoded.
        path: String,
    },
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Why a viewer waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockReason {
    /// The bytes are being fetched.
    Downloading,
    /// Data that lies on disk is being checked.
    Checking,
    /// Nobody who has the bytes is connected.
    NoSource,
}

/// A folder that the user chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Root {
    /// Its name on the wire.
    pub key: RootKey,
    /// What to call it in front of a person.
    pub label: String,
    /// Its absolute path, for a person; empty when the daemon does not say.
    #[serde(default)]
    pub path: String,
}

/// What the daemon allows, told in `welcome`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Open sockets at once.
    pub max_conns: u32,
    /// Open files at once.
    pub max_files: u32,
    /// Bytes of I/O frames that may be under way, in each direction, before the receiver gives
    /// credit.
    pub io_window: u32,
    /// How long a request is held in silence, milliseconds: a `range_block` renews it.
    pub max_wait_ms: u64,
}
