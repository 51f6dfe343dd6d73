//! Stamps: the states of files whose content was known and durable. A file that matches its stamp
//! need not be hashed by the next engine.
//!
//! Owns when a file is stamped, when a stamp is trusted, and the inspections of single files
//! between rounds. The order of steps matters: nothing can be written to the file any more (no key
//! is armed), then the daemon syncs it, then the daemon inspects it. A file that matches its stamp
//! contains every piece that was verified when the stamp was taken, even after a power failure:
//! later writes belong to other pieces. Arming a key removes the stamp, and the record that names
//! what is verified through that key is written without the stamp.
//!
//! A stamp can't detect two things: another program's write between our own ones, and one within
//! the same tick of the file system's clock as our last. The running engine can't detect the first
//! either. Against the second, a stamp is *settled* when nothing was written for [`QUIET`]; where
//! ticks last seconds, no other stamp is trusted.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_proto::io::{FileStat, OpError, OpOutput};

use super::Storage;
use super::effect::Effect;
use super::open_files::{Given, own};
use super::order::{Order, Request, Task};
use super::origin::Proofs;
use crate::geometry::FileIndex;
use crate::handles::Access;
use crate::time::Instant;
use crate::torrent::content::Content;

/// Time without a write after which a file is stamped. It exceeds the longest tick of a file
/// system's clock, which is FAT's two seconds.
const QUIET: Duration = Duration::from_secs(3);
/// Number of files stamped at once: syncing is slow, and others need the disk, too.
const STAMPED_AT_ONCE: usize = 8;
/// Number of waiting files that are considered each time.
const LOOKED_AT: usize = 64;
/// Interval at which the waiting files are considered.
const PAUSE: Duration = Duration::from_millis(500);
/// Minimum interval between two inspections of a file for viewers.
const GLANCE_EVERY: Duration = Duration::from_secs(5);

/// The recorded state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    length: u64,
    modified_ns: u64,
    changed_ns: u64,
    is_settled: bool,
}

impl Stamp {
    pub(super) fn new(stat: FileStat, is_settled: bool) -> Self {
        Self {
            length: stat.length,
            modified_ns: stat.modified_ns,
            changed_ns: stat.changed_ns,
            is_settled,
        }
    }

    /// Whether a file with this state still has the content that it had then.
    pub(super) fn agrees(&self, stat: &FileStat) -> bool {
        const SECOND_NS: u64 = 1_000_000_000;
        let is_coarse = stat.modified_ns.is_multiple_of(SECOND_NS);
        let same = (self.length, self.modified_ns, self.changed_ns)
            == (stat.length, stat.modified_ns, stat.changed_ns);
        same && (self.is_settled || !is_coarse)
    }
}

/// The files that wait for a stamp.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    dirty: VecDeque<FileIndex>,
    underway: usize,
    next: Option<Instant>,
}

impl Stamps {
    /// When to consider them.
    pub(super) fn due(&self) -> Option<Instant> {
        self.next.filter(|_| !self.dirty.is_empty())
    }

    /// Forgets pending stamps, because the link to the daemon is lost.
    pub(super) fn unlink(&mut self) {
        self.underway = 0;
    }
}

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

    /// The file is to be stamped when nothing was written to it for a while.
    pub(super) fn wants_stamp(&mut self, file: FileIndex, now: Instant) {
        let slot = &mut self.files[file.as_usize()];
        slot.written = Some(now);
        if !std::mem::replace(&mut slot.is_dirty, true) {
            self.stamps.dirty.push_back(file);
            self.stamps.next.get_or_insert(now + PAUSE);
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
        self.stamps.next = Some(given.now + PAUSE);
        if !self.is_settled(given.content) || self.is_looking() {
            return orders;
        }
        for _ in 0..self.stamps.dirty.len().min(LOOKED_AT) {
            if self.stamps.underway >= STAMPED_AT_ONCE {
                break;
            }
            let Some(file) = self.stamps.dirty.pop_front() else { break };
            let written = self.files[file.as_usize()].written.unwrap_or(given.now);
            let is_quiet = is_stopped || written + QUIET <= given.now;
            let is_held =
                given.handles.is_pinned(own(given.content, file)) || self.mover.holds(file);
            if !is_quiet || is_held || !self.sync(file, &mut given, &mut orders) {
                self.stamps.dirty.push_back(file);
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
        self.stamps.underway += 1;
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
            self.stamps.underway = self.stamps.underway.saturating_sub(1);
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
        self.stamps.underway = self.stamps.underway.saturating_sub(1);
        let slot = &mut self.files[file.as_usize()];
        if !std::mem::take(&mut slot.is_stamping) {
            return Vec::new();
        }
        let Ok(OpOutput::Stat(stat)) = result else { return Vec::new() };
        let is_settled = slot.written.is_none_or(|written| written + QUIET <= now);
        match stat.filter(|stat| slot.known.is_none_or(|known| known == *stat)) {
            Some(stat) => {
                slot.known = Some(stat);
                slot.stamp = Some(Stamp::new(stat, is_settled));
                vec![Effect::Touch]
            }
            None => self.doubt(content, file, stat, proofs, now),
        }
    }

    /// The daemon found that another program changed a file, before or during a reply (`was_sent`).
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

    /// Inspects a file when a viewer starts to read it, because it may have changed.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks whether a stamp of `then` matches `now`, each as `length modified changed`.
    fn check(then: [u64; 3], is_settled: bool, now: [u64; 3], expected: bool) {
        let stat = |[length, modified_ns, changed_ns]: [u64; 3]| FileStat {
            length,
            modified_ns,
            changed_ns,
            identity: None,
        };
        assert_eq!(
            Stamp::new(stat(then), is_settled).agrees(&stat(now)),
            expected,
            "{then:?} {now:?}"
        );
    }

    #[test]
    fn a_stamp_matches_the_same_file_only() {
        check([9, 1_500, 1_600], true, [9, 1_500, 1_600], true);
        check([9, 1_500, 1_600], false, [9, 1_500, 1_600], true);
        check([9, 1_500, 1_600], true, [8, 1_500, 1_600], false);
        check([9, 1_500, 1_600], true, [9, 1_501, 1_600], false);
        check([9, 1_500, 1_600], true, [9, 1_500, 1_601], false);
    }

    #[test]
    fn with_ticks_of_seconds_a_stamp_must_be_settled() {
        check([9, 4_000_000_000, 0], false, [9, 4_000_000_000, 0], false);
        check([9, 4_000_000_000, 0], true, [9, 4_000_000_000, 0], true);
    }
}
