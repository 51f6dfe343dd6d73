//! Subscribers of `/events` (server-sent events, HTML Living Standard §9.2).
//!
//! This module owns the subscribers, the time of their next event, and the last status sent; it
//! does not compute the status. Invariant: a subscriber receives at most one status per [`PACE`],
//! and something at least every [`QUIET`].

use std::collections::BTreeSet;
use std::time::Duration;

use shared_proto::{EngineMessage, RequestId};

use super::error::{Code, Failure};
use super::reply::Reply;
use crate::limits;
use crate::time::Instant;

/// Shortest time between two events.
const PACE: Duration = Duration::from_millis(500);
/// Longest time without data; proxies and browsers close silent connections after about a minute.
const QUIET: Duration = Duration::from_secs(15);
/// How long a browser waits before it reconnects, milliseconds.
const RECONNECT_MS: u32 = 2_000;

/// A comment that keeps the connection alive.
pub(crate) const STILL_HERE: &str = ": still here\n\n";

/// The subscribers of `/events`.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    ids: BTreeSet<RequestId>,
    last: String,
    next: Instant,
    spoke: Instant,
}

impl Followers {
    /// Adds a subscriber; it receives the status at once.
    pub(crate) fn follow(
        &mut self,
        id: RequestId,
        status: String,
        now: Instant,
    ) -> Result<EngineMessage, Failure> {
        if self.ids.len() >= limits::API_FOLLOWERS {
            return Err(Failure::new(Code::Busy, "there are too many subscribers already"));
        }
        if self.ids.is_empty() {
            self.next = now + PACE;
            self.spoke = now;
        }
        let begin = format!("{}{}", beginning(), event(&status));
        if self.ids.is_empty() {
            self.last = status;
        }
        self.ids.insert(id);
        Ok(preview().with_body(begin).into_stream(id))
    }

    /// Removes a subscriber that disconnected.
    pub(crate) fn leave(&mut self, id: RequestId) {
        self.ids.remove(&id);
    }

    /// Returns when to compute the status again; `None` without subscribers.
    pub(crate) fn next(&self) -> Option<Instant> {
        (!self.ids.is_empty()).then_some(self.next)
    }

    /// Returns the messages for all subscribers, given the current status.
    pub(crate) fn updates(&mut self, status: String, now: Instant) -> Vec<EngineMessage> {
        self.next = now + PACE;
        let part = if status != self.last {
            self.last = status;
            event(&self.last)
        } else if now.saturating_since(self.spoke) >= QUIET {
            STILL_HERE.to_owned()
        } else {
            return Vec::new();
        };
        self.spoke = now;
        let tell = |&request_id| EngineMessage::HttpReply {
            request_id,
            status: 200,
            headers: Vec::new(),
            body: part.clone(),
            more: true,
        };
        self.ids.iter().map(tell).collect()
    }
}

/// Returns the head of the stream, without a body.
pub(crate) fn preview() -> Reply {
    Reply::ok("text/event-stream", String::new())
}

/// Returns the start of the stream; an empty line or an event must follow.
pub(crate) fn beginning() -> String {
    format!("retry: {RECONNECT_MS}\n")
}

/// Returns an event with the status; JSON contains no line breaks.
pub(crate) fn event(status: &str) -> String {
    format!("data: {status}\n\n")
}
