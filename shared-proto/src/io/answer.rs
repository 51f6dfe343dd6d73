//! The results of commands.

use std::net::SocketAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::basic::FileIdentity;
use crate::root::Root;

/// The result of a command that succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpOutput {
    /// The command is done.
    Unit,
    /// A file is open.
    Opened {
        /// The file's state, after it was created or extended.
        stat: FileStat,
    },
    /// A socket is bound.
    Bound {
        /// The local port.
        port: u16,
    },
    /// What a path leads to; `None` when there is nothing.
    Stat(Option<FileStat>),
    /// The addresses of a host, never empty.
    Addresses(Vec<SocketAddr>),
    /// Bytes of a file.
    Bytes(Bytes),
    /// A digest, or the digests of all leaves in order.
    Digest(Bytes),
    /// A value; `None` when there is none.
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
    /// Space on a disk.
    Room {
        /// Bytes that this user may still write.
        free: u64,
        /// Size of the disk, bytes.
        total: u64,
    },
    /// A description of the daemon.
    About(About),
    /// The folders that may be used now; the first is the default.
    Roots(Vec<Root>),
}

/// The daemon, its system, and its latest log lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Name and version of the program.
    pub program: String,
    /// Operating system and processor.
    pub system: String,
    /// The last lines of the log, the oldest first. They may hold paths and addresses.
    pub log: Vec<String>,
}

/// A file's length, times and identity: they tell whether another program changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileStat {
    /// Length, bytes.
    pub length: u64,
    /// Last change of the content, nanoseconds since 1970.
    pub modified_ns: u64,
    /// Last change of content, name or times, nanoseconds since 1970. No program can set it back.
    /// Zero where the system does not tell it.
    pub changed_ns: u64,
    /// The file's identity; absent where the file system does not tell files apart reliably.
    pub identity: Option<FileIdentity>,
}

/// A short text that all daemons of a user share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// The key.
    pub key: String,
    /// The text.
    pub value: String,
    /// When it was written, milliseconds since 1970.
    pub at_ms: u64,
}

/// Notes, and the files of notes that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    /// The notes, in the order of their keys.
    pub notes: Vec<Note>,
    /// Paths of unreadable files that were set aside, in this run or earlier.
    pub set_aside: Vec<String>,
}

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpError {
    /// The kind of failure.
    pub kind: OpErrorKind,
    /// A phrase for a person, without paths or addresses.
    pub message: String,
}

/// The kinds of failure that an engine can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpErrorKind {
    /// The root, file, folder, open file or span does not exist.
    NotFound,
    /// The target exists.
    Exists,
    /// The daemon's policy or the operating system does not allow it.
    Denied,
    /// The disk or the quota is full.
    Full,
    /// A limit of the daemon is reached.
    Limit,
    /// The timeout passed, or the command was cancelled.
    Timeout,
    /// The network or the remote end failed.
    Network,
    /// Anything else.
    Other,
    /// The path leads to another file than the expected one.
    Changed,
    /// Another process of the user has the file open for writing.
    Busy,
    /// The root's folder held files and is gone: its disk may not be mounted.
    Absent,
    /// The file system does not accept the name. It is too long or holds a forbidden character.
    Name,
}
