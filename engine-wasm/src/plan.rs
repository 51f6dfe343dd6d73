//! The stored user decisions about one torrent or magnet link.
//!
//! A plan is one JSON value for each torrent that has decisions. It is separate from the torrent's
//! record because it survives the step from magnet link to torrent. Invariant: an empty plan is not
//! stored.

use serde::{Deserialize, Serialize};

use crate::metainfo::InfoHash;
use crate::metainfo::torrent::MAX_URLS;

/// Key prefix of plans in the daemon's state.
pub(crate) const PREFIX: &str = "plan/";
/// Version of the format; other versions are ignored.
const VERSION: u64 = 1;

/// The decisions about one torrent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Plan {
    /// Whether the user still has to decide about the torrent.
    pub(crate) undecided: bool,
    /// Trackers added by the user or by adding the torrent again.
    pub(crate) added: Vec<String>,
    /// Trackers that the user removed.
    pub(crate) removed: Vec<String>,
    /// Web seeds added by adding the torrent again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) web_seeds: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    version: u64,
    #[serde(flatten)]
    plan: Plan,
}

/// Returns the key under which the plan is stored.
pub(crate) fn key(info_hash: InfoHash) -> String {
    format!("{PREFIX}{info_hash}")
}

impl Plan {
    /// Encodes the plan; `None` if it is empty.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let wire = Wire { version: VERSION, plan: self.clone() };
        (*self != Self::default()).then(|| serde_json::to_vec(&wire).expect("a plan is plain JSON"))
    }

    /// Decodes a plan; `None` if the bytes are not valid.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let wire: Wire = serde_json::from_slice(bytes).ok()?;
        (wire.version == VERSION).then_some(wire.plan)
    }

    /// Adds a tracker, even if it was removed before.
    pub(crate) fn add_tracker(&mut self, url: &str) {
        self.removed.retain(|removed| removed != url);
        if !self.added.iter().any(|added| added == url) {
            self.added.push(url.to_owned());
        }
    }

    /// Removes a tracker.
    pub(crate) fn remove_tracker(&mut self, url: &str) {
        self.added.retain(|added| added != url);
        if !self.removed.iter().any(|removed| removed == url) {
            // When the list exceeds what any torrent names, the oldest entries are trackers that
            // the torrent no longer has.
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
    fn a_plan_round_trips_and_an_empty_one_is_not_stored() {
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
    fn the_last_decision_about_a_tracker_counts() {
        let mut plan = Plan::default();
        plan.add_tracker("udp://t:1");
        plan.add_tracker("udp://t:1");
        plan.remove_tracker("udp://t:1");
        assert_eq!(plan, Plan { removed: vec!["udp://t:1".into()], ..Plan::default() });
        plan.add_tracker("udp://t:1");
        assert_eq!(plan, Plan { added: vec!["udp://t:1".into()], ..Plan::default() });
    }
}
