//! Looks at both places: whether anything lies in the way, and after a sudden end, how far a move
//! had come.

use std::collections::BTreeSet;

use shared_proto::IoCommand;
use shared_proto::io::{OpError, OpErrorKind, OpOutput};

use crate::context::Context;
use crate::geometry::FileIndex;
use crate::limits;
use crate::torrent::storage::mover::Stage;
use crate::torrent::{Op, Place, Status, Torrent};
use crate::view::Sentence;

impl Torrent {
    /// A daemon is there, and an earlier engine moved it: finds out how far that went. False when
    /// there is nothing to find out.
    pub(in crate::torrent) fn find_moved(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(relocation) = &mut self.storage.mover.relocation else { return false };
        if relocation.stage != Stage::Finding {
            return false;
        }
        let to = relocation.to.clone();
        let queue = self.movable(&to);
        self.storage.mover.rounds += 1;
        if let Some(relocation) = &mut self.storage.mover.relocation {
            (relocation.queue, relocation.underway, relocation.round) =
                (queue, BTreeSet::new(), self.storage.mover.rounds);
        }
        if self.life.status == Status::Running {
            self.life.status = Status::Looking;
        }
        self.look_ahead(cx);
        true
    }

    /// Looks at the new paths, some at a time.
    pub(in crate::torrent) fn look_ahead(&mut self, cx: &mut Context<'_>) {
        loop {
            let Some(relocation) = &mut self.storage.mover.relocation else { return };
            if relocation.underway.len() >= limits::LOOKS as usize {
                return;
            }
            let Some(file) = relocation.queue.pop_front() else { break };
            relocation.underway.insert(file);
            let (to, round) = (relocation.to.clone(), relocation.round);
            self.stat_at(file, &to, Op::LookAhead(file, round), cx);
        }
        if self.storage.mover.relocation.as_ref().is_some_and(|it| it.underway.is_empty()) {
            self.looked_everywhere(cx);
        }
    }

    fn stat_at(&mut self, file: FileIndex, place: &Place, purpose: Op, cx: &mut Context<'_>) {
        let (root, path) =
            (place.root.clone(), place.path(file.0, &self.content.meta.files[file.as_usize()]));
        self.ask(purpose, cx, |op| IoCommand::FileStat { op, root, path });
    }

    /// A new path was looked at.
    pub(in crate::torrent) fn looked_ahead(
        &mut self,
        (file, round): (FileIndex, u32),
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let Some(relocation) =
            self.storage.mover.relocation.as_mut().filter(|it| it.round == round)
        else {
            return;
        };
        let is_empty = match &result {
            Ok(OpOutput::Stat(found)) => found.is_none(),
            Err(error) => error.kind == OpErrorKind::NotFound,
            Ok(_) => false,
        };
        match (&relocation.stage, is_empty) {
            (Stage::Finding, false) => {
                let here = self.storage.place.clone();
                return self.stat_at(file, &here, Op::LookBack(file, round), cx);
            }
            (Stage::Looking, false) => {
                let path =
                    relocation.to.path(file.0, &self.content.meta.files[file.as_usize()]).join("/");
                let says = match &result {
                    Err(error) if error.kind != OpErrorKind::Exists => {
                        Sentence::CantMoveThere { why: error.into() }
                    }
                    _ => Sentence::PlaceTaken { path },
                };
                return self.call_off(says, cx);
            }
            _ => {}
        }
        relocation.underway.remove(&file);
        self.look_ahead(cx);
    }

    /// Something is at a file's new path; its old one was looked at.
    pub(in crate::torrent) fn looked_back(
        &mut self,
        (file, round): (FileIndex, u32),
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let Some(relocation) =
            self.storage.mover.relocation.as_mut().filter(|it| it.round == round)
        else {
            return;
        };
        // What lies at both places did not come from here, or was not taken away yet: the old one
        // counts.
        relocation.moved[file.as_usize()] = matches!(result, Ok(OpOutput::Stat(None)));
        relocation.underway.remove(&file);
        self.look_ahead(cx);
    }

    fn looked_everywhere(&mut self, cx: &mut Context<'_>) {
        let Some(relocation) = &mut self.storage.mover.relocation else { return };
        match relocation.stage {
            Stage::Finding => {
                relocation.stage = Stage::Moving;
                let is_recheck = relocation.look_after.take().unwrap_or(false);
                self.fill_queue();
                self.announce_files(cx);
                self.look(is_recheck, cx);
            }
            Stage::Looking => {
                relocation.stage = Stage::Writing;
                self.put_record(Op::SaveMove, cx);
            }
            _ => {}
        }
    }
}
