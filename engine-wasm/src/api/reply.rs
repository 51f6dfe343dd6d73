//! The answer to an API call: status, headers and body, and the messages that carry it.

use serde::Serialize;
use shared_proto::{EngineMessage, RequestId};

use super::error::{Code, Failure};
use crate::limits;

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    /// Returns a response with status 200 that caches must not store.
    pub(crate) fn ok(content_type: &str, body: String) -> Self {
        Self::new(200, content_type, body)
    }

    /// Returns a response with status 200 and JSON.
    pub(crate) fn json(value: &impl Serialize) -> Self {
        let body = serde_json::to_string(value).expect("the API's types always serialize to JSON");
        if body.len() > limits::API_REPLY {
            let failure = Failure::new(Code::TooLarge, "the response would be too long");
            return Self::failure(&failure);
        }
        Self::ok("application/json", body)
    }

    /// Returns the response to a call that failed.
    pub(crate) fn failure(failure: &Failure) -> Self {
        let mut reply = Self::new(failure.code.status(), "application/json", failure.body());
        if let Some(allow) = &failure.allow {
            reply = reply.with("allow", allow);
        }
        if let Some(seconds) = failure.code.retry_after() {
            reply = reply.with("retry-after", seconds.to_string());
        }
        reply
    }

    /// Returns a response with status 204.
    pub(crate) fn no_content() -> Self {
        Self {
            status: 204,
            headers: vec![header("cache-control", "no-store")],
            body: String::new(),
        }
    }

    fn new(status: u16, content_type: &str, body: String) -> Self {
        let headers =
            vec![header("content-type", content_type), header("cache-control", "no-store")];
        Self { status, headers, body }
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Returns the same response with another body.
    pub(super) fn with_body(self, body: String) -> Self {
        Self { body, ..self }
    }

    /// Returns the message with the whole response to a call.
    pub(crate) fn to(self, request_id: RequestId) -> EngineMessage {
        let Self { status, headers, body } = self;
        EngineMessage::HttpReply { request_id, status, headers, body, more: false }
    }

    /// Returns the message with the start of a streamed response.
    pub(crate) fn into_stream(self, request_id: RequestId) -> EngineMessage {
        let Self { status, headers, body } = self;
        EngineMessage::HttpReply { request_id, status, headers, body, more: true }
    }
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
