//! What goes wrong in a call, as status, code and plain words.
//!
//! Owns the table of codes: programs read the code, people the words. It never knows why something
//! failed beyond what it is told.

use serde::Serialize;
use shared_proto::{EngineMessage, RequestId};

use super::Reply;

/// A kind of failure, one word for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Code {
    /// The call makes no sense.
    Malformed,
    /// What was sent is no torrent or magnet link that can be used.
    Unusable,
    /// Nothing is there.
    NotFound,
    /// Another method is wanted.
    MethodNotAllowed,
    /// A name fits several files.
    Ambiguous,
    /// The torrent's description is not there yet.
    NotReady,
    /// What is there is in the way.
    Conflict,
    /// The torrent was removed while the call waited.
    Removed,
    /// The body, or the answer, is too long.
    TooLarge,
    /// The path or the query is too long.
    UriTooLong,
    /// The body is of a type that is not taken.
    UnsupportedMediaType,
    /// There are as many torrents as there may be.
    Full,
    /// Too many calls wait already.
    Busy,
    /// Nobody described the magnet link in time.
    MetadataTimeout,
}

impl Code {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 14] = [
        Self::Malformed,
        Self::Unusable,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Ambiguous,
        Self::NotReady,
        Self::Conflict,
        Self::Removed,
        Self::TooLarge,
        Self::UriTooLong,
        Self::UnsupportedMediaType,
        Self::Full,
        Self::Busy,
        Self::MetadataTimeout,
    ];

    /// HTTP status (RFC 9110 §15, RFC 6585 §4).
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::Unusable => 400,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Ambiguous | Self::NotReady | Self::Conflict => 409,
            Self::Removed => 410,
            Self::TooLarge => 413,
            Self::UriTooLong => 414,
            Self::UnsupportedMediaType => 415,
            Self::Full => 429,
            Self::Busy => 503,
            Self::MetadataTimeout => 504,
        }
    }

    /// When to try again, seconds, where that may help.
    fn retry_after(self) -> Option<u32> {
        match self {
            Self::NotReady => Some(1),
            Self::Busy => Some(5),
            Self::Full => Some(60),
            _ => None,
        }
    }
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    message: String,
    allow: Option<String>,
    files: Vec<Choice>,
}

/// One of the files that a name fits. Without its URL: whoever asked has shown no key yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Choice {
    pub(crate) index: u32,
    pub(crate) path: String,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    code: Code,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    files: &'a [Choice],
}

impl Failure {
    /// A failure in plain words.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), allow: None, files: Vec::new() }
    }

    /// Another method is wanted: one of these.
    pub(crate) fn method(allow: String) -> Self {
        let message = format!("this path takes {allow}");
        Self { allow: Some(allow), ..Self::new(Code::MethodNotAllowed, message) }
    }

    /// A name fits all of these files.
    pub(crate) fn ambiguous(name: &str, files: Vec<Choice>) -> Self {
        let message =
            format!("“{name}” is the name of {} files: say which by its path", files.len());
        Self { files, ..Self::new(Code::Ambiguous, message) }
    }

    fn body(&self) -> String {
        let body = Body { error: &self.message, code: self.code, files: &self.files };
        serde_json::to_string(&body).expect("a failure is plain JSON")
    }

    /// As an answer.
    pub(crate) fn reply(&self) -> Reply {
        let mut reply = Reply::new(self.code.status(), "application/json", self.body());
        if let Some(allow) = &self.allow {
            reply = reply.with("allow", allow);
        }
        if let Some(seconds) = self.code.retry_after() {
            reply = reply.with("retry-after", seconds.to_string());
        }
        reply
    }

    /// As the answer to a `file_resolve`.
    pub(crate) fn unresolved(&self, request_id: RequestId) -> EngineMessage {
        let (status, body) = (Some(self.code.status()), Some(self.body()));
        EngineMessage::FileResolved { request_id, file_id: None, status, body }
    }
}
