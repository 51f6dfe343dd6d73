//! Sends writes again: those that are not durable yet, and everything for a new store.
//!
//! [`crate::writes`] keeps the values that are not durable yet.

use super::Engine;
use crate::context::Owner;
use crate::metainfo::InfoHash;
use crate::time::Instant;
use crate::torrent::Torrent;

impl Engine {
    /// Saves everything again, because the daemon began a new store. Before loading, there is
    /// nothing to save.
    pub(super) fn save_anew(&mut self, now: Instant) {
        if !self.loading.is_over() {
            return;
        }
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

    /// Sends unconfirmed writes again.
    pub(super) fn resend_writes(&mut self, now: Instant) {
        if !self.roots.is_linked() {
            return;
        }
        for key in self.common.shared.writes.due(now) {
            let mut cx = self.common.context(now);
            let op = cx.new_op(Owner::Engine);
            if let Some(command) = cx.shared.writes.send_again(&key, op) {
                cx.order(command);
            }
        }
    }

    /// Returns when the next write is sent again.
    pub(super) fn writes_timeout(&self) -> Option<Instant> {
        self.common.shared.writes.next_wakeup().filter(|_| self.roots.is_linked())
    }
}
