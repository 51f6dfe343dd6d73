//! Changes to the daemon's state that are not durable yet.
//!
//! This module owns the last such change of each key, and the time of its next attempt. Invariant:
//! a change leaves this module only when the daemon has confirmed it, or when a later change of the
//! same key replaces it. So neither a full disk nor a crash of the daemon loses a change. Values
//! are opaque.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use shared_proto::{IoCommand, OpId};

use crate::time::Instant;

/// Delay before the first retry of a failed change.
const FIRST: Duration = Duration::from_secs(5);
/// Longest delay between retries; each delay is twice the one before. The daemon retries, too.
const LAST: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
struct Change {
    /// The value; `None` to delete the key.
    value: Option<Bytes>,
    /// The command in progress.
    op: Option<OpId>,
    again: Instant,
    wait: Duration,
}

/// All changes that are not durable yet.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    changes: BTreeMap<String, Change>,
    underway: BTreeMap<OpId, String>,
}

impl Writes {
    /// Records a change, and returns the command that carries it out.
    pub(crate) fn begin(
        &mut self,
        key: String,
        value: Option<Bytes>,
        op: OpId,
        now: Instant,
    ) -> IoCommand {
        let change = Change { value: value.clone(), op: Some(op), again: now, wait: FIRST };
        self.changes.insert(key.clone(), change);
        self.underway.insert(op, key.clone());
        command(op, key, value)
    }

    /// Handles the daemon's answer to a command; ignores commands of other modules.
    pub(crate) fn answered(&mut self, op: OpId, is_durable: bool, now: Instant) {
        let Some(key) = self.underway.remove(&op) else { return };
        // A later change of the same key has its own command.
        let Some(change) = self.changes.get_mut(&key).filter(|change| change.op == Some(op)) else {
            return;
        };
        if is_durable {
            self.changes.remove(&key);
        } else {
            (change.op, change.again) = (None, now + change.wait);
            change.wait = LAST.min(change.wait * 2);
        }
    }

    /// Handles a lost connection: commands in progress may or may not have been carried out.
    pub(crate) fn unlink(&mut self) {
        self.underway.clear();
        for change in self.changes.values_mut() {
            (change.op, change.again, change.wait) = (None, Instant(0), FIRST);
        }
    }

    /// Returns when the next retry is due.
    pub(crate) fn next_wakeup(&self) -> Option<Instant> {
        self.changes.values().filter(|change| change.op.is_none()).map(|change| change.again).min()
    }

    /// Returns the keys of changes that are due.
    pub(crate) fn due(&self, now: Instant) -> Vec<String> {
        let due =
            self.changes.iter().filter(|(_, change)| change.op.is_none() && change.again <= now);
        due.map(|(key, _)| key.clone()).collect()
    }

    /// Returns the command that repeats a change; `None` if the key has none.
    pub(crate) fn send_again(&mut self, key: &str, op: OpId) -> Option<IoCommand> {
        let change = self.changes.get_mut(key)?;
        change.op = Some(op);
        self.underway.insert(op, key.to_owned());
        Some(command(op, key.to_owned(), change.value.clone()))
    }
}

fn command(op: OpId, key: String, value: Option<Bytes>) -> IoCommand {
    match value {
        Some(value) => IoCommand::KvPut { op, key, value },
        None => IoCommand::KvDelete { op, key },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant(seconds * 1_000_000)
    }

    fn put(writes: &mut Writes, value: &'static str, op: u64) {
        writes.begin("k".into(), Some(Bytes::from(value)), OpId(op), at(0));
    }

    #[test]
    fn durable_changes_are_forgotten_and_failed_ones_repeated_with_backoff() {
        let mut writes = Writes::default();
        put(&mut writes, "a", 1);
        assert_eq!(writes.next_wakeup(), None, "it is under way");
        let mut waits = Vec::new();
        let mut now = at(0);
        for op in 1..8 {
            writes.answered(OpId(op), false, now);
            let again = writes.next_wakeup().unwrap();
            waits.push((again.0 - now.0) / 1_000_000);
            assert_eq!(writes.due(now), [""; 0]);
            now = again;
            assert_eq!(writes.due(now), ["k"]);
            assert!(writes.send_again("k", OpId(op + 1)).is_some());
        }
        assert_eq!(waits, [5, 10, 20, 40, 60, 60, 60]);
        writes.answered(OpId(8), true, now);
        assert!(writes.changes.is_empty() && writes.underway.is_empty());
    }

    #[test]
    fn a_later_change_replaces_one_with_a_late_answer() {
        for first_is_durable in [true, false] {
            let mut writes = Writes::default();
            put(&mut writes, "a", 1);
            writes.begin("k".into(), None, OpId(2), at(0));
            writes.answered(OpId(1), first_is_durable, at(1));
            assert_eq!(writes.next_wakeup(), None, "the later one is under way");
            writes.answered(OpId(2), false, at(1));
            let again = writes.send_again("k", OpId(3));
            assert_eq!(again, Some(IoCommand::KvDelete { op: OpId(3), key: "k".into() }));
        }
    }

    #[test]
    fn after_a_daemon_crash_all_changes_are_sent_again() {
        let mut writes = Writes::default();
        put(&mut writes, "a", 1);
        writes.unlink();
        writes.answered(OpId(1), true, at(1));
        assert_eq!(writes.due(at(1)), ["k"], "an answer of a lost daemon is ignored");
    }
}
