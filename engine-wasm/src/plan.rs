//! The stored form of what the user decided about a torrent or magnet link, beside its own record.
//!
//! One JSON value for each torrent about which anything was decided or learned. A plan outlives
//! the step from a magnet link to its torrent, and belongs to neither. Invariant: an empty plan is
//! not written down.

use serde::{Deserialize, Serialize};

use crate::metainfo::InfoHash;
use crate::metainfo::torrent::MAX_URLS;

/// Where plans lie in the daemon's state.
pub(crate) const PREFIX: &str = "plan/";
/// The form of a plan; another one is not read.
const VERSION: u64 = 1;

/// What was decided about one torrent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Plan {
    /// Whether the torrent still waits for the user's decision.
    pub(crate) undecided: bool,
    /// Trackers that the user added, or that the torrent named when it was added again.
    pub(crate) added: Vec<String>,
    /// Trackers that the user removed.
    pub(crate) removed: Vec<String>,
    /// Web seeds that the torrent named when it was added again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) web_seeds: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    version: u64,
    #[serde(flatten)]
    plan: Plan,
}

/// The key of a torrent's plan.
pub(crate) fn key(info_hash: InfoHash) -> String {
    format!("{PREFIX}{info_hash}")
}

impl Plan {
    /// What is written down; `None` for a plan that says nothing.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let wire = Wire { version: VERSION, plan: self.clone() };
        (*self != Self::default()).then(|| serde_json::to_vec(&wire).expect("a plan is plain JSON"))
    }

    /// A plan from bytes; `None` when they are none.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let wire: Wire = serde_json::from_slice(bytes).ok()?;
        (wire.version == VERSION).then_some(wire.plan)
    }

    /// A tracker is to be asked, whatever was said of it before.
    pub(crate) fn add_tracker(&mut self, url: &str) {
        self.removed.retain(|removed| removed != url);
        if !self.added.iter().any(|added| added == url) {
            self.added.push(url.to_owned());
        }
    }

    /// A tracker is to be asked no more.
    pub(crate) fn remove_tracker(&mut self, url: &str) {
        self.added.retain(|added| added != url);
        if !self.removed.iter().any(|removed| removed == url) {
            // Of more than any torrent names the oldest are ones that it no longer has.
            if self.removed.len() >= 2 * MAX_URLS {
                self.removed.remove(0);
            }
            self.removed.push(url.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_back_and_one_that_says_nothing_is_not_written() {
        let mut plan = Plan::default();
        assert_eq!(plan.encode(), None);
        plan.undecided = true;
        plan.add_tracker("udp://t:1");
        plan.remove_tracker("http://s/a");
        plan.web_seeds.push("http://w/".into());
        assert_eq!(Plan::decode(&plan.encode().unwrap()), Some(plan));
        assert_eq!(
            Plan::decode(br#"{"version":2,"undecided":true}"#),
            None,
            "a version of the future"
        );
        let later = br#"{"version":1,"undecided":true,"more":1}"#;
        assert_eq!(Plan::decode(later), Some(Plan { undecided: true, ..Plan::default() }));
        assert_eq!(Plan::decode(b"rubbish"), None);
    }

    #[test]
    fn the_last_word_about_a_tracker_counts() {
        let mut plan = Plan::default();
        plan.add_tracker("udp://t:1");
        plan.add_tracker("udp://t:1");
        plan.remove_tracker("udp://t:1");
        assert_eq!(plan, Plan { removed: vec!["udp://t:1".into()], ..Plan::default() });
        plan.add_tracker("udp://t:1");
        assert_eq!(plan, Plan { added: vec!["udp://t:1".into()], ..Plan::default() });
    }
}
