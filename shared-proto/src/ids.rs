//! The identifiers that cross the wire, each a type of its own so that they never mix.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($int:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $int);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

text_id! {
    /// A file that can be asked for over HTTP: the `<fileId>` of `/stream/<fileId>`. Chosen by the
    /// engine, stable across its restarts, at most 128 characters of `[A-Za-z0-9._-]`.
    FileId
}

impl FileId {
    /// Longest accepted identifier, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Whether the text is a well-formed identifier.
    pub fn is_valid(&self) -> bool {
        !self.0.is_empty()
            && self.0.len() <= Self::MAX_LEN
            && self.0.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
            && self.0.bytes().any(|b| b != b'.')
    }
}

text_id! {
    /// An opaque key for a folder that the user chose; the daemon alone knows its path.
    RootKey
}

/// One question of the daemon, from `range_request` (or `http_call`, `file_resolve`) to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub uuid::Uuid);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

number_id! {
    /// A connection, numbered by whoever opened it, never reused within one epoch.
    ConnId(u64)
}

impl ConnId {
    /// The first number for connections that others opened: below it the engine numbers, from it on
    /// the daemon.
    pub const ACCEPTED: Self = Self(1 << 63);
}

number_id! {
    /// A listening or UDP socket, numbered by the engine, never reused within one epoch.
    SocketId(u32)
}
number_id! {
    /// An I/O command that has an answer ([`crate::io::IoEvent::Done`]), numbered by the engine.
    OpId(u64)
}
number_id! {
    /// An open file, numbered by the engine; spans name files by it.
    FileRef(u32)
}

impl FileRef {
    /// No file but zeros without end: a span of it reads as zeros, and what is written there is
    /// thrown away. It is never opened.
    pub const ZEROS: Self = Self(u32::MAX);
}
