//! The user's decisions about each torrent ([`Plan`]): stored, and applied to torrents and links.
//!
//! Owns the plans of all torrents. A plan is saved together with its torrent. After loading, plans
//! without a torrent are deleted.

use bytes::Bytes;

use super::Engine;
use crate::metainfo::InfoHash;
use crate::plan::{self, Plan};
use crate::time::Instant;
use crate::view::{Choice, FilePriority, Sentence};

impl Engine {
    /// Adds a torrent for a page, and keeps it. A new torrent waits for a decision unless
    /// [`crate::config::Config::start_at_once`] is set; an existing one stays as it is.
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

    /// Makes a new torrent wait for a decision if `is_held`.
    pub(super) fn hold(&mut self, info_hash: InfoHash, is_held: bool, now: Instant) {
        if is_held {
            self.change_plan(info_hash, |plan| plan.undecided = true, now);
        }
    }

    /// Applies the user's decision about a torrent.
    ///
    /// # Errors
    /// There is no such torrent or file, or its files are not known yet.
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

    /// Checks that a decision can be applied.
    ///
    /// # Errors
    /// There is no such torrent or file, or its files are not known yet.
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
        if let Some(file) = files.iter().find(|file| torrent.file(file.index).is_none()) {
            return Err(Sentence::NoSuchFile { index: file.index });
        }
        Ok(hash)
    }

    /// Changes a torrent's plan, saves it, and applies it.
    pub(super) fn change_plan(
        &mut self,
        info_hash: InfoHash,
        change: impl FnOnce(&mut Plan),
        now: Instant,
    ) {
        let mut plan = self.decisions.plans.remove(&info_hash).unwrap_or_default();
        let before = plan.clone();
        change(&mut plan);
        if plan != before {
            let value = plan.encode().map(Bytes::from);
            let mut cx = self.common.context(now);
            cx.write(plan::key(info_hash), value);
        }
        if plan != Plan::default() {
            self.decisions.plans.insert(info_hash, plan);
        }
        self.follow_plan(info_hash, now);
    }

    /// Applies the plan to its torrent or magnet link.
    pub(super) fn follow_plan(&mut self, info_hash: InfoHash, now: Instant) {
        let plan = self.decisions.plans.get(&info_hash).cloned().unwrap_or_default();
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

    /// Restores a plan from the stored state.
    pub(super) fn restore_plan(&mut self, info_hash: InfoHash, bytes: &[u8]) {
        match Plan::decode(bytes) {
            Some(plan) => _ = self.decisions.plans.insert(info_hash, plan),
            None => {
                self.store.found_unreadable();
                tracing::warn!(%info_hash, "the stored plan of a torrent can't be read");
            }
        }
    }

    /// Applies all plans after loading, and deletes those without a torrent.
    pub(super) fn follow_plans(&mut self, now: Instant) {
        for info_hash in self.decisions.plans.keys().copied().collect::<Vec<InfoHash>>() {
            if self.torrents.contains_key(&info_hash) || self.magnets.contains_key(&info_hash) {
                self.follow_plan(info_hash, now);
            } else {
                self.forget_plan(info_hash, now);
            }
        }
    }

    /// Deletes the plan of a removed torrent.
    pub(super) fn forget_plan(&mut self, info_hash: InfoHash, now: Instant) {
        if self.decisions.plans.remove(&info_hash).is_some() {
            let mut cx = self.common.context(now);
            cx.write(plan::key(info_hash), None);
        }
    }

    /// Saves all plans again, because the daemon began a new store.
    pub(super) fn save_plans(&mut self, now: Instant) {
        for (info_hash, plan) in &self.decisions.plans {
            let mut cx = self.common.context(now);
            cx.write(plan::key(*info_hash), plan.encode().map(Bytes::from));
        }
    }
}
