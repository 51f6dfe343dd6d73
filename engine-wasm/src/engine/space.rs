//! Tracks free disk space, and warns when wanted downloads will not fit.
//!
//! Owns the daemon's last answers. The engine asks once after each connect, for each report, and
//! every few seconds while something downloads. It asks only when it is awake for another reason,
//! and sets no timer.

use std::collections::BTreeMap;
use std::time::Duration;

use shared_proto::io::{OpError, OpOutput};
use shared_proto::{IoCommand, OpId, RootKey};

use super::{Engine, context};
use crate::context::Owner;
use crate::io::Output;
use crate::time::Instant;
use crate::torrent::Torrent;
use crate::view::{NoticeKind, NoticeView, Sentence, SpaceView};

/// Interval between questions while something downloads.
const EVERY: Duration = Duration::from_secs(10);
/// Interval between questions while nothing downloads.
const SELDOM: Duration = Duration::from_secs(60);

/// The known disk space of each root.
#[derive(Debug, Default)]
pub(super) struct Space {
    /// Free bytes and all bytes.
    room: BTreeMap<RootKey, (u64, u64)>,
    asked: BTreeMap<OpId, RootKey>,
    last: Option<Instant>,
}

impl Space {
    /// Forgets all answers after the connection was lost.
    pub(super) fn unlink(&mut self) {
        *self = Self::default();
    }

    /// Returns the free and total bytes of a root, if known.
    pub(super) fn of(&self, root: &RootKey) -> Option<(u64, u64)> {
        self.room.get(root).copied()
    }
}

impl Engine {
    /// Asks the daemon again if the interval is over.
    pub(super) fn refresh_space(&mut self, now: Instant) {
        if !self.loaded || self.root.is_none() {
            return;
        }
        // Without torrents one answer is enough for pages and reports.
        if self.torrents.is_empty() && self.space.last.is_some() {
            return;
        }
        let is_over =
            |pause| self.space.last.is_none_or(|last| now.saturating_since(last) >= pause);
        let all_done = || self.torrents.values().all(|torrent| torrent.is_done());
        if is_over(SELDOM) || (is_over(EVERY) && !all_done()) {
            self.ask_room(now);
        }
    }

    /// Asks for the space of every root, unless an answer is outstanding.
    pub(super) fn ask_room(&mut self, now: Instant) {
        if !self.space.asked.is_empty() {
            return;
        }
        self.space.last = Some(now);
        for root in self.roots.iter().map(|root| root.key.clone()).collect::<Vec<_>>() {
            let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
            let op = cx.ask(Owner::Engine, |op| IoCommand::RootRoom { op, root: root.clone() });
            self.space.asked.insert(op, root);
        }
    }

    /// Handles an answer; returns false if this module did not send the command.
    pub(super) fn handle_space_answer(
        &mut self,
        op: OpId,
        result: &Result<OpOutput, OpError>,
    ) -> bool {
        let Some(root) = self.space.asked.remove(&op) else { return false };
        let before = self.space.of(&root);
        match result {
            Ok(OpOutput::Room { free, total }) => {
                _ = self.space.room.insert(root.clone(), (*free, *total))
            }
            // The last known value is out of date.
            _ => _ = self.space.room.remove(&root),
        }
        if self.space.of(&root) != before {
            self.out.push_back(Output::Changed);
        }
        true
    }

    /// Returns a notice for each root that lacks space for its wanted downloads.
    pub(super) fn space_notices(&self) -> Vec<NoticeView> {
        let mut needed: BTreeMap<&RootKey, u64> = BTreeMap::new();
        for torrent in self.torrents.values().filter(|torrent| torrent.is_fetching()) {
            *needed.entry(&torrent.place().root).or_default() += torrent.missing_bytes();
        }
        let short = needed.into_iter().filter_map(|(root, needed)| {
            let (free, _) = self.space.of(root).filter(|(free, _)| *free < needed)?;
            let label = self.root_called(&root.0).map(|known| &known.label);
            let folder = label.unwrap_or(&root.0).clone();
            let says = Sentence::NeedsSpace { folder, needed_bytes: needed, free_bytes: free };
            let space = SpaceView { root: root.0.clone(), needed_bytes: needed, free_bytes: free };
            let notice = NoticeView::new(NoticeKind::Space, says);
            Some(NoticeView { space: Some(space), ..notice })
        });
        short.collect()
    }
}

impl Torrent {
    /// Returns whether the torrent downloads its wanted files, now or later in the queue.
    fn is_fetching(&self) -> bool {
        !self.is_done() && !self.is_undecided() && !self.is_stopped()
    }
}
