//! Tracks free disk space, and warns when wanted downloads will not fit.
//!
//! The engine asks once after each connect, for each report, and every few seconds while something
//! downloads. It asks only when it is awake for another reason, and sets no timer.

use std::collections::BTreeMap;
use std::time::Duration;

use shared_proto::io::{OpError, OpOutput};
use shared_proto::{IoCommand, OpId, RootKey};

use super::Engine;
use crate::context::Owner;
use crate::io::Output;
use crate::time::Instant;
use crate::torrent::Torrent;
use crate::view::{NoticeKind, NoticeView, Sentence, SpaceView};

/// Interval between questions while something downloads.
const EVERY: Duration = Duration::from_secs(10);
/// Interval between questions while nothing downloads.
const SELDOM: Duration = Duration::from_secs(60);

impl Engine {
    /// Asks the daemon again if the interval is over.
    pub(super) fn refresh_space(&mut self, now: Instant) {
        if !self.loading.is_over() || !self.roots.is_linked() {
            return;
        }
        // Without torrents one answer is enough for pages and reports.
        if self.torrents.is_empty() && self.roots.space.was_asked() {
            return;
        }
        let all_done = || self.torrents.values().all(|torrent| torrent.is_done());
        let space = &self.roots.space;
        if space.is_due(SELDOM, now) || (space.is_due(EVERY, now) && !all_done()) {
            self.ask_room(now);
        }
    }

    /// Asks for the space of every root, unless an answer is outstanding.
    pub(super) fn ask_room(&mut self, now: Instant) {
        if !self.roots.space.begin(now) {
            return;
        }
        for root in self.roots.offered().iter().map(|root| root.key.clone()).collect::<Vec<_>>() {
            let mut cx = self.common.context(now);
            let op = cx.ask(Owner::Engine, |op| IoCommand::RootRoom { op, root: root.clone() });
            self.roots.space.ask(op, root);
        }
    }

    /// Handles an answer; returns false if this module did not send the command.
    pub(super) fn handle_space_answer(
        &mut self,
        op: OpId,
        result: &Result<OpOutput, OpError>,
    ) -> bool {
        let answered = self.roots.space.handle_answer(op, result);
        if answered == Some(true) {
            self.common.out.push_back(Output::Changed);
        }
        answered.is_some()
    }

    /// Returns a notice for each root that lacks space for its wanted downloads.
    pub(super) fn space_notices(&self) -> Vec<NoticeView> {
        let mut needed: BTreeMap<&RootKey, u64> = BTreeMap::new();
        for torrent in self.torrents.values().filter(|torrent| torrent.is_fetching()) {
            *needed.entry(&torrent.place().root).or_default() += torrent.missing_bytes();
        }
        let short = needed.into_iter().filter_map(|(root, needed)| {
            let (free, _) = self.roots.space.of(root).filter(|(free, _)| *free < needed)?;
            let label = self.roots.find(&root.0).map(|known| &known.label);
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
