//! Handles the condition of the daemon's state store.
//!
//! Owns the notices about the store. [`crate::writes`] keeps the values that are not durable yet.

use super::{Engine, context};
use crate::context::Owner;
use crate::io::Output;
use crate::metainfo::InfoHash;
use crate::time::Instant;
use crate::torrent::Torrent;
use crate::view::{NoticeKind, NoticeView, Sentence};

/// The reported condition of the store, and what was unreadable in it.
#[derive(Debug, Default)]
pub(super) struct Store {
    trouble: Option<String>,
    set_aside: Vec<String>,
    begun_anew: u32,
    /// Number of unreadable torrents, magnet links, plans and settings.
    unreadable: u32,
    /// Why the stored state could not be read yet.
    unread: Option<String>,
}

impl Store {
    /// Forgets the condition; the daemon reports it again after the next connect.
    pub(super) fn unlink(&mut self) {
        (self.trouble, self.begun_anew, self.unread) = (None, 0, None);
    }

    /// Counts an unreadable value.
    pub(super) fn found_unreadable(&mut self) {
        self.unreadable += 1;
    }

    /// Sets why the stored state could not be read; `None` when it was.
    pub(super) fn set_unread(&mut self, reason: Option<String>) {
        self.unread = reason;
    }

    /// Returns the notices to show.
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
    /// Handles the store's reported condition: errors, files set aside, and how often it was
    /// recreated.
    pub(super) fn handle_store_status(
        &mut self,
        told: (Option<String>, Vec<String>, u32),
        now: Instant,
    ) {
        let (trouble, set_aside, begun_anew) = told;
        let is_anew = begun_anew > self.store.begun_anew;
        (self.store.trouble, self.store.set_aside, self.store.begun_anew) =
            (trouble, set_aside, begun_anew);
        // Before loading, there is nothing to save.
        if is_anew && self.loaded {
            self.write_all_again(now);
        }
        self.out.push_back(Output::Changed);
    }

    /// Sends unconfirmed writes again.
    pub(super) fn resend_writes(&mut self, now: Instant) {
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

    /// Returns when the next write is sent again.
    pub(super) fn writes_timeout(&self) -> Option<Instant> {
        self.root.as_ref().and(self.shared.writes.next_wakeup())
    }

    /// Saves everything again, because the daemon began a new store.
    fn write_all_again(&mut self, now: Instant) {
        tracing::warn!("the daemon lost its store; saving everything again");
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
