//! The plain HTTP API: what a call means, and what an answer looks like.
//!
//! Owns routes ([`route`]), errors ([`error`]), JSON forms ([`view`]), documents, and what outlives
//! a call: replies that wait for a magnet link ([`adding`]), calls whose content is still coming
//! ([`incoming`]), followers of `/events` ([`events`]), the server's own page ([`host`]), and
//! torrents that are here only while somebody reads them ([`temporary`]). It never knows sockets or
//! HTTP's framing: a call is one [`Call`], an answer one [`Reply`]. [`crate::engine`] carries the
//! [`Action`]s out.

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
pub(crate) use route::{Action, Call, Stay, route};

use crate::limits;

/// How the API behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiConfig {
    /// How often a magnet link is tried, at least once.
    pub retries: u32,
    /// Rest between two of these.
    pub retry_delay: Duration,
    /// How long each may take.
    pub metadata_timeout: Duration,
    /// A temporary torrent that nobody reads for so long is removed with its data.
    pub cleanup_delay: Duration,
    /// With so many torrents the API takes no further one.
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
    /// How long a magnet link may take in all.
    pub(crate) fn patience(&self) -> Duration {
        let attempts = self.retries.max(1);
        self.metadata_timeout * attempts + self.retry_delay * (attempts - 1)
    }
}

/// What outlives a call.
#[derive(Debug, Default)]
pub(crate) struct Api {
    /// Calls that wait for a magnet link's description.
    pub(crate) adding: adding::Adding,
    /// Followers of `/events`.
    pub(crate) events: events::Followers,
    /// The server's own page, wherever it is open.
    pub(crate) pages: host::Pages,
    /// Torrents that stay only while they are read.
    pub(crate) temporary: temporary::Temporary,
    /// Calls whose content is still coming.
    pub(crate) incoming: incoming::Incoming,
    /// Questions that came before the engine knew what is there, with their content.
    pub(crate) early: Vec<(DaemonMessage, Bytes)>,
}

impl Api {
    /// The daemon is gone, and with it everybody who asked.
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
    /// 200 with a body of this type, never kept by a cache.
    pub(crate) fn ok(content_type: &str, body: String) -> Self {
        Self::new(200, content_type, body)
    }

    /// 200 with JSON.
    pub(crate) fn json(value: &impl Serialize) -> Self {
        let body = serde_json::to_string(value).expect("the API's forms are plain JSON");
        if body.len() > limits::API_REPLY {
            return Failure::new(Code::TooLarge, "this answer would be too long").reply();
        }
        Self::ok("application/json", body)
    }

    /// 204.
    pub(crate) fn nothing() -> Self {
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

    /// The whole answer to a call.
    pub(crate) fn to(self, request_id: RequestId) -> EngineMessage {
        let Self { status, headers, body } = self;
        EngineMessage::HttpReply { request_id, status, headers, body, more: false }
    }

    /// The beginning of an answer that goes on.
    pub(crate) fn opens(self, request_id: RequestId) -> EngineMessage {
        let Self { status, headers, body } = self;
        EngineMessage::HttpReply { request_id, status, headers, body, more: true }
    }
}

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
