//! Stamps: what a file looked like when its content was known and durable, so that the next engine
//! need not hash it.
//!
//! Owns when a file is stamped, when a stamp is believed, and the looks at single files between
//! rounds. The order of steps matters: nothing can be written to the file any more (no key is
//! armed), then the daemon syncs it, then the daemon looks at it. A file that looks as its stamp
//! says holds every piece that was verified when the stamp was taken, also after a power cut: what
//! was written later belongs to other pieces. Arming a key takes the stamp away, and the record
//! that names what is verified through that key is written without the stamp.
//!
//! A stamp can't tell of two things: another program's write between our own ones, and one within
//! the same tick of the file system's clock as our last. The running engine can't see the first
//! either. Against the second, a stamp is *settled* when nothing was written for [`QUIET`], and
//! where ticks are as long as seconds no other stamp is believed.

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

/// A file is stamped when nothing was written to it for this long. That is longer than the longest
/// tick of a file system's clock, which is FAT's two seconds.
const QUIET: Duration = Duration::from_secs(3);
/// Files that are stamped at once: syncing is slow, and others need the disk, too.
const STAMPED_AT_ONCE: usize = 8;
/// Waiting files that are considered each time.
const LOOKED_AT: usize = 64;
/// How often the waiting files are considered.
const PAUSE: Duration = Duration::from_millis(500);
/// A viewer that begins to read has the file looked at, at most this often.
const GLANCE_EVERY: Duration = Duration::from_secs(5);

/// What a file looked like.
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

    /// Whether a file that looks so holds what it held then.
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

    /// Forgets what was under way: the daemon is gone.
    pub(super) fn unlink(&mut self) {
        self.underway = 0;
    }
}

impl Storage {
    /// A file is about to be written to, so what it looked like says nothing any more. It is looked
    /// at one last time, in case another program changed it before.
    pub(in crate::torrent) fn will_write(
        &mut self,
        content: &Content,
        file: FileIndex,
        now: Instant,
    ) -> Option<Order> {
        if !self.files[file.as_usize()].origin.is_writable() {
            // What comes for it goes nowhere.
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

    /// Begins to stamp the files that are ready for it. A torrent that is stopped may be taken away
    /// at any moment: its files need not be quiet, and what was written last does not settle.
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

    /// False when the file can't be open now.
    fn sync(&mut self, file: FileIndex, given: &mut Given<'_>, orders: &mut Vec<Order>) -> bool {
        let Some(handle) = self.open(file, Access::Read, given, orders) else { return false };
        let slot = &mut self.files[file.as_usize()];
        slot.is_dirty = false;
        slot.is_stamping = true;
        self.stamps.underway += 1;
        orders.push(Order::Ask(Task::Sync(file), Request::Sync(handle)));
        true
    }

    /// A file's bytes are durable, or could not be made so.
    pub(in crate::torrent) fn synced(
        &mut self,
        content: &Content,
        file: FileIndex,
        is_durable: bool,
    ) -> Option<Order> {
        let slot = &mut self.files[file.as_usize()];
        if !is_durable || !slot.is_stamping {
            // It has no stamp then: the next engine hashes it.
            slot.is_stamping = false;
            self.stamps.underway = self.stamps.underway.saturating_sub(1);
            return None;
        }
        Some(self.look_at(content, file, Task::Stamp(file)))
    }

    /// The daemon looked at a synced file: the file has a stamp, unless another program changed it.
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

    /// Another program changed a file, as the daemon saw when it was to send the file, or while it
    /// was sending (`was_sent`).
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

    /// A viewer begins to read a file: has the file looked at, in case it was changed meanwhile.
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

    /// Has a file looked at, however short a time ago that was done: its bytes could not be read.
    pub(in crate::torrent) fn distrust(
        &mut self,
        content: &Content,
        file: FileIndex,
        now: Instant,
    ) -> Option<Order> {
        self.files[file.as_usize()].glanced = None;
        self.glance(content, file, now)
    }

    /// A file was looked at: it should look as it did when that was ordered.
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
        // The daemon may have told of the change before.
        let is_no_news = Some(then) == stat || (known.is_some() && known == stat);
        if is_no_news || self.mover.holds(file) {
            return Vec::new();
        }
        let effects = self.doubt(content, file, stat, proofs, now);
        if known.is_none() {
            // It was written to since.
            self.files[file.as_usize()].known = None;
        }
        effects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a stamp of `then` agrees with `now`, each `length modified changed`.
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
    fn a_stamp_agrees_with_the_same_file_only() {
        check([9, 1_500, 1_600], true, [9, 1_500, 1_600], true);
        check([9, 1_500, 1_600], false, [9, 1_500, 1_600], true);
        check([9, 1_500, 1_600], true, [8, 1_500, 1_600], false);
        check([9, 1_500, 1_600], true, [9, 1_501, 1_600], false);
        check([9, 1_500, 1_600], true, [9, 1_500, 1_601], false);
    }

    #[test]
    fn where_ticks_are_seconds_a_stamp_must_have_settled() {
        check([9, 4_000_000_000, 0], false, [9, 4_000_000_000, 0], false);
        check([9, 4_000_000_000, 0], true, [9, 4_000_000_000, 0], true);
    }
}
