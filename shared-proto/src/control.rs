//! The control plane: one JSON message per text frame, named by `op`.
//!
//! Fields are camelCase. A message about a request carries its `requestId`. The receiver ignores
//! unknown *fields*, so that a message may grow; an unknown `op` is an error. Offsets are bytes,
//! and `end` is inclusive, as in RFC 9110 §14.1.2. The crate's documentation gives each message's
//! sender, moment and answer, and what happens when it is late or lost.

use serde::{Deserialize, Serialize};

use crate::ids::{FileId, OpId, RequestId, RootKey};
use crate::io::FileStat;
pub use crate::root::Root;

/// A message of the engine to the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum EngineMessage {
    /// Introduces the engine. It has to be the first frame, within 5 s of the upgrade.
    Hello {
        /// [`crate::PROTOCOL_VERSION`] of the engine.
        protocol: u32,
        /// The daemon's session token; see [`crate::token::is_token`].
        token: String,
        /// Name and version of the engine, for logs.
        engine: String,
        /// A random name of this run of the engine, for logs.
        session: String,
    },
    /// Serve a file at `/stream/<fileId>?key=<key>`.
    ///
    /// A second announcement of the same `fileId` replaces the first.
    FileAnnounce {
        /// The file's name in URLs.
        file_id: FileId,
        /// The root of its path.
        root: RootKey,
        /// Path below the root, component by component.
        path: Vec<String>,
        /// Full length, bytes, also while the file is incomplete.
        length: u64,
        /// `Content-Type` of replies.
        content_type: String,
        /// Strong entity tag, without quotes.
        etag: String,
        /// The secret that a URL has to carry. The session token works, too.
        key: String,
    },
    /// Stop serving a file: requests get 404, running bodies are truncated.
    FileForget {
        /// The file.
        file_id: FileId,
    },
    /// Grants the bytes up to `end` inclusive (absent: the whole range), as the first answer.
    RangeAvailable {
        /// The request.
        request_id: RequestId,
        /// Last granted byte.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end: Option<u64>,
    },
    /// The bytes will come later. Restarts the daemon's wait, [`Limits::max_wait_ms`].
    RangeBlock {
        /// The request.
        request_id: RequestId,
        /// Why the bytes are missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<BlockReason>,
        /// When the next bytes are expected, milliseconds from now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        eta_ms: Option<u64>,
    },
    /// Grants the bytes up to `end` inclusive (absent: the whole range).
    ///
    /// Each one can raise the grant; an `end` below the present grant changes nothing.
    RangeReady {
        /// The request.
        request_id: RequestId,
        /// Last granted byte.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        end: Option<u64>,
    },
    /// Takes grants back: these bytes are no longer verified.
    ///
    /// It concerns all requests of the file. The daemon truncates a reply that has read some of the
    /// bytes; other replies go on up to `start`.
    RangeRevoke {
        /// The file.
        file_id: FileId,
        /// First byte.
        start: u64,
        /// Last byte.
        end: u64,
    },
    /// The bytes will not come. Before its headers the reply gets a status, afterwards it is
    /// truncated.
    RangeReject {
        /// The request.
        request_id: RequestId,
        /// HTTP status; absent: 416 if the range lies outside the file, else 503.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// A phrase for a person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// `Retry-After`, seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
    /// A viewer will soon ask for these bytes, which are on disk. The daemon may read ahead.
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
        /// HTTP status; only the first part's counts.
        status: u16,
        /// Response headers, name and value; only the first part's count.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        headers: Vec<(String, String)>,
        /// The body as UTF-8 text, or the next part of it.
        body: String,
        /// Whether more parts follow, as for server-sent events. `range_cancel` tells that the
        /// client left before the last part.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        more: bool,
    },
    /// The answer to `file_resolve`: a file, or the reply to send instead of one.
    FileResolved {
        /// The request.
        request_id: RequestId,
        /// The file; absent: there is no such file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file_id: Option<FileId>,
        /// Without a file: the HTTP status; absent: 404.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// Without a file: the body, JSON.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
    },
    /// Limits the rate of all connections of a group together. Each direction has its own limit.
    RateLimit {
        /// The group; see [`crate::io::IoCommand::TcpGroup`]. 0 is all connections together.
        group: u32,
        /// Bytes per second from the network; absent: no limit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        down_bps: Option<u64>,
        /// Bytes per second to the network; absent: no limit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        up_bps: Option<u64>,
    },
    /// Show an announced file in the system's file manager. → [`crate::io::OpOutput::Unit`]
    ///
    /// If the file does not exist, the nearest existing folder above it is shown. The answer is an
    /// [`crate::IoEvent::Done`].
    FileShow {
        /// For the answer.
        answer: OpId,
        /// The file.
        file_id: FileId,
    },
    /// Make a folder the default root, and remember it. → [`crate::io::OpOutput::Roots`]
    ///
    /// The folder must exist, belong to the user and be writable. The other roots stay. The answer
    /// is an [`crate::IoEvent::Done`].
    RootPrefer {
        /// For the answer.
        answer: OpId,
        /// Absolute path of the folder.
        path: String,
    },
}

