//! The daemon's store, as far as the engine has to do with it: what is sent again, and what a
//! person is told.
//!
//! Owns the notices about it. What is not durable yet is kept in [`crate::writes`].

use super::{Engine, context};
use crate::context::Owner;
use crate::io::Output;
use crate::metainfo::InfoHash;
use crate::time::Instant;
use crate::torrent::Torrent;
use crate::view::{NoticeKind, NoticeView, Sentence};

/// What the daemon said of its store, and what was found in it.
#[derive(Debug, Default)]
pub(super) struct Store {
    trouble: Option<String>,
    set_aside: Vec<String>,
    begun_anew: u32,
    /// Torrents, magnet links and settings that can't be read.
    unreadable: u32,
    /// What was written down could not be read so far.
    unread: Option<String>,
}

impl Store {
    /// The daemon is gone; the next one says how its store is.
    pub(super) fn unlink(&mut self) {
        (self.trouble, self.begun_anew, self.unread) = (None, 0, None);
    }

    /// One more that can't be read.
    pub(super) fn found_unreadable(&mut self) {
        self.unreadable += 1;
    }

    /// Whether all could be read so far, or why not.
    pub(super) fn set_unread(&mut self, reason: Option<String>) {
        self.unread = reason;
    }

    /// What a person has to know.
    pub(super) fn notices(&self) -> Vec<NoticeView> {
        let mut notices = Vec::new();
        let mut add = |kind, says| notices.push(NoticeView::new(kind, says));
        if let Some(reason) = &self.trouble {
            add(NoticeKind::NotSaved, Sentence::NotSaved { detail: reason.clone() });
        }
        if let Some(reason) = &self.unread {
            add(NoticeKind::NotRead, Sentence::NotRead { detail: reason.clone() });
        }
        for path in &self.set_aside {
            add(NoticeKind::SetAside, Sentence::SetAside { path: path.clone() });
        }
        if self.unreadable > 0 {
            add(NoticeKind::Unreadable, Sentence::Unreadable { count: self.unreadable });
        }

        notices
    }
}

impl Engine {
    /// The daemon says how its store is.
    pub(super) fn store_told(&mut self, told: (Option<String>, Vec<String>, u32), now: Instant) {
        let (trouble, set_aside, begun_anew) = told;
        let is_anew = begun_anew > self.store.begun_anew;
        (self.store.trouble, self.store.set_aside, self.store.begun_anew) =
            (trouble, set_aside, begun_anew);
        // An engine that has read nothing yet knows nothing to write.
        if is_anew && self.loaded {
            self.write_all_again(now);
        }
        self.out.push_back(Output::Changed);
    }

    /// Sends again what was not confirmed.
    pub(super) fn tend_writes(&mut self, now: Instant) {
        if self.root.is_none() {
            return;
        }
        for key in self.shared.writes.due(now) {
            let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
            let op = cx.new_op(Owner::Engine);
            if let Some(command) = cx.shared.writes.send_again(&key, op) {
                cx.order(command);
            }
        }
    }

    /// When a write is sent again.
    pub(super) fn writes_timeout(&self) -> Option<Instant> {
        self.root.as_ref().and(self.shared.writes.next_wakeup())
    }

    /// The daemon began a new store: it gets everything that the engine knows.
    fn write_all_again(&mut self, now: Instant) {
        tracing::warn!("the daemon lost its store; everything is written down again");
        self.save_secret(now);
        if self.config.adjustable {
            self.save_settings(now);
        }
        for info_hash in self.torrents.keys().copied().collect::<Vec<InfoHash>>() {
            self.with(info_hash, now, Torrent::save_everything);
        }
        for info_hash in self.magnets.keys().copied().collect::<Vec<InfoHash>>() {
            self.with_magnet(info_hash, now, |pending, cx| pending.save(cx));
        }
        self.save_plans(now);
        self.save_order(now);
        let temporary: Vec<InfoHash> =
            self.api.temporary.all().map(|(info_hash, _)| info_hash).collect();
        for info_hash in temporary {
            self.write_temporary(info_hash, now);
        }
    }
}
