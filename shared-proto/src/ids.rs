//! Identifiers in messages, each of its own type so that they never mix.

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
    /// A file that HTTP clients can ask for: the `<fileId>` of `/stream/<fileId>`.
    ///
    /// The engine chooses it and keeps it across restarts: 1 to 128 characters of `[A-Za-z0-9._-]`,
    /// not only dots.
    FileId
}

impl FileId {
    /// Longest accepted identifier, in bytes.
    const MAX_LEN: usize = 128;

    /// Whether the text is a well-formed identifier.
    pub fn is_valid(&self) -> bool {
        !self.0.is_empty()
            && self.0.len() <= Self::MAX_LEN
            && self.0.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
            && self.0.bytes().any(|b| b != b'.')
    }
}

text_id! {
    /// A download folder. The key does not reveal its path.
    RootKey
}

/// A request of the daemon: a `range_request`, `http_call` or `file_resolve`, until it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub uuid::Uuid);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

number_id! {
    /// A connection. A number is never used twice in one epoch.
    ConnId(u64)
}

impl ConnId {
    /// The first number of incoming connections, which the daemon chooses.
    ///
    /// The engine chooses numbers below it for the connections that it opens.
    pub const ACCEPTED: Self = Self(1 << 63);
}

number_id! {
    /// A listening or UDP socket. The engine never uses a number twice in one epoch.
    SocketId(u32)
}
number_id! {
    /// An I/O command with an answer, [`crate::io::IoEvent::Done`]. The engine chooses the number.
    OpId(u64)
}
number_id! {
    /// An open file. The engine chooses the number.
    FileRef(u32)
}

impl FileRef {
    /// An endless source of zeros instead of a file. The daemon drops what is written to it. It is
    /// never opened.
    pub const ZEROS: Self = Self(u32::MAX);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_id_is_one_plain_name() {
        let longest = "x".repeat(128);
        for good in ["a", "0", "2f5a5ccb.0", "A-z_0.9", "..a", "-", "_", longest.as_str()] {
            assert!(FileId::from(good).is_valid(), "{good}");
        }
        let too_long = "x".repeat(129);
        let bad =
            ["", ".", "..", "...", "a/b", "../a", "a b", "a%2f", "ä", "a\0", "a\n", &too_long];
        for bad in bad {
            assert!(!FileId::from(bad).is_valid(), "{bad:?}");
        }
    }

    #[test]
    fn half_of_all_connection_numbers_are_the_daemons() {
        assert_eq!(ConnId::ACCEPTED, ConnId(u64::MAX / 2 + 1));
    }
}
