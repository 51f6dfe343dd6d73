//! Torrents that are being removed: their undo periods, and what pages show of them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::metainfo::InfoHash;
use crate::time::Instant;
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

/// What to do when a period is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Remove this torrent.
    Remove {
        /// The torrent.
        info_hash: InfoHash,
        /// Whether to delete its files.
        delete_data: bool,
    },
    /// Show pages that a message is gone.
    Show,
}

/// The torrents that are being removed.
#[derive(Debug, Default)]
pub(crate) struct Removals {
    all: BTreeMap<InfoHash, Removal>,
    count: u64,
}

impl Removals {
    /// Returns whether a torrent is hidden from pages.
    pub(crate) fn hides(&self, info_hash: InfoHash) -> bool {
        self.all.get(&info_hash).is_some_and(|removal| !matches!(removal.stage, Stage::Gone(..)))
    }

    /// Returns whether a torrent can be restored.
    fn is_waiting(&self, info_hash: InfoHash) -> bool {
        self.all.get(&info_hash).is_some_and(|removal| matches!(removal.stage, Stage::Waiting(_)))
    }

    /// Returns when the next period ends.
    pub(crate) fn next(&self) -> Option<Instant> {
        let due = |removal: &Removal| match removal.stage {
            Stage::Waiting(until) | Stage::Gone(until, _) => Some(until),
            Stage::Going => None,
        };
        self.all.values().filter_map(due).min()
    }

    /// Returns what pages show, newest first.
    pub(crate) fn views(&self, now: Instant) -> Vec<RemovedView> {
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

    /// Starts the undo period of a torrent with this name.
    pub(crate) fn begin(
        &mut self,
        info_hash: InfoHash,
        name: String,
        delete_data: bool,
        now: Instant,
    ) {
        self.count += 1;
        let stage = Stage::Waiting(now + UNDO_FOR);
        let removal = Removal { number: self.count, name, delete_data, stage };
        self.all.insert(info_hash, removal);
    }

    /// Ends an undo period because the torrent is restored; returns whether there was one.
    pub(crate) fn undo(&mut self, info_hash: InfoHash) -> bool {
        let is_waiting = self.is_waiting(info_hash);
        if is_waiting {
            self.all.remove(&info_hash);
        }
        is_waiting
    }

    /// Returns the next thing to do now.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Due> {
        let is_due = |(_, removal): &(&InfoHash, &mut Removal)| match removal.stage {
            Stage::Waiting(until) | Stage::Gone(until, _) => until <= now,
            Stage::Going => false,
        };
        let (&info_hash, removal) = self.all.iter_mut().find(is_due)?;
        if let Stage::Gone(..) = removal.stage {
            self.all.remove(&info_hash);
            return Some(Due::Show);
        }
        removal.stage = Stage::Going;
        Some(Due::Remove { info_hash, delete_data: removal.delete_data })
    }

    /// Handles the end of a removal; `left` says which files were not deleted.
    pub(crate) fn end(&mut self, info_hash: InfoHash, left: Option<&Sentence>, now: Instant) {
        let Some(removal) = self.all.get_mut(&info_hash) else { return };
        match left {
            Some(left) => removal.stage = Stage::Gone(now + TOLD_FOR, left.clone()),
            None => drop(self.all.remove(&info_hash)),
        }
    }
}
