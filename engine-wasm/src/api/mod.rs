//! The HTTP API: the meaning of calls and the form of answers.
//!
//! It consists of routes (`route`), errors ([`error`]), JSON forms ([`view`]) and documents. The
//! module also owns the state that outlives a call. This is the state of calls that wait for magnet
//! links ([`adding`]), incomplete calls ([`incoming`]) and subscribers of `/events` ([`events`]).
//! The daemon's own pages ([`host`]) and the torrents that exist only while they are read
//! ([`temporary`]) have such a state, too. The module knows neither sockets nor HTTP framing: a
//! call is a [`Call`], an answer a [`Reply`]. The engine carries out the [`Action`]s, and the
//! module does not know the engine.

pub(crate) mod adding;
mod config;
pub(crate) mod error;
pub(crate) mod events;
pub(crate) mod host;
pub(crate) mod incoming;
pub(crate) mod openapi;
pub(crate) mod playlist;
mod reply;
pub(crate) mod resolve;
pub(crate) mod route;
pub(crate) mod temporary;
pub(crate) mod url;
pub(crate) mod view;

use bytes::Bytes;
use shared_proto::DaemonMessage;

pub use config::ApiConfig;
pub(crate) use error::{Code, Failure};
pub(crate) use reply::Reply;
pub(crate) use route::{Action, AddOptions, Call, Target, route};

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
