//! The API of the daemon's own pages: intents and topics over HTTP.
//!
//! Its JSON is that of [`crate::view`] and changes with it; other programs use the documented
//! paths. This module owns which page follows which topics, and which call waits for which intent.
//! Invariant: a subscriber first receives each topic as a whole, then every change, at most once
//! per [`PACE`], and something at least every [`QUIET`].

use std::collections::BTreeMap;
use std::time::Duration;

use shared_proto::{EngineMessage, RequestId};

use super::error::{Code, Failure};
use super::events;
use crate::limits;
use crate::time::Instant;
use crate::view::topics::{State, Topic, Topics};

/// Shortest time between two updates.
const PACE: Duration = Duration::from_millis(500);
/// Longest time without data on a stream. A waiting call is kept alive as often.
const QUIET: Duration = Duration::from_secs(10);
/// First intent id for calls over HTTP. The ids of a host's own intents count from 0.
const FIRST_INTENT: u64 = 1 << 52;

/// A page that follows topics.
#[derive(Debug)]
struct Follower {
    names: Vec<String>,
    topics: Topics,
}

/// The pages that are served over HTTP.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    followers: BTreeMap<RequestId, Follower>,
    next: Instant,
    spoke: Instant,
    intents: BTreeMap<u64, RequestId>,
    last_intent: u64,
    renew: Instant,
}

impl Pages {
    /// Adds a subscriber of these topics. They are sent at the next update, which is due now.
    pub(crate) fn follow(
        &mut self,
        id: RequestId,
        names: Vec<String>,
        now: Instant,
    ) -> Result<EngineMessage, Failure> {
        if self.followers.len() >= limits::API_FOLLOWERS {
            return Err(Failure::new(Code::Busy, "too many pages are open already"));
        }
        self.followers.insert(id, Follower { names, topics: Topics::default() });
        (self.next, self.spoke) = (now, now);
        Ok(events::preview().with_body(format!("{}\n", events::beginning())).into_stream(id))
    }

    /// Adds a call that waits for an intent; returns the intent's id.
    pub(crate) fn expect(&mut self, id: RequestId, now: Instant) -> u64 {
        if self.intents.is_empty() {
            self.renew = now + QUIET;
        }
        let number = FIRST_INTENT + self.last_intent;
        self.last_intent += 1;
        self.intents.insert(number, id);
        number
    }

    /// Removes and returns the call that waits for this intent, if there is one.
    pub(crate) fn take_call(&mut self, intent: u64) -> Option<RequestId> {
        self.intents.remove(&intent)
    }

    /// Removes a page or call that disconnected.
    pub(crate) fn leave(&mut self, id: RequestId) {
        self.followers.remove(&id);
        self.intents.retain(|_, waiting| *waiting != id);
    }

    /// Returns when the next update is due; `None` without subscribers and waiting calls.
    pub(crate) fn next(&self) -> Option<Instant> {
        let news = (!self.followers.is_empty()).then_some(self.next);
        news.into_iter().chain((!self.intents.is_empty()).then_some(self.renew)).min()
    }

    /// Returns the messages that are due; `state` says how a topic is now.
    pub(crate) fn updates(
        &mut self,
        state: impl Fn(Topic<'_>) -> State,
        now: Instant,
    ) -> Vec<EngineMessage> {
        let mut said = Vec::new();
        if !self.intents.is_empty() && self.renew <= now {
            self.renew = now + QUIET;
            let renewed = self.intents.values();
            said.extend(renewed.map(|&request_id| EngineMessage::RangeBlock {
                request_id,
                reason: None,
                eta_ms: None,
            }));
        }
        if self.followers.is_empty() || self.next > now {
            return said;
        }
        self.next = now + PACE;
        let is_quiet = now.saturating_since(self.spoke) >= QUIET;
        if is_quiet {
            self.spoke = now;
        }
        for (&request_id, Follower { names, topics }) in &mut self.followers {
            let updates = topics.poll(names, &state);
            let part = |body| EngineMessage::HttpReply {
                request_id,
                status: 200,
                headers: Vec::new(),
                body,
                more: true,
            };
            if updates.is_empty() && is_quiet {
                said.push(part(events::STILL_HERE.to_owned()));
            }
            for update in updates {
                let json = serde_json::to_string(&update).expect("views always serialize to JSON");
                if json.len() <= limits::API_REPLY {
                    said.push(part(events::event(&json)));
                } else {
                    // The topic exceeds the longest response. The page shows its other topics and
                    // receives no more updates of this one.
                    names.retain(|name| *name != update.topic);
                }
            }
        }
        said
    }
}
