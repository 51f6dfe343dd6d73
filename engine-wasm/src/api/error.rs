//! API errors: status, code and message.
//!
//! This module owns the table of codes. Programs read the code, people the message.

use serde::Serialize;
use shared_proto::{EngineMessage, RequestId};

/// The kind of an error, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Code {
    /// The call is malformed.
    Malformed,
    /// The content is not a usable torrent or magnet link.
    Unusable,
    /// The torrent, file or path does not exist.
    NotFound,
    /// The path does not support the method.
    MethodNotAllowed,
    /// A name matches several files.
    Ambiguous,
    /// The torrent's metadata has not arrived yet.
    NotReady,
    /// The call conflicts with the current state.
    Conflict,
    /// The torrent was removed while the call waited.
    Removed,
    /// The body or the response is too long.
    TooLarge,
    /// The path or the query is too long.
    UriTooLong,
    /// The body's content type is not supported.
    UnsupportedMediaType,
    /// The limit on the number of torrents is reached.
    Full,
    /// Too many calls are waiting.
    Busy,
    /// No peer sent the magnet link's metadata in time.
    MetadataTimeout,
}

impl Code {
    /// All codes.
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

    /// Returns the HTTP status (RFC 9110 §15, RFC 6585 §4).
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

    /// Returns after how many seconds a retry may succeed, if at all.
    pub(super) fn retry_after(self) -> Option<u32> {
        match self {
            Self::NotReady => Some(1),
            Self::Busy => Some(5),
            Self::Full => Some(60),
            _ => None,
        }
    }
}

/// An API call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    message: String,
    /// The methods that the path supports. `None` if the path supports the call's method.
    pub(super) allow: Option<String>,
    files: Vec<Choice>,
}

/// One of several files that match a name.
///
/// It has no URL, because the caller has not proved access to the file.
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
    /// Creates an error with a message for people.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), allow: None, files: Vec::new() }
    }

    /// Creates an error for an unsupported method; `allow` lists the supported ones.
    pub(crate) fn method(allow: String) -> Self {
        let message = format!("this path allows {allow}");
        Self { allow: Some(allow), ..Self::new(Code::MethodNotAllowed, message) }
    }

    /// Creates an error for a name that matches several files.
    pub(crate) fn ambiguous(name: &str, files: Vec<Choice>) -> Self {
        let message =
            format!("“{name}” is the name of {} files: say which by its path", files.len());
        Self { files, ..Self::new(Code::Ambiguous, message) }
    }

    /// Returns the body of the response, JSON.
    pub(super) fn body(&self) -> String {
        let body = Body { error: &self.message, code: self.code, files: &self.files };
        serde_json::to_string(&body).expect("errors always serialize to JSON")
    }

    /// Returns the response to a `file_resolve` message.
    pub(crate) fn unresolved(&self, request_id: RequestId) -> EngineMessage {
        let (status, body) = (Some(self.code.status()), Some(self.body()));
        EngineMessage::FileResolved { request_id, file_id: None, status, body }
    }
}
