//! What the server's own page says and hears: the same intents and topics as the extension's pages,
//! over HTTP.
//!
//! Its forms are those of [`crate::view`], and change with them: other programs have the documented
//! paths. Owns who follows which topics, and which call waits for which intent. Invariant: a
//! follower hears of each topic first the whole, then every change, at most once each [`PACE`], and
//! never nothing for longer than [`QUIET`].

use std::collections::BTreeMap;
use std::time::Duration;

use shared_proto::{EngineMessage, RequestId};

use super::error::{Code, Failure};
use super::events;
use crate::engine::Engine;
use crate::limits;
use crate::time::Instant;
use crate::view::topics::Topics;

/// Shortest time between two tellings.
const PACE: Duration = Duration::from_millis(500);
/// Longest silence of a stream, and longest time in which a call that waits is not renewed.
const QUIET: Duration = Duration::from_secs(10);
/// Intents of pages that are asked over HTTP have numbers from here on: those of a host of its own
/// count from 0.
const FIRST_INTENT: u64 = 1 << 52;

/// One stream of news.
#[derive(Debug)]
struct Follower {
    names: Vec<String>,
    topics: Topics,
}

/// Pages that are served over HTTP.
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
    /// One more follows these topics; what they are is told at the next turn, which is now.
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
        Ok(events::preview().with_body(format!("{}\n", events::beginning())).opens(id))
    }

    /// A call waits for what comes of an intent; the intent's number.
    pub(crate) fn expect(&mut self, id: RequestId, now: Instant) -> u64 {
        if self.intents.is_empty() {
            self.renew = now + QUIET;
        }
        let number = FIRST_INTENT + self.last_intent;
        self.last_intent += 1;
        self.intents.insert(number, id);
        number
    }

    /// The call that waits for this intent, if one does.
    pub(crate) fn settle(&mut self, intent: u64) -> Option<RequestId> {
        self.intents.remove(&intent)
    }

    /// One is gone.
    pub(crate) fn leave(&mut self, id: RequestId) {
        self.followers.remove(&id);
        self.intents.retain(|_, waiting| *waiting != id);
    }

    /// When there is something to say; `None` while nobody listens.
    pub(crate) fn next(&self) -> Option<Instant> {
        let news = (!self.followers.is_empty()).then_some(self.next);
        news.into_iter().chain((!self.intents.is_empty()).then_some(self.renew)).min()
    }

    /// What is to be said now.
    pub(crate) fn tell(&mut self, engine: &Engine, now: Instant) -> Vec<EngineMessage> {
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
            let updates = topics.poll(engine, names, now);
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
                let json = serde_json::to_string(&update).expect("views are plain JSON");
                if json.len() <= limits::API_REPLY {
                    said.push(part(events::event(&json)));
                } else {
                    // It would be longer than an answer may be: the page shows the rest, and hears
                    // no more of this.
                    names.retain(|name| *name != update.topic);
                }
            }
        }
        said
    }
}
