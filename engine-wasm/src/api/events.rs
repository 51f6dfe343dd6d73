//! Followers of `/events`: who they are, and when they hear what (server-sent events, HTML Living
//! Standard §9.2).
//!
//! Owns times and the last status told; it makes no status. Invariant: a follower hears at most one
//! status each [`PACE`], and never nothing for longer than [`QUIET`].

use std::collections::BTreeSet;
use std::time::Duration;

use shared_proto::{EngineMessage, RequestId};

use super::Reply;
use super::error::{Code, Failure};
use crate::limits;
use crate::time::Instant;

/// Shortest time between two statuses.
const PACE: Duration = Duration::from_millis(500);
/// Longest silence: proxies and browsers take a connection for dead after a minute or so.
const QUIET: Duration = Duration::from_secs(15);
/// How long a browser waits before it connects again, milliseconds.
const RECONNECT_MS: u32 = 2_000;

/// What is said when there is nothing to say.
pub(crate) const STILL_HERE: &str = ": still here\n\n";

/// All followers.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    ids: BTreeSet<RequestId>,
    last: String,
    next: Instant,
    spoke: Instant,
}

impl Followers {
    /// One more follows; it hears the status at once.
    pub(crate) fn follow(
        &mut self,
        id: RequestId,
        status: String,
        now: Instant,
    ) -> Result<EngineMessage, Failure> {
        if self.ids.len() >= limits::API_FOLLOWERS {
            return Err(Failure::new(Code::Busy, "too many follow the events already"));
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
        Ok(preview().with_body(begin).opens(id))
    }

    /// One is gone.
    pub(crate) fn leave(&mut self, id: RequestId) {
        self.ids.remove(&id);
    }

    /// When to look whether something changed; `None` while nobody follows.
    pub(crate) fn next(&self) -> Option<Instant> {
        (!self.ids.is_empty()).then_some(self.next)
    }

    /// It was looked: this is the status. What followers are told.
    pub(crate) fn tell(&mut self, status: String, now: Instant) -> Vec<EngineMessage> {
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

/// The head of the stream, without a body.
pub(crate) fn preview() -> Reply {
    Reply::ok("text/event-stream", String::new())
}

/// How a stream begins; an empty line, or an event, has to follow.
pub(crate) fn beginning() -> String {
    format!("retry: {RECONNECT_MS}\n")
}

/// JSON has no line breaks of its own.
pub(crate) fn event(status: &str) -> String {
    format!("data: {status}\n\n")
}
