//! Torrents that were removed and can be brought back for a while.
//!
//! Owns how long each can be, and what pages are told of it. Until its time is over a torrent is
//! only hidden and stopped: its record and its files are as they were, so that an engine that
//! begins meanwhile has it back. Then it is removed ([`super::removing`]), whether or not a page is
//! there.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Engine;
use crate::io::Output;
use crate::magnet::Pending;
use crate::metainfo::InfoHash;
use crate::time::Instant;
use crate::torrent::Torrent;
use crate::view::{RemovedView, Sentence};

/// How long a torrent can be brought back.
const UNDO_FOR: Duration = Duration::from_secs(10);
/// How long pages are told what was left alone when it went.
const TOLD_FOR: Duration = Duration::from_secs(10);

/// One torrent on its way out.
#[derive(Debug)]
struct Leaver {
    /// When it was removed, as a number that rises.
    turn: u64,
    name: String,
    delete_data: bool,
    stage: Stage,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// It can be brought back until then.
    Waiting(Instant),
    /// Its files are being deleted.
    Going,
    /// It is gone, and this is to be told until then.
    Gone(Instant, Sentence),
}

/// The torrents on their way out.
#[derive(Debug, Default)]
pub(super) struct Leavers {
    all: BTreeMap<InfoHash, Leaver>,
    turns: u64,
}

impl Leavers {
    /// Whether a torrent is not to be shown any more.
    pub(super) fn hides(&self, info_hash: InfoHash) -> bool {
        self.all.get(&info_hash).is_some_and(|leaver| !matches!(leaver.stage, Stage::Gone(..)))
    }

    /// Whether a torrent can be brought back.
    fn is_waiting(&self, info_hash: InfoHash) -> bool {
        self.all.get(&info_hash).is_some_and(|leaver| matches!(leaver.stage, Stage::Waiting(_)))
    }

    /// When something is to be done.
    fn next(&self) -> Option<Instant> {
        let due = |leaver: &Leaver| match leaver.stage {
            Stage::Waiting(until) | Stage::Gone(until, _) => Some(until),
            Stage::Going => None,
        };
        self.all.values().filter_map(due).min()
    }

    /// What pages are told, the newest first.
    fn views(&self, now: Instant) -> Vec<RemovedView> {
        let mut shown: Vec<_> =
            self.all.iter().filter(|(_, leaver)| leaver.stage != Stage::Going).collect();
        shown.sort_by_key(|(_, leaver)| std::cmp::Reverse(leaver.turn));
        let view = |(info_hash, leaver): (&InfoHash, &Leaver)| {
            let (undo_s, says) = match &leaver.stage {
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
            let (info_hash, name) = (info_hash.to_string(), leaver.name.clone());
            let message = says.as_ref().map(Sentence::to_string);
            let delete_data = leaver.delete_data;
            RemovedView { info_hash, name, undo_s, delete_data, message, says }
        };
        shown.into_iter().map(view).collect()
    }
}

impl Engine {
    /// Hides and stops a torrent that is known; it is removed later.
    pub(super) fn let_go(&mut self, info_hash: InfoHash, delete_data: bool, now: Instant) {
        let name = self.torrents.get(&info_hash).map(|torrent| torrent.name().to_owned());
        let name =
            name.or_else(|| self.magnets.get(&info_hash).map(Pending::name)).unwrap_or_default();
        self.with(info_hash, now, Torrent::set_aside);
        self.with_magnet(info_hash, now, Pending::set_aside);
        self.leavers.turns += 1;
        let leaver = Leaver {
            turn: self.leavers.turns,
            name,
            delete_data,
            stage: Stage::Waiting(now + UNDO_FOR),
        };
        self.leavers.all.insert(info_hash, leaver);
        self.out.push_back(Output::Changed);
    }

    /// Brings a torrent back.
    ///
    /// # Errors
    /// In plain words, when it is too late or it was not removed.
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

    /// The same, where it need not be possible. True when it was.
    pub(super) fn bring_back(&mut self, info_hash: InfoHash, now: Instant) -> bool {
        if !self.leavers.is_waiting(info_hash) {
            return false;
        }
        self.leavers.all.remove(&info_hash);
        let linked = self.root.is_some();
        self.with(info_hash, now, |torrent, cx| torrent.bring_back(linked, cx));
        self.with_magnet(info_hash, now, Pending::bring_back);
        self.out.push_back(Output::Changed);
        true
    }

    /// When a torrent's time is over.
    pub(super) fn leavers_timeout(&self) -> Option<Instant> {
        self.leavers.next().filter(|_| self.loaded && self.root.is_some())
    }

    /// Those whose time is over go.
    pub(super) fn tend_leavers(&mut self, now: Instant) {
        while self.leavers_timeout().is_some_and(|due| due <= now) {
            let is_due = |(_, leaver): &(&InfoHash, &mut Leaver)| match leaver.stage {
                Stage::Waiting(until) | Stage::Gone(until, _) => until <= now,
                Stage::Going => false,
            };
            let Some((&info_hash, leaver)) = self.leavers.all.iter_mut().find(is_due) else {
                return;
            };
            if let Stage::Gone(..) = leaver.stage {
                self.leavers.all.remove(&info_hash);
                self.out.push_back(Output::Changed);
                continue;
            }
            leaver.stage = Stage::Going;
            let delete_data = leaver.delete_data;
            if !self.remove(info_hash, delete_data, None, now) {
                self.leavers.all.remove(&info_hash);
            }
        }
    }

    /// A removal ended: what was left alone is told, and what could not be removed is shown again.
    pub(super) fn has_left(&mut self, info_hash: InfoHash, left: Option<&Sentence>, now: Instant) {
        let Some(leaver) = self.leavers.all.get_mut(&info_hash) else { return };
        match left {
            Some(left) => leaver.stage = Stage::Gone(now + TOLD_FOR, left.clone()),
            None => drop(self.leavers.all.remove(&info_hash)),
        }
    }

    /// What pages are told of them.
    pub(super) fn removed_views(&self, now: Instant) -> Vec<RemovedView> {
        self.leavers.views(now)
    }
}
