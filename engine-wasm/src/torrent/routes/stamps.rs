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

use crate::torrent::storage::stamps::QUIET;
use crate::torrent::storage::stamps::Stamp;
use std::time::Duration;

use shared_proto::IoCommand;
use shared_proto::io::{FileStat, OpError, OpOutput};

use crate::context::Context;
use crate::geometry::FileIndex;
use crate::handles::Access;
use crate::time::Instant;
use crate::torrent::Status;
use crate::torrent::Torrent;
use crate::torrent::ops::Op;

/// Files being stamped at once: syncing is slow, and others want the disk, too.
const STAMPED_AT_ONCE: usize = 8;
/// Files that wait which are looked at in one go.
const LOOKED_AT: usize = 64;
/// How often those that wait are looked at.
const PAUSE: Duration = Duration::from_millis(500);
/// A viewer that begins to read has the file looked at, unless that was done so short a time ago.
const GLANCE_EVERY: Duration = Duration::from_secs(5);

impl Torrent {
    /// A file is about to be written to: what it looked like says nothing any more. So it is looked
    /// at for a last time, in case another program changed it before.
    pub(in crate::torrent) fn will_write(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        if !self.storage.files[file.as_usize()].origin.is_writable() {
            // What comes for it goes nowhere.
            return;
        }
        if let Some(known) = self.storage.files[file.as_usize()].known.take()
            && !self.storage.mover.holds(file)
        {
            let (root, path) = self.location(file);
            self.ask(Op::Glance(file, known), cx, |op| IoCommand::FileStat { op, root, path });
        }
        let slot = &mut self.storage.files[file.as_usize()];
        slot.stamp = None;
        slot.is_stamping = false;
        self.wants_stamp(file, cx.now);
    }

    /// The file is to be stamped when nothing was written to it for a while.
    pub(in crate::torrent) fn wants_stamp(&mut self, file: FileIndex, now: Instant) {
        let slot = &mut self.storage.files[file.as_usize()];
        slot.written = Some(now);
        if !std::mem::replace(&mut slot.is_dirty, true) {
            self.storage.stamps.dirty.push_back(file);
            self.storage.stamps.next.get_or_insert(now + PAUSE);
        }
    }

    /// Stamps what is ready for it.
    pub(in crate::torrent) fn tend_stamps(&mut self, cx: &mut Context<'_>) {
        self.storage.stamps.next = Some(cx.now + PAUSE);
        if !self.life.linked || !self.is_settled() || self.storage.looking.is_some() {
            return;
        }
        for _ in 0..self.storage.stamps.dirty.len().min(LOOKED_AT) {
            if self.storage.stamps.underway >= STAMPED_AT_ONCE {
                return;
            }
            let Some(file) = self.storage.stamps.dirty.pop_front() else { return };
            let written = self.storage.files[file.as_usize()].written.unwrap_or(cx.now);
            // A torrent that is stopped may be taken away at any moment; what it wrote last is not
            // settled, and says so.
            let is_quiet = written + QUIET <= cx.now
                || matches!(self.life.status, Status::Paused | Status::Failed(..));
            let is_held =
                cx.shared.handles.is_pinned(self.key(file)) || self.storage.mover.holds(file);
            if !is_quiet || is_held || !self.stamp(file, cx) {
                self.storage.stamps.dirty.push_back(file);
            }
        }
    }

    fn stamp(&mut self, file: FileIndex, cx: &mut Context<'_>) -> bool {
        let Some(handle) = self.handle(file, Access::Read, cx) else { return false };
        let slot = &mut self.storage.files[file.as_usize()];
        slot.is_dirty = false;
        slot.is_stamping = true;
        self.storage.stamps.underway += 1;
        self.ask(Op::Sync(file), cx, |op| IoCommand::FileSync { op, file: handle });
        true
    }

    /// A file's bytes are durable.
    pub(in crate::torrent) fn synced(
        &mut self,
        file: FileIndex,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        if result.is_err() || !self.storage.files[file.as_usize()].is_stamping {
            // It has no stamp then: the next engine hashes it.
            self.storage.stamps.underway = self.storage.stamps.underway.saturating_sub(1);
            self.storage.files[file.as_usize()].is_stamping = false;
            return;
        }
        let (root, path) = self.location(file);
        self.ask(Op::Stamp(file), cx, |op| IoCommand::FileStat { op, root, path });
    }

    /// A synced file was looked at.
    pub(in crate::torrent) fn stamped(
        &mut self,
        file: FileIndex,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        self.storage.stamps.underway = self.storage.stamps.underway.saturating_sub(1);
        let slot = &mut self.storage.files[file.as_usize()];
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
            let slot = &mut self.storage.files[file.as_usize()];
            slot.changes = slot.changes.wrapping_add(1);
            self.record.hurry(cx.now);
            self.announce_file(file, cx);
        }
        if self.is_settled()
            && self.storage.files[file.as_usize()].known.is_none_or(|known| Some(known) != stat)
        {
            self.doubt(file, stat, cx);
        }
    }

    /// Somebody begins to read a file: has it looked at, in case it was changed meanwhile.
    pub(in crate::torrent) fn glance(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        let slot = &self.storage.files[file.as_usize()];
        let is_fresh = slot.glanced.is_some_and(|at| at + GLANCE_EVERY > cx.now);
        let Some(known) =
            slot.known.filter(|_| !is_fresh && !self.storage.mover.holds(file) && self.life.linked)
        else {
            return;
        };
        self.storage.files[file.as_usize()].glanced = Some(cx.now);
        let (root, path) = self.location(file);
        self.ask(Op::Glance(file, known), cx, |op| IoCommand::FileStat { op, root, path });
    }

    /// It was looked at: it should be as it was known when that was ordered.
    pub(in crate::torrent) fn glanced(
        &mut self,
        (file, then): (FileIndex, FileStat),
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let Ok(OpOutput::Stat(stat)) = result else { return };
        let now = self.storage.files[file.as_usize()].known;
        // It may be that the daemon told of the change before.
        if Some(then) == stat || (now.is_some() && now == stat) || self.storage.mover.holds(file) {
            return;
        }
        self.doubt(file, stat, cx);
        if now.is_none() {
            // It was written to since.
            self.storage.files[file.as_usize()].known = None;
        }
    }
}
