//! Removed torrents that the user can still restore.
//!
//! Owns the undo period and what pages show of it. During the period a torrent is only hidden and
//! stopped: its record and files stay, so that a restart restores it. Afterwards
//! [`super::removing`] removes it, whether or not a page is open.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Engine;
use crate::io::Output;
use crate::magnet::Pending;
use crate::metainfo::InfoHash;
use crate::time::Instant;
use crate::torrent::Torrent;
use crate::view::{RemovedView, Sentence};

/// How long a removed torrent can be restored.
const UNDO_FOR: Duration = Duration::from_secs(10);
/// How long pages show which files were not deleted.
const TOLD_FOR: Duration = Duration::from_secs(10);

/// A torrent that is being removed.
#[derive(Debug)]
struct Removal {
    /// Rises with each removal; orders the list.
    number: u64,
    name: String,
    delete_data: bool,
    stage: Stage,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// The user can restore it until then.
    Waiting(Instant),
    /// Its files are being deleted.
    Going,
    /// It is removed; the sentence is shown until then.
    Gone(Instant, Sentence),
}

/// The torrents that are being removed.
#[derive(Debug, Default)]
pub(super) struct Removals {
    all: BTreeMap<InfoHash, Removal>,
    count: u64,
}

impl Removals {
    /// Returns whether a torrent is hidden from pages.
    pub(super) fn hides(&self, info_hash: InfoHash) -> bool {
        self.all.get(&info_hash).is_some_and(|removal| !matches!(removal.stage, Stage::Gone(..)))
    }

    /// Returns whether a torrent can be restored.
    fn is_waiting(&self, info_hash: InfoHash) -> bool {
        self.all.get(&info_hash).is_some_and(|removal| matches!(removal.stage, Stage::Waiting(_)))
    }

    /// Returns when the next period ends.
    fn next(&self) -> Option<Instant> {
        let due = |removal: &Removal| match removal.stage {
            Stage::Waiting(until) | Stage::Gone(until, _) => Some(until),
            Stage::Going => None,
        };
        self.all.values().filter_map(due).min()
    }

    /// Returns what pages show, newest first.
    fn views(&self, now: Instant) -> Vec<RemovedView> {
        let mut shown: Vec<_> =
            self.all.iter().filter(|(_, removal)| removal.stage != Stage::Going).collect();
        shown.sort_by_key(|(_, removal)| std::cmp::Reverse(removal.number));
        let view = |(info_hash, removal): (&InfoHash, &Removal)| {
            let (undo_s, says) = match &removal.stage {
                Stage::Waiting(until) => (until.saturating_since(now).as_secs_f64().ceil(), None),
                Stage::Going => (0.0, None),
                Stage::Gone(_, says) => (0.0, Some(says.clone())),
            };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a few seconds"
            )]
            let undo_s = undo_s as u32;
            let (info_hash, name) = (info_hash.to_string(), removal.name.clone());
            let message = says.as_ref().map(Sentence::to_string);
            let delete_data = removal.delete_data;
            RemovedView { info_hash, name, undo_s, delete_data, message, says }
        };
        shown.into_iter().map(view).collect()
    }
}

impl Engine {
    /// Hides and stops a torrent, and starts its undo period.
    pub(super) fn hide_removed(&mut self, info_hash: InfoHash, delete_data: bool, now: Instant) {
        let name = self.torrents.get(&info_hash).map(|torrent| torrent.name().to_owned());
        let name =
            name.or_else(|| self.magnets.get(&info_hash).map(Pending::name)).unwrap_or_default();
        self.with(info_hash, now, Torrent::set_aside);
        self.with_magnet(info_hash, now, Pending::set_aside);
        self.removals.count += 1;
        let removal = Removal {
            number: self.removals.count,
            name,
            delete_data,
            stage: Stage::Waiting(now + UNDO_FOR),
        };
        self.removals.all.insert(info_hash, removal);
        self.out.push_back(Output::Changed);
    }

    /// Restores a removed torrent.
    ///
    /// # Errors
    /// The undo period is over, or the torrent was not removed.
    pub(super) fn undo_remove(
        &mut self,
        info_hash: &str,
        now: Instant,
    ) -> Result<InfoHash, Sentence> {
        let info_hash: InfoHash = info_hash.parse().map_err(|_| Sentence::NoSuchTorrent)?;

        if self.bring_back(info_hash, now) {
            return Ok(info_hash);
        }
        Err(Sentence::UndoTooLate)
    }

    /// Restores a torrent if it is in its undo period; returns whether it was.
    pub(super) fn bring_back(&mut self, info_hash: InfoHash, now: Instant) -> bool {
        if !self.removals.is_waiting(info_hash) {
            return false;
        }
        self.removals.all.remove(&info_hash);
        let linked = self.root.is_some();
        self.with(info_hash, now, |torrent, cx| torrent.bring_back(linked, cx));
        self.with_magnet(info_hash, now, Pending::bring_back);
        self.out.push_back(Output::Changed);
        true
    }

    /// Returns when the next undo period ends.
    pub(super) fn removals_timeout(&self) -> Option<Instant> {
        self.removals.next().filter(|_| self.loaded && self.root.is_some())
    }

    /// Removes the torrents whose undo period is over.
    pub(super) fn finish_removals(&mut self, now: Instant) {
        while self.removals_timeout().is_some_and(|due| due <= now) {
            let is_due = |(_, removal): &(&InfoHash, &mut Removal)| match removal.stage {
                Stage::Waiting(until) | Stage::Gone(until, _) => until <= now,
                Stage::Going => false,
            };
            let Some((&info_hash, removal)) = self.removals.all.iter_mut().find(is_due) else {
                return;
            };
            if let Stage::Gone(..) = removal.stage {
                self.removals.all.remove(&info_hash);
                self.out.push_back(Output::Changed);
                continue;
            }
            removal.stage = Stage::Going;
            let delete_data = removal.delete_data;
            if !self.remove(info_hash, delete_data, None, now) {
                self.removals.all.remove(&info_hash);
            }
        }
    }

    /// Handles the end of a removal: reports files that were left, or shows the torrent again.
    pub(super) fn end_removal(
        &mut self,
        info_hash: InfoHash,
        left: Option<&Sentence>,
        now: Instant,
    ) {
        let Some(removal) = self.removals.all.get_mut(&info_hash) else { return };
        match left {
            Some(left) => removal.stage = Stage::Gone(now + TOLD_FOR, left.clone()),
            None => drop(self.removals.all.remove(&info_hash)),
        }
    }

    /// Returns what pages show of removed torrents.
    pub(super) fn removed_views(&self, now: Instant) -> Vec<RemovedView> {
        self.removals.views(now)
    }
}
