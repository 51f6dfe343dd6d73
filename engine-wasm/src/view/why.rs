//! The reason of a failure: the daemon's text, with a kind that pages can translate.

use serde::{Deserialize, Serialize};
use shared_proto::io::{OpError, OpErrorKind};
use thiserror::Error;

/// The reason of a failure, as the daemon or the operating system gives it.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
#[error("{text}")]
pub struct Why {
    /// The kind of failure.
    pub kind: WhyKind,
    /// The English text, which adds what `kind` leaves out.
    pub text: String,
}

impl Why {
    /// The text with a capital letter, to begin a sentence.
    pub(super) fn begun(&self) -> String {
        let mut rest = self.text.chars();
        let first = rest.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
        first + rest.as_str()
    }
}

impl From<&OpError> for Why {
    fn from(error: &OpError) -> Self {
        let kind = match error.kind {
            OpErrorKind::NotFound => WhyKind::NotFound,
            OpErrorKind::Exists => WhyKind::Exists,
            OpErrorKind::Denied => WhyKind::Denied,
            OpErrorKind::Full => WhyKind::Full,
            OpErrorKind::Limit => WhyKind::Limit,
            OpErrorKind::Timeout => WhyKind::Timeout,
            OpErrorKind::Network => WhyKind::Network,
            OpErrorKind::Other => WhyKind::Other,
            OpErrorKind::Changed => WhyKind::Changed,
            OpErrorKind::Busy => WhyKind::Busy,
            OpErrorKind::Absent => WhyKind::Absent,
            OpErrorKind::Name => WhyKind::Name,
        };
        Self { kind, text: error.message.clone() }
    }
}

/// The kinds of failure that the daemon distinguishes ([`OpErrorKind`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum WhyKind {
    /// A file, folder or host does not exist.
    NotFound,
    /// The target exists.
    Exists,
    /// The daemon or the operating system does not allow it.
    Denied,
    /// The disk or the quota is full.
    Full,
    /// A limit of the daemon.
    Limit,
    /// It took too long.
    Timeout,
    /// The network or the remote end failed.
    Network,
    /// Anything else, as the text says.
    Other,
    /// Another file has this path now.
    Changed,
    /// Another process has the file open for writing.
    Busy,
    /// The folder's disk may not be connected.
    Absent,
    /// The file system refuses the name.
    Name,
}
