//! Inspects the files of a torrent: at the start, after each reconnect, and for checks.
//!
//! Owns the round over all files, and what a file's state says about its content. A verified piece
//! in the record is trusted if the stamps of all its files match; other files are hashed. The
//! opposite is trusted as well: a piece that is not in the record is not sought in unchanged files.
//! This module knows no pieces to trust: it describes the files of a piece, and the ledger decides.

use shared_proto::io::{FileStat, OpError, OpErrorKind, OpOutput};

use super::Storage;
use super::effect::Effect;
use super::look::{Appearance, Found, Looked, Round};
use super::order::{Order, Request, Task};
use super::origin::{Origin, Proofs, Verdict};
use crate::geometry::FileIndex;
use crate::time::Instant;
use crate::torrent::content::Content;

impl Storage {
    /// Whether a round over all files is running.
    pub(in crate::torrent) fn is_looking(&self) -> bool {
        self.looks.is_underway()
    }

    /// Cancels the current round. Returns whether there was one.
    pub(in crate::torrent) fn call_look_off(&mut self) -> bool {
        self.looks.call_off()
    }

    /// Starts a round over all files. Starts none while another round runs or a move has to end
    /// first.
    pub(in crate::torrent) fn look(&mut self, content: &Content, is_recheck: bool) -> Vec<Order> {
        if self.looks.join(is_recheck) {
            return Vec::new();
        }
        if self.mover.postpones_look(is_recheck) {
            return Vec::new();
        }
        self.looks.begin(&content.geometry, is_recheck);
        self.look_on(content)
    }

    fn look_on(&mut self, content: &Content) -> Vec<Order> {
        let mut orders = Vec::new();
        while let Some((file, number)) = self.looks.next(&content.geometry) {
            orders.push(self.look_at(content, file, Task::Look(file, number)));
        }
        orders
    }

    /// Inspects what has the path of a file now.
    pub(super) fn look_at(&self, content: &Content, file: FileIndex, task: Task) -> Order {
        Order::Ask(task, Request::Stat(self.location(content, file)))
    }

    /// Handles the answer about a file. After the last one, returns the round for
    /// [`Storage::take_in`].
    pub(in crate::torrent) fn looked(
        &mut self,
        content: &Content,
        (file, number): (FileIndex, u32),
        result: Result<OpOutput, OpError>,
        proofs: Proofs<'_>,
    ) -> (Vec<Effect>, Option<Round>) {
        if !self.looks.is_current(number) {
            return (Vec::new(), None);
        }
        match Found::from_result(result) {
            Ok(found) => self.looks.note(file, found),
            Err(error) => {
                self.looks.call_off();
                let is_name = error.kind == OpErrorKind::Name;
                let other =
                    is_name.then(|| self.work_around(content, file, &error, proofs)).flatten();
                return (other.unwrap_or_else(|| vec![Effect::DiskTrouble(error)]), None);
            }
        }
        let effects = self.look_on(content).into_iter().map(Effect::Order).collect();
        (effects, self.looks.take_finished())
    }

    /// Decides about the origin and the content of each file.
    ///
    /// Returns nothing if the torrent stops, because files are missing or no name is free; the
    /// effects say so.
    pub(in crate::torrent) fn take_in(
        &mut self,
        content: &Content,
        round: &Round,
        mut proofs: Proofs<'_>,
    ) -> (Vec<Effect>, Option<Looked>) {
        let (mut effects, mut missing) = (Vec::new(), Vec::new());
        let mut appearances = Vec::with_capacity(round.found().len());
        for (file, &found) in content.geometry.files().zip(round.found()) {
            if content.geometry.is_padding(file) {
                appearances.push(Appearance::default());
                continue;
            }
            let (verdict, own, appearance) =
                self.appear(content, file, found, round.is_recheck, &mut proofs);
            effects.extend(own);
            match verdict {
                Verdict::Nameless => return (effects, None),
                Verdict::Missing => missing.push(file),
                Verdict::Same | Verdict::Other => {}
            }
            appearances.push(appearance);
        }
        if missing.is_empty() {
            return (effects, Some(Looked::new(appearances)));
        }
        effects.push(Effect::Missing(missing));
        (effects, None)
    }