/// A message of the daemon to the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum DaemonMessage {
    /// Accepts a `hello`.
    Welcome {
        /// [`crate::PROTOCOL_VERSION`] of the daemon.
        protocol: u32,
        /// Number of this connection, one higher for each engine.
        epoch: u64,
        /// The folders that may be used; the first is the default.
        roots: Vec<Root>,
        /// The limits that the engine has to respect.
        limits: Limits,
    },
    /// The condition of the state store.
    ///
    /// Sent after `welcome` unless all is well, and whenever it changes.
    StateStatus {
        /// Why the store cannot write now, a phrase for a person. Absent if it can write. Meanwhile
        /// the daemon answers each put with an error, keeps the put in memory, and writes it later.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trouble: Option<String>,
        /// Paths of unreadable files that were set aside, in this run or earlier.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        set_aside: Vec<String>,
        /// How often in this run the store started empty after it lost its file. The engine then
        /// puts everything again.
        #[serde(default)]
        begun_anew: u32,
    },
    /// Folders that are set aside: files may lie there, and no new files go there.
    ///
    /// Each overlaps with a folder that a person chose later. Sent after `welcome` if there are
    /// any.
    RootsAside {
        /// The folders.
        roots: Vec<Root>,
    },
    /// Asks whether these bytes may be sent to a viewer.
    RangeRequest {
        /// The name of the request.
        request_id: RequestId,
        /// The file.
        file_id: FileId,
        /// First byte.
        start: u64,
        /// Last byte.
        end: u64,
        /// Whether the viewer wants only what is there now. The engine then grants or rejects at
        /// once, and fetches nothing.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        only_now: bool,
    },
    /// The viewer has received all bytes before `position`. Sent at most every 250 ms or 1 MiB.
    RangeProgress {
        /// The request.
        request_id: RequestId,
        /// Offset in the file of the first byte that the viewer has not received.
        position: u64,
    },
    /// A request has ended: its viewer left, or its reply is complete.
    ///
    /// Also sent for an `http_call` whose client left before its reply was complete.
    RangeCancel {
        /// The request.
        request_id: RequestId,
    },
    /// Another program has changed a file since the engine last learned its state.
    ///
    /// It precedes all later requests for the file.
    FileChanged {
        /// The file.
        file_id: FileId,
        /// The file's state now; absent when the file is gone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stat: Option<FileStat>,
        /// Whether a reply was being sent: a viewer may have received a wrong byte.
        sending: bool,
    },
    /// A call of the HTTP API, which the engine answers.
    HttpCall {
        /// The request.
        request_id: RequestId,
        /// HTTP method, upper case.
        method: String,
        /// Path, still percent-encoded.
        path: String,
        /// Query without its `?`, still percent-encoded; empty when there is none.
        query: String,
        /// The client's `Host`, for absolute URLs in the reply.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        host: String,
        /// The content's `Content-Type`, absent when there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
        /// Length of the content, bytes, at most [`crate::frame::MAX_CONTENT`]. The content follows
        /// in order as [`crate::io::IoEvent::HttpContent`]. Absent: no content.
        #[serde(default, skip_serializing_if = "is_zero")]
        content_length: u64,
    },
    /// Asks which file `/stream/<path>` names.
    FileResolve {
        /// The request.
        request_id: RequestId,
        /// The path after `/stream/`, still percent-encoded.
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
    /// Bytes on disk are being checked.
    Checking,
    /// No connected source has the bytes.
    NoSource,
}

/// What the daemon allows, as `welcome` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Open sockets at once.
    pub max_conns: u32,
    /// Open files at once.
    pub max_files: u32,
    /// Most bytes of I/O frames under way in each direction without new credit.
    pub io_window: u32,
    /// How long the daemon waits for the engine's next message about a request, milliseconds.
    pub max_wait_ms: u64,
}
