//! The files of a torrent go from one place to the other, some at a time; when one can't, all come
//! back.

use std::collections::VecDeque;

use shared_proto::IoCommand;
use shared_proto::io::{OpError, OpErrorKind, OpOutput};

use crate::context::Context;
use crate::geometry::FileIndex;
use crate::handles::Which;
use crate::torrent::storage::mover::Stage;
use crate::torrent::{Op, Torrent};
use crate::view::Sentence;

/// Files under way at once: renaming is quick, and copying to another disk one by one is as fast as
/// it gets.
const MOVED_AT_ONCE: usize = 4;

impl Torrent {
    pub(in crate::torrent) fn set_out(&mut self, stage: Stage, cx: &mut Context<'_>) {
        if let Some(relocation) = &mut self.storage.mover.relocation {
            relocation.stage = stage;
        }
        self.fill_queue();
        self.move_next(cx);
        cx.changed();
    }

    /// Which files are still to be moved.
    pub(in crate::torrent) fn fill_queue(&mut self) {
        let Some(relocation) = &self.storage.mover.relocation else { return };
        let is_back = matches!(relocation.stage, Stage::Returning(_));
        let all = self.movable(&relocation.to);
        let left: VecDeque<FileIndex> = all
            .iter()
            .copied()
            .filter(|file| relocation.moved[file.as_usize()] == is_back)
            .collect();
        let length = |files: &VecDeque<FileIndex>| {
            files.iter().map(|&file| self.content.geometry.file_len(file)).sum::<u64>()
        };
        let bytes = (length(&all), length(&all) - length(&left));
        if let Some(relocation) = &mut self.storage.mover.relocation {
            let left =
                left.into_iter().filter(|file| !relocation.underway.contains(file)).collect();
            (relocation.queue, relocation.bytes) = (left, bytes);
        }
    }

    /// Moves the next files, or ends the move.
    pub(in crate::torrent) fn move_next(&mut self, cx: &mut Context<'_>) {
        loop {
            let Some(relocation) = &mut self.storage.mover.relocation else { return };
            if relocation.underway.is_empty()
                && let Some(is_recheck) = relocation.look_after.take()
            {
                return self.look(is_recheck, cx);
            }
            let is_back = match relocation.stage {
                Stage::Moving => false,
                Stage::Returning(_) => true,
                _ => return,
            };
            if !self.life.linked
                || self.storage.looking.is_some()
                || relocation.look_after.is_some()
            {
                return;
            }
            if relocation.underway.len() >= MOVED_AT_ONCE {
                return;
            }
            let Some(file) = relocation.queue.pop_front() else { break };
            if !self.storage.files[file.as_usize()].is_there
                && !cx.shared.handles.is_open((self.content.meta.info_hash, file, Which::Own))
            {
                // There is nothing to move: it comes into being at the new place.
                relocation.moved[file.as_usize()] = !is_back;
                self.announce_file(file, cx);
                continue;
            }
            relocation.underway.insert(file);
            self.storage.files[file.as_usize()].is_stamping = false;
            let own = &self.content.meta.files[file.as_usize()];
            let (here, there) = (self.storage.place.clone(), relocation.to.clone());
            let (from, to) = if is_back { (&there, &here) } else { (&here, &there) };
            let (from, to) = (
                (from.root.clone(), from.path(file.0, own)),
                (to.root.clone(), to.path(file.0, own)),
            );
            let identity = self.storage.files[file.as_usize()].origin.identity();
            self.ask(Op::Move(file), cx, |op| IoCommand::FileMove {
                op,
                identity,
                root: from.0,
                from: from.1,
                to_root: to.0,
                to: to.1,
            });
        }
        if self.storage.mover.relocation.as_ref().is_some_and(|it| it.underway.is_empty()) {
            self.arrive(cx);
        }
    }

    /// A file was moved, or was not.
    pub(in crate::torrent) fn file_moved(
        &mut self,
        file: FileIndex,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let Some(relocation) = &mut self.storage.mover.relocation else { return };
        relocation.underway.remove(&file);
        let is_back = matches!(relocation.stage, Stage::Returning(_));
        let was_moved = relocation.moved[file.as_usize()];
        match result {
            Ok(_) => {
                relocation.moved[file.as_usize()] = !was_moved;
                relocation.bytes.1 += self.content.geometry.file_len(file);
                self.lies_elsewhere(file, cx);
                if is_back && !was_moved {
                    // It was on its way when the others turned round.
                    self.fill_queue();
                }
            }
            Err(error) if error.kind == OpErrorKind::NotFound => {
                // Somebody took it away.
                relocation.moved[file.as_usize()] = !was_moved;
                self.announce_file(file, cx);
                self.doubt(file, None, cx);
            }
            Err(error) if error.kind == OpErrorKind::Changed => {
                // Somebody put another file in its place: that one stays where it is, and ours is
                // made anew.
                relocation.moved[file.as_usize()] = !was_moved;
                self.announce_file(file, cx);
                self.replaced(file, cx);
            }
            Err(error) => self.turn_round(file, was_moved, &error, cx),
        }
        self.fetch.invalidate();
        self.check_next(cx);
        self.move_next(cx);
    }

    /// A file has another path now.
    fn lies_elsewhere(&mut self, file: FileIndex, cx: &mut Context<'_>) {
        self.announce_file(file, cx);
        let slot = &mut self.storage.files[file.as_usize()];
        slot.is_there = true;
        // A new name is a change, and a copy is another file: it is stamped anew.
        (slot.stamp, slot.known) = (None, None);
        self.wants_stamp(file, cx.now);
    }

    /// A file can't be moved: those that were go back. Those that can't go back stay where they
    /// are.
    fn turn_round(
        &mut self,
        file: FileIndex,
        was_moved: bool,
        error: &OpError,
        cx: &mut Context<'_>,
    ) {
        let name = self.shown_path(file).join("/");
        let Some(relocation) = &mut self.storage.mover.relocation else { return };
        let why = match error.kind {
            OpErrorKind::Full => Sentence::MoveFull,
            OpErrorKind::Denied => Sentence::MoveDenied { why: error.into() },
            OpErrorKind::Exists => Sentence::MoveExists { name },
            _ => Sentence::MoveFailed { name, why: error.into() },
        };
        tracing::warn!(torrent = %self.content.meta.info_hash, file = file.0, kind = ?error.kind, "a file could not be moved");
        relocation.stage = match &relocation.stage {
            Stage::Moving => Stage::Returning(why),
            // It was on its way when another one turned all round, and is where it was.
            stage if !was_moved => stage.clone(),
            _ => Stage::Stuck(Sentence::MoveStuck { why: why.into() }),
        };
        self.fill_queue();
        cx.changed();
    }

    /// All files lie at one place.
    fn arrive(&mut self, cx: &mut Context<'_>) {
        let Some(relocation) = self.storage.mover.relocation.take() else { return };
        match relocation.stage {
            Stage::Returning(why) => {
                self.storage.mover.notice = Some(Sentence::MoveStayed { why: why.into() })
            }
            _ => self.storage.place = relocation.to,
        }
        self.find_films();
        self.create_empty(cx);
        self.confirm(cx);
        self.fetch.invalidate();
        self.next_tick = cx.now;
        self.record.touch(cx.now);
        self.check_next(cx);
        cx.changed();
    }
}