    fn appear(
        &mut self,
        content: &Content,
        file: FileIndex,
        found: Found,
        is_recheck: bool,
        proofs: &mut Proofs<'_>,
    ) -> (Verdict, Vec<Effect>, Appearance) {
        let slot = &self.files[file.as_usize()];
        let is_as_seen = slot.known.is_none_or(|known| found.stat() == Some(known));
        let had_stamp = slot.stamp.is_some();
        let is_as_stamped =
            slot.stamp.is_none_or(|stamp| found.stat().is_some_and(|stat| stamp.agrees(&stat)));
        let (verdict, effects) = self.decide(content, file, found, is_recheck, proofs);
        let slot = &self.files[file.as_usize()];
        let stat = self.here(file, found.stat());
        let is_as_left = match (&slot.stamp, stat) {
            _ if is_recheck => false,
            (Some(stamp), Some(stat)) => stamp.agrees(&stat),
            (None, None) => slot.donor.is_none(),
            _ => false,
        };
        let appearance = Appearance {
            stat,
            readable: stat.map_or(0, |stat| stat.length).max(slot.donated()),
            agrees: verdict == Verdict::Same && is_as_left,
            is_as_seen: verdict == Verdict::Same && is_as_seen && is_as_stamped,
            is_stale: verdict == Verdict::Other || (!is_as_left && (had_stamp || !is_as_seen)),
        };
        (verdict, effects, appearance)
    }

    /// Returns the found file. `None` if our file was just displaced: it does not exist yet, and
    /// whether its new name is free shows when it is created.
    fn here(&self, file: FileIndex, stat: Option<FileStat>) -> Option<FileStat> {
        let origin = self.files[file.as_usize()].origin;
        stat.filter(|_| !matches!(origin, Origin::Nothing | Origin::Unknown))
    }

    /// Records the states of the files, and which to stamp and create.
    pub(in crate::torrent) fn note(&mut self, content: &Content, looked: &Looked, now: Instant) {
        self.empties.clear();
        let geometry = &content.geometry;
        for file in geometry.files().filter(|&file| !geometry.is_padding(file)) {
            let appearance = looked.file(file);
            let slot = &mut self.files[file.as_usize()];
            slot.known = appearance.stat;
            slot.is_there = appearance.stat.is_some();
            if slot.is_there && appearance.agrees {
                continue;
            }
            slot.stamp = None;
            if slot.is_there {
                self.wants_stamp(file, now);
            } else if geometry.file_len(file) == 0 {
                self.empties.add(file);
            }
        }
    }

    /// A file has changed since we left it: its verified pieces are hashed again.
    pub(super) fn doubt(
        &mut self,
        content: &Content,
        file: FileIndex,
        stat: Option<FileStat>,
        mut proofs: Proofs<'_>,
        now: Instant,
    ) -> Vec<Effect> {
        let torrent = content.meta.info_hash;
        tracing::info!(%torrent, file = file.get(), "a file was changed by another program");
        if content.geometry.file_len(file) == 0 {
            return Vec::new();
        }
        let mut effects = vec![Effect::LetGo(file)];
        self.files[file.as_usize()].is_ours_now = false;
        let found = stat.map_or(Found::Nothing, Found::File);
        let (verdict, other) = self.decide(content, file, found, false, &mut proofs);
        effects.extend(other);
        if verdict == Verdict::Missing {
            effects.push(Effect::Missing(vec![file]));
            return effects;
        }
        let stat = self.here(file, stat);
        let slot = &mut self.files[file.as_usize()];
        let readable = stat.map_or(0, |stat| stat.length).max(slot.donated());
        (slot.known, slot.stamp, slot.is_stamping) = (stat, None, false);
        if stat.is_some() {
            self.wants_stamp(file, now);
        }
        effects.push(Effect::Doubt { file, readable });
        effects
    }
}
