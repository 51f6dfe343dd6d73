//! The HTTP API: the meaning of calls and the form of answers.
//!
//! It consists of routes (`route`), errors ([`error`]), JSON forms ([`view`]) and documents. It
//! also owns the state that outlives a call: calls that wait for magnet links ([`adding`]),
//! incomplete calls ([`incoming`]), subscribers of `/events` ([`events`]), the daemon's own pages
//! ([`host`]), and torrents that exist only while they are read ([`temporary`]). It knows neither
//! sockets nor HTTP framing: a call is a [`Call`], an answer a [`Reply`]. [`crate::engine`] carries
//! out the [`Action`]s.

pub(crate) mod adding;
pub(crate) mod error;
pub(crate) mod events;
pub(crate) mod host;
pub(crate) mod incoming;
pub(crate) mod openapi;
pub(crate) mod playlist;
pub(crate) mod resolve;
pub(crate) mod route;
pub(crate) mod temporary;
pub(crate) mod url;
pub(crate) mod view;

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use shared_proto::{DaemonMessage, EngineMessage, RequestId};

pub(crate) use error::{Code, Failure};
pub(crate) use route::{Action, AddOptions, Call, route};

use crate::limits;

/// The settings of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiConfig {
    /// How many times the metadata of a magnet link is requested; at least once.
    pub retries: u32,
    /// Pause between two attempts.
    pub retry_delay: Duration,
    /// Time limit of each attempt.
    pub metadata_timeout: Duration,
    /// How long a temporary torrent without readers is kept. Then it is removed with its data.
    pub cleanup_delay: Duration,
    /// Number of torrents from which the API refuses to add others.
    pub max_torrents: usize,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            retries: 3,
            retry_delay: Duration::from_secs(5),
            metadata_timeout: Duration::from_secs(30),
            cleanup_delay: Duration::from_secs(120),
            max_torrents: limits::TORRENTS,
        }
    }
}

impl ApiConfig {
    /// Returns the total time limit for the metadata of a magnet link.
    pub(crate) fn patience(&self) -> Duration {
        let attempts = self.retries.max(1);
        self.metadata_timeout * attempts + self.retry_delay * (attempts - 1)
    }
}

/// The state that outlives an API call.
#[derive(Debug, Default)]
pub(crate) struct Api {
    /// Calls that wait for the metadata of a magnet link.
    pub(crate) adding: adding::Adding,
    /// Subscribers of `/events`.
    pub(crate) events: events::Followers,
    /// The daemon's own pages.
    pub(crate) pages: host::Pages,
    /// Torrents that exist only while they are read.
    pub(crate) temporary: temporary::Temporary,
    /// Calls whose content has not arrived completely.
    pub(crate) incoming: incoming::Incoming,
    /// Calls that arrived before the engine had read its stored state, with their content.
    pub(crate) early: Vec<(DaemonMessage, Bytes)>,
}

impl Api {
    /// Forgets all calls after the connection to the daemon was lost.
    pub(crate) fn unlink(&mut self) {
        self.adding = adding::Adding::default();
        self.events = events::Followers::default();
        self.pages = host::Pages::default();
        self.incoming = incoming::Incoming::default();
        self.early.clear();
    }
}

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
            return Failure::new(Code::TooLarge, "the response would be too long").reply();
        }
        Self::ok("application/json", body)
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

    fn with_body(self, body: String) -> Self {
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
