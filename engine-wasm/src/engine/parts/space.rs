//! The free space of each download folder, as the daemon last said.

use std::collections::BTreeMap;
use std::time::Duration;

use shared_proto::io::{OpError, OpOutput};
use shared_proto::{OpId, RootKey};

use crate::time::Instant;

/// The known disk space of each root.
#[derive(Debug, Default)]
pub(crate) struct Space {
    /// Free bytes and all bytes.
    room: BTreeMap<RootKey, (u64, u64)>,
    asked: BTreeMap<OpId, RootKey>,
    last: Option<Instant>,
}

impl Space {
    /// Forgets all answers after the connection was lost.
    pub(crate) fn unlink(&mut self) {
        *self = Self::default();
    }

    /// Returns the free and total bytes of a root, if known.
    pub(crate) fn of(&self, root: &RootKey) -> Option<(u64, u64)> {
        self.room.get(root).copied()
    }

    /// Returns whether the daemon was asked since the connection began.
    pub(crate) fn was_asked(&self) -> bool {
        self.last.is_some()
    }

    /// Returns whether the next question is due. A question is due if none was asked within
    /// `pause`.
    pub(crate) fn is_due(&self, pause: Duration, now: Instant) -> bool {
        self.last.is_none_or(|last| now.saturating_since(last) >= pause)
    }

    /// Begins to ask for every root; returns false while an answer is outstanding.
    pub(crate) fn begin(&mut self, now: Instant) -> bool {
        let is_idle = self.asked.is_empty();
        if is_idle {
            self.last = Some(now);
        }
        is_idle
    }

    /// Adds a question that was sent.
    pub(crate) fn ask(&mut self, op: OpId, root: RootKey) {
        self.asked.insert(op, root);
    }

    /// Handles an answer: returns whether the known space changed, or `None` if the command is
    /// none of these questions.
    pub(crate) fn handle_answer(
        &mut self,
        op: OpId,
        result: &Result<OpOutput, OpError>,
    ) -> Option<bool> {
        let root = self.asked.remove(&op)?;
        let before = self.of(&root);
        match result {
            Ok(OpOutput::Room { free, total }) => {
                _ = self.room.insert(root.clone(), (*free, *total))
            }
            // The last known value is out of date.
            _ => _ = self.room.remove(&root),
        }
        Some(self.of(&root) != before)
    }
}
