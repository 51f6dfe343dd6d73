//! Stamps: what a file looked like when its content was known and durable, so that the next engine
//! need not hash it.
//!
//! Owns when a file is stamped and when a stamp is believed. The order decides: first nothing can
//! be written to the file any more (no key is armed), then it is synced, then looked at. So whoever
//! finds the file as the stamp says finds every piece that was verified when the stamp was taken,
//! also after a power cut: what was written to it later is of other pieces. A key that is armed
//! takes the stamp away, and the record that names what is verified through that key is written
//! without it.
//!
//! What a stamp can't tell: a stranger's write between our own ones, and one within the same tick
//! of the file system's clock as our last. The first is as invisible to the engine that runs.
//! Against the second a stamp is *settled* when nothing was written for [`QUIET`], and where ticks
//! are as long as seconds no other is believed.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_proto::IoCommand;
use shared_proto::io::{FileStat, OpError, OpOutput};

use super::{Op, Status, Torrent};
use crate::context::Context;
use crate::geometry::FileIndex;
use crate::handles::Access;
use crate::time::Instant;

/// A file that was not written to for so long is stamped: longer than the longest tick of a file
/// system's clock, which is FAT's two seconds.
const QUIET: Duration = Duration::from_secs(3);
/// Files being stamped at once: syncing is slow, and others want the disk, too.
const STAMPED_AT_ONCE: usize = 8;
/// Files that wait which are looked at in one go.
const LOOKED_AT: usize = 64;
/// How often those that wait are looked at.
const PAUSE: Duration = Duration::from_millis(500);
/// A viewer that begins to read has the file looked at, unless that was done so short a time ago.
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
    fn new(stat: FileStat, is_settled: bool) -> Self {
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
    /// When to look after them.
    pub(super) fn due(&self) -> Option<Instant> {
        self.next.filter(|_| !self.dirty.is_empty())
    }

    /// The link is gone, and what was under way with it.
    pub(super) fn unlink(&mut self) {
        self.underway = 0;
    }
}

impl Torrent {
    /// A file is about to be written to: what it looked like says nothing any more. So it is looked
    /// at for a last time, in case another program changed it before.
    pub(super) fn will_write(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        if !self.files[file.as_usize()].origin.is_writable() {
            // What comes for it goes nowhere.
            return;
        }
        if let Some(known) = self.files[file.as_usize()].known.take()
            && !self.mover.holds(file)
        {
            let (root, path) = self.location(file);
            self.ask(Op::Glance(file, known), cx, |op| IoCommand::FileStat { op, root, path });
        }
        let slot = &mut self.files[file.as_usize()];
        slot.stamp = None;
        slot.is_stamping = false;
        self.wants_stamp(file, cx.now);
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

    /// Stamps what is ready for it.
    pub(super) fn tend_stamps(&mut self, cx: &mut Context<'_>) {
        self.stamps.next = Some(cx.now + PAUSE);
        if !self.linked || !self.is_settled() || self.looking.is_some() {
            return;
        }
        for _ in 0..self.stamps.dirty.len().min(LOOKED_AT) {
            if self.stamps.underway >= STAMPED_AT_ONCE {
                return;
            }
            let Some(file) = self.stamps.dirty.pop_front() else { return };
            let written = self.files[file.as_usize()].written.unwrap_or(cx.now);
            // A torrent that is stopped may be taken away at any moment; what it wrote last is not
            // settled, and says so.
            let is_quiet = written + QUIET <= cx.now
                || matches!(self.status, Status::Paused | Status::Failed(..));
            let is_held = cx.shared.handles.is_pinned(self.key(file)) || self.mover.holds(file);
            if !is_quiet || is_held || !self.stamp(file, cx) {
                self.stamps.dirty.push_back(file);
            }
        }
    }

    fn stamp(&mut self, file: FileIndex, cx: &mut Context<'_>) -> bool {
        let Some(handle) = self.handle(file, Access::Read, cx) else { return false };
        let slot = &mut self.files[file.as_usize()];
        slot.is_dirty = false;
        slot.is_stamping = true;
        self.stamps.underway += 1;
        self.ask(Op::Sync(file), cx, |op| IoCommand::FileSync { op, file: handle });
        true
    }

    /// A file's bytes are durable.
    pub(super) fn synced(
        &mut self,
        file: FileIndex,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        if result.is_err() || !self.files[file.as_usize()].is_stamping {
            // It has no stamp then: the next engine hashes it.
            self.stamps.underway = self.stamps.underway.saturating_sub(1);
            self.files[file.as_usize()].is_stamping = false;
            return;
        }
        let (root, path) = self.location(file);
        self.ask(Op::Stamp(file), cx, |op| IoCommand::FileStat { op, root, path });
    }

    /// A synced file was looked at.
    pub(super) fn stamped(
        &mut self,
        file: FileIndex,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        self.stamps.underway = self.stamps.underway.saturating_sub(1);
        let slot = &mut self.files[file.as_usize()];
        if std::mem::take(&mut slot.is_stamping)
            && let Ok(OpOutput::Stat(stat)) = result
        {
            let is_settled = slot.written.is_none_or(|written| written + QUIET <= cx.now);
            match (slot.known, stat) {
                (Some(known), stat) if Some(known) != stat => return self.doubt(file, stat, cx),
                (_, None) => return self.doubt(file, None, cx),
                (_, Some(stat)) => {
                    slot.known = Some(stat);
                    slot.stamp = Some(Stamp::new(stat, is_settled));
                    self.record.touch(cx.now);
                }
            }
        }
        self.tend_stamps(cx);
    }

    /// Another program changed a file, as the daemon saw when somebody asked for it, or while it
    /// was being sent.
    pub(crate) fn file_changed(
        &mut self,
        file: FileIndex,
        stat: Option<FileStat>,
        sending: bool,
        cx: &mut Context<'_>,
    ) {
        if sending {
            let slot = &mut self.files[file.as_usize()];
            slot.changes = slot.changes.wrapping_add(1);
            self.record.hurry(cx.now);
            self.announce_file(file, cx);
        }
        if self.is_settled()
            && self.files[file.as_usize()].known.is_none_or(|known| Some(known) != stat)
        {
            self.doubt(file, stat, cx);
        }
    }

    /// Somebody begins to read a file: has it looked at, in case it was changed meanwhile.
    pub(super) fn glance(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        let slot = &self.files[file.as_usize()];
        let is_fresh = slot.glanced.is_some_and(|at| at + GLANCE_EVERY > cx.now);
        let Some(known) =
            slot.known.filter(|_| !is_fresh && !self.mover.holds(file) && self.linked)
        else {
            return;
        };
        self.files[file.as_usize()].glanced = Some(cx.now);
        let (root, path) = self.location(file);
        self.ask(Op::Glance(file, known), cx, |op| IoCommand::FileStat { op, root, path });
    }

    /// It was looked at: it should be as it was known when that was ordered.
    pub(super) fn glanced(
        &mut self,
        (file, then): (FileIndex, FileStat),
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let Ok(OpOutput::Stat(stat)) = result else { return };
        let now = self.files[file.as_usize()].known;
        // It may be that the daemon told of the change before.
        if Some(then) == stat || (now.is_some() && now == stat) || self.mover.holds(file) {
            return;
        }
        self.doubt(file, stat, cx);
        if now.is_none() {
            // It was written to since.
            self.files[file.as_usize()].known = None;
        }
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
