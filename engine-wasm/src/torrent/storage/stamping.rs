//! Stamps files, and inspects single files between rounds.

use std::time::Duration;

use shared_proto::io::{FileStat, OpError, OpOutput};

use super::Storage;
use super::effect::Effect;
use super::open_files::{Given, own};
use super::order::{Order, Request, Task};
use super::origin::Proofs;
use super::stamps::{Stamp, is_quiet};
use crate::geometry::FileIndex;
use crate::handles::Access;
use crate::time::Instant;
use crate::torrent::content::Content;

/// Minimum interval between two inspections of a file for viewers.
const GLANCE_EVERY: Duration = Duration::from_secs(5);

impl Storage {
    /// A file is about to be written, which invalidates its stamp.
    ///
    /// It is inspected one last time, in case another program changed it before.
    pub(in crate::torrent) fn will_write(
        &mut self,
        content: &Content,
        file: FileIndex,
        now: Instant,
    ) -> Option<Order> {
        if !self.files[file.as_usize()].origin.is_writable() {
            // A block for it would be discarded.
            return None;
        }
        let known = self.files[file.as_usize()].known.take();
        let last_look = known
            .filter(|_| !self.mover.holds(file))
            .map(|known| self.look_at(content, file, Task::Glance(file, known)));
        let slot = &mut self.files[file.as_usize()];
        slot.stamp = None;
        slot.is_stamping = false;
        self.wants_stamp(file, now);
        last_look
    }

    /// The file is to be stamped. The stamp follows when nothing was written to the file for a
    /// while.
    pub(super) fn wants_stamp(&mut self, file: FileIndex, now: Instant) {
        let slot = &mut self.files[file.as_usize()];
        slot.written = Some(now);
        if !std::mem::replace(&mut slot.is_dirty, true) {
            self.stamps.want(file, now);
        }
    }

    /// Starts to stamp the files that are ready.
    ///
    /// A stopped torrent may be removed at any moment: its files need not be quiet, and their
    /// latest stamps are not settled.
    pub(in crate::torrent) fn stamp_next(
        &mut self,
        is_stopped: bool,
        mut given: Given<'_>,
    ) -> Vec<Order> {
        let mut orders = Vec::new();
        let count = self.stamps.begin_round(given.now);
        if !self.is_settled(given.content) || self.is_looking() {
            return orders;
        }
        for _ in 0..count {
            let Some(file) = self.stamps.next() else { break };
            let written = self.files[file.as_usize()].written.unwrap_or(given.now);
            let is_quiet = is_stopped || is_quiet(written, given.now);
            let is_held =
                given.handles.is_pinned(own(given.content, file)) || self.mover.holds(file);
            if !is_quiet || is_held || !self.sync(file, &mut given, &mut orders) {
                self.stamps.put_back(file);
            }
        }
        orders
    }

    /// False if the file can't be opened now.
    fn sync(&mut self, file: FileIndex, given: &mut Given<'_>, orders: &mut Vec<Order>) -> bool {
        let Some(handle) = self.open(file, Access::Read, given, orders) else { return false };
        let slot = &mut self.files[file.as_usize()];
        slot.is_dirty = false;
        slot.is_stamping = true;
        self.stamps.begin();
        orders.push(Order::Ask(Task::Sync(file), Request::Sync(handle)));
        true
    }

    /// Handles the end of a sync: the file's bytes are durable, or not.
    pub(in crate::torrent) fn synced(
        &mut self,
        content: &Content,
        file: FileIndex,
        is_durable: bool,
    ) -> Option<Order> {
        let slot = &mut self.files[file.as_usize()];
        if !is_durable || !slot.is_stamping {
            // It then has no stamp, and the next engine hashes it.
            slot.is_stamping = false;
            self.stamps.end();
            return None;
        }
        Some(self.look_at(content, file, Task::Stamp(file)))
    }

    /// Handles the inspection of a synced file: it is stamped, unless another program changed it.
    pub(in crate::torrent) fn stamped(
        &mut self,
        content: &Content,
        file: FileIndex,
        result: Result<OpOutput, OpError>,
        proofs: Proofs<'_>,
        now: Instant,
    ) -> Vec<Effect> {
        self.stamps.end();
        let slot = &mut self.files[file.as_usize()];
        if !std::mem::take(&mut slot.is_stamping) {
            return Vec::new();
        }
        let Ok(OpOutput::Stat(stat)) = result else { return Vec::new() };
        let is_settled = slot.written.is_none_or(|written| is_quiet(written, now));
        match stat.filter(|stat| slot.known.is_none_or(|known| known == *stat)) {
            Some(stat) => {
                slot.known = Some(stat);
                slot.stamp = Some(Stamp::new(stat, is_settled));
                vec![Effect::Touch]
            }
            None => self.doubt(content, file, stat, proofs, now),
        }
    }

    /// The daemon found that another program changed a file. `was_sent` says whether the change
    /// came during a reply, not before it.
    pub(in crate::torrent) fn changed_by_others(
        &mut self,
        content: &Content,
        file: FileIndex,
        (stat, was_sent): (Option<FileStat>, bool),
        proofs: Proofs<'_>,
        now: Instant,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let is_settled = self.is_settled(content);
        let slot = &mut self.files[file.as_usize()];
        if was_sent {
            slot.changes = slot.changes.wrapping_add(1);
            effects.extend([Effect::Hurry, Effect::Announce(file)]);
        }
        if is_settled && slot.known.is_none_or(|known| Some(known) != stat) {
            effects.extend(self.doubt(content, file, stat, proofs, now));
        }
        effects
    }

    /// Inspects a file when a viewer starts to read it. Another program may have changed the file.
    pub(in crate::torrent) fn glance(
        &mut self,
        content: &Content,
        file: FileIndex,
        now: Instant,
    ) -> Option<Order> {
        let slot = &mut self.files[file.as_usize()];
        let is_fresh = slot.glanced.is_some_and(|at| at + GLANCE_EVERY > now);
        let known = slot.known.filter(|_| !is_fresh && !self.mover.holds(file))?;
        slot.glanced = Some(now);
        Some(self.look_at(content, file, Task::Glance(file, known)))
    }

    /// Inspects a file whose bytes could not be read, however recent the last inspection.
    pub(in crate::torrent) fn distrust(
        &mut self,
        content: &Content,
        file: FileIndex,
        now: Instant,
    ) -> Option<Order> {
        self.files[file.as_usize()].glanced = None;
        self.glance(content, file, now)
    }

    /// Handles an inspection: the file should be unchanged since it was ordered.
    pub(in crate::torrent) fn glanced(
        &mut self,
        content: &Content,
        (file, then): (FileIndex, FileStat),
        result: Result<OpOutput, OpError>,
        proofs: Proofs<'_>,
        now: Instant,
    ) -> Vec<Effect> {
        let Ok(OpOutput::Stat(stat)) = result else { return Vec::new() };
        let known = self.files[file.as_usize()].known;
        // The daemon may have reported the change before.
        let is_no_news = Some(then) == stat || (known.is_some() && known == stat);
        if is_no_news || self.mover.holds(file) {
            return Vec::new();
        }
        let effects = self.doubt(content, file, stat, proofs, now);
        if known.is_none() {
            // It was written since.
            self.files[file.as_usize()].known = None;
        }
        effects
    }
}
