//! What persons decided about torrents ([`Plan`]): kept by the engine, written down, and carried
//! out whenever a torrent or magnet link comes into being.
//!
//! Owns the plans of all torrents. A plan is written in the turn in which its torrent is, and one
//! whose torrent is not there goes when all is read.

use bytes::Bytes;

use super::{Engine, context};
use crate::metainfo::InfoHash;
use crate::plan::{self, Plan};
use crate::time::Instant;
use crate::view::{Choice, FilePriority, Sentence};

impl Engine {
    /// Adds what a page brings. It stays, and waits for a decision unless a person wants no
    /// question; one that is there already goes on as it is.
    pub(super) fn add_for_page(
        &mut self,
        add: impl FnOnce(&mut Self) -> Result<InfoHash, Sentence>,
        now: Instant,
    ) -> Result<InfoHash, Sentence> {
        let before = self.torrents.len() + self.magnets.len();
        let info_hash = add(self)?;
        self.keep(info_hash, now);
        let is_new = self.torrents.len() + self.magnets.len() > before;
        self.hold(info_hash, is_new && !self.config.start_at_once, now);
        Ok(info_hash)
    }

    /// A torrent that was just added waits for a decision, if it is to.
    pub(super) fn hold(&mut self, info_hash: InfoHash, is_held: bool, now: Instant) {
        if is_held {
            self.change_plan(info_hash, |plan| plan.undecided = true, now);
        }
    }

    /// A person says what becomes of a torrent.
    ///
    /// # Errors
    /// There is no such torrent or file, or what is in it is not known yet.
    pub(super) fn decide(
        &mut self,
        info_hash: &str,
        (choice, files): (Choice, &[FilePriority]),
        now: Instant,
    ) -> Result<InfoHash, Sentence> {
        let hash = self.check_decision(info_hash, (choice, files))?;
        if self.torrents.contains_key(&hash) {
            self.set_priorities(info_hash, files, now)?;
            if choice == Choice::Watch {
                self.with(hash, now, |torrent, cx| torrent.want_film_only(cx));
            }
        }
        self.change_plan(hash, |plan| plan.undecided = false, now);
        Ok(hash)
    }

    /// Whether a decision can be carried out.
    ///
    /// # Errors
    /// There is no such torrent or file, or what is in it is not known yet.
    pub(super) fn check_decision(
        &self,
        info_hash: &str,
        (choice, files): (Choice, &[FilePriority]),
    ) -> Result<InfoHash, Sentence> {
        let hash = self.known(info_hash)?;
        let Some(torrent) = self.torrents.get(&hash) else {
            return if files.is_empty() && choice != Choice::Watch {
                Ok(hash)
            } else {
                Err(Sentence::FilesNotKnown)
            };
        };
        if let Some(file) = files.iter().find(|file| file.index >= torrent.file_count()) {
            return Err(Sentence::NoSuchFile { index: file.index });
        }
        Ok(hash)
    }

    /// Changes a torrent's plan, writes it down, and carries it out.
    pub(super) fn change_plan(
        &mut self,
        info_hash: InfoHash,
        change: impl FnOnce(&mut Plan),
        now: Instant,
    ) {
        let mut plan = self.plans.remove(&info_hash).unwrap_or_default();
        let before = plan.clone();
        change(&mut plan);
        if plan != before {
            let value = plan.encode().map(Bytes::from);
            let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
            cx.write(plan::key(info_hash), value);
        }
        if plan != Plan::default() {
            self.plans.insert(info_hash, plan);
        }
        self.follow_plan(info_hash, now);
    }

    /// What was decided about a torrent or magnet link counts for it, which may just have come into
    /// being.
    pub(super) fn follow_plan(&mut self, info_hash: InfoHash, now: Instant) {
        let plan = self.plans.get(&info_hash).cloned().unwrap_or_default();
        self.with(info_hash, now, |torrent, cx| {
            torrent.set_undecided(plan.undecided, cx);
            torrent.follow_trackers(&plan.added, &plan.removed, cx);
            torrent.follow_web_seeds(&plan.web_seeds, cx);
        });
        self.with_magnet(info_hash, now, |pending, cx| {
            pending.set_undecided(plan.undecided, cx);
            pending.follow_trackers(&plan.added, &plan.removed, cx);
        });
    }

    /// A plan that an earlier engine wrote down.
    pub(super) fn restore_plan(&mut self, info_hash: InfoHash, bytes: &[u8]) {
        match Plan::decode(bytes) {
            Some(plan) => _ = self.plans.insert(info_hash, plan),
            None => {
                self.store.found_unreadable();
                tracing::warn!(%info_hash, "what was decided about a torrent can't be read");
            }
        }
    }

    /// All torrents are known: plans count for them, and those of torrents that are gone go.
    pub(super) fn follow_plans(&mut self, now: Instant) {
        for info_hash in self.plans.keys().copied().collect::<Vec<InfoHash>>() {
            if self.torrents.contains_key(&info_hash) || self.magnets.contains_key(&info_hash) {
                self.follow_plan(info_hash, now);
            } else {
                self.forget_plan(info_hash, now);
            }
        }
    }

    /// A torrent is gone.
    pub(super) fn forget_plan(&mut self, info_hash: InfoHash, now: Instant) {
        if self.plans.remove(&info_hash).is_some() {
            let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
            cx.write(plan::key(info_hash), None);
        }
    }

    /// The daemon began a new store.
    pub(super) fn save_plans(&mut self, now: Instant) {
        for (info_hash, plan) in &self.plans {
            let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
            cx.write(plan::key(*info_hash), plan.encode().map(Bytes::from));
        }
    }
}
