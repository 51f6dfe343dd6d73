//! A torrent that moves: its files go one after the other, while it downloads and while viewers
//! read.
//!
//! Owns which files lie at the new place already. Each is where [`Torrent::location`] says at every
//! moment; one whose move is under way is not opened, and all else goes on with it: who has it open
//! reads and writes the same bytes. First nothing may lie at any of the new paths. Then that it
//! moves is written down, so that whoever comes after a sudden end looks for each file at both
//! places. What can't be moved brings those back that were moved, and nothing is ever replaced or
//! lost. Moves and looks at all files exclude each other.

mod looks;
mod moves;

use crate::torrent::storage::mover::Answer;
use crate::torrent::storage::mover::Asker;
use std::collections::VecDeque;

use shared_proto::io::{OpError, OpOutput};
use shared_proto::path::check_length;

use crate::context::Context;
use crate::geometry::FileIndex;
use crate::torrent::Status;
use crate::torrent::Torrent;
use crate::torrent::storage::mover::{Relocation, Stage};
use crate::torrent::storage::place::Place;
use crate::view::Sentence;

impl Torrent {
    /// Moves its files to another place, under other names, or both. The answer comes from
    /// [`Torrent::take_answer`]: when the move begins, or when it can't.
    pub(crate) fn relocate(&mut self, to: Place, asker: Asker, cx: &mut Context<'_>) {
        if self.storage.mover.asker.is_some() {
            self.storage.mover.answer = Some((asker, Err(Sentence::MovingAlready)));

            return;
        }
        self.storage.mover.asker = Some(asker);
        if let Err(why) = self.begin_move(to, cx) {
            self.storage.mover.answer(Err(why));
        }
    }

    /// Whether its files are on their way to another place.
    pub(crate) fn is_moving(&self) -> bool {
        self.storage.mover.is_moving()
    }

    fn begin_move(&mut self, to: Place, cx: &mut Context<'_>) -> Result<(), Sentence> {
        // A look that only confirms what is known is made again when the files have arrived.
        self.storage.looking.take_if(|look| !look.is_recheck());
        if self.storage.looking.is_none()
            && self.life.status == Status::Looking
            && self.is_settled()
        {
            self.life.status = Status::Running;
        }
        if !self.life.linked
            || !self.is_settled()
            || self.storage.creating > 0
            || self.storage.looking.is_some()
            || self.is_copying()
        {
            return Err(Sentence::NotReadyToMove);
        }
        if let Some(relocation) = &mut self.storage.mover.relocation {
            if !matches!(relocation.stage, Stage::Stuck(_)) {
                return Err(Sentence::MovingAlready);
            }
            let stage = if to == relocation.to {
                Stage::Moving
            } else if to == self.storage.place {
                Stage::Returning(Sentence::MovedBack)
            } else {
                return Err(Sentence::TwoLocations);
            };
            self.storage.mover.answer(Ok(()));
            self.set_out(stage, cx);
            return Ok(());
        }
        if to == self.storage.place {
            self.storage.mover.answer(Ok(()));
            return Ok(());
        }
        for (index, file) in (0..).zip(&self.content.meta.files).filter(|(_, file)| !file.padding) {
            if let Err(why) = check_length(&to.path(index, file)) {
                let detail = why.to_string();
                return Err(Sentence::PathTooLong { name: file.path.join("/"), detail });
            }
        }
        self.storage.mover.notice = None;
        let mut relocation = Relocation::new(to, Stage::Looking, self.storage.files.len());
        relocation.queue = self.movable(&relocation.to);
        self.storage.mover.rounds += 1;
        relocation.round = self.storage.mover.rounds;
        self.storage.mover.relocation = Some(relocation);
        self.look_ahead(cx);
        cx.changed();
        Ok(())
    }

    /// Where it lies, or lay when it began to move.
    pub(crate) fn place(&self) -> &Place {
        &self.storage.place
    }

    /// The place that differs from its own in the name of one file.
    ///
    /// # Errors
    /// Another file would have the same path.
    pub(crate) fn renamed(&self, file: FileIndex, name: String) -> Result<Place, Sentence> {
        let mut place = self.storage.place.clone();
        if self.is_one_file() {
            place.name = Some(name);
        } else {
            place.renamed.insert(file.0, name);
        }
        let path = |file: FileIndex| {
            place.path(file.0, &self.content.meta.files[file.as_usize()]).join("/").to_lowercase()
        };
        let new = path(file);
        let folder = format!("{new}/");
        let mut others = self
            .content
            .geometry
            .files()
            .filter(|other| *other != file && !self.content.geometry.is_padding(*other));
        if others.any(|other| path(other) == new || path(other).starts_with(&folder)) {
            let name = place.path(file.0, &self.content.meta.files[file.as_usize()]).join("/");
            return Err(Sentence::NameTaken { name });
        }
        Ok(place)
    }

    /// Whether it is a file, and not a folder.
    pub(crate) fn is_one_file(&self) -> bool {
        self.content.meta.files.iter().all(|file| file.path.len() == 1)
    }

    /// Files whose path is another one there.
    fn movable(&self, to: &Place) -> VecDeque<FileIndex> {
        let own = |file: FileIndex| &self.content.meta.files[file.as_usize()];
        let differs = |file: &FileIndex| {
            let (here, there) =
                (self.storage.place.path(file.0, own(*file)), to.path(file.0, own(*file)));
            !own(*file).padding && (&self.storage.place.root, here) != (&to.root, there)
        };
        self.content.geometry.files().filter(differs).collect()
    }

    /// That it moves is written down.
    pub(in crate::torrent) fn saved_move(
        &mut self,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        if self.storage.mover.relocation.as_ref().is_none_or(|it| it.stage != Stage::Writing) {
            return;
        }
        match result {
            Ok(_) => {
                self.storage.mover.answer(Ok(()));
                self.set_out(Stage::Moving, cx);
            }
            Err(error) => self.call_off(Sentence::MoveNotSaved { why: (&error).into() }, cx),
        }
    }

    /// Nothing was moved.
    fn call_off(&mut self, why: Sentence, cx: &mut Context<'_>) {
        self.storage.mover.relocation = None;
        self.storage.mover.answer(Err(why));
        self.create_empty(cx);
        self.confirm(cx);
        self.record.touch(cx.now);
        cx.changed();
    }

    /// Whether a look at all files has to wait for a move; it comes then.
    pub(in crate::torrent) fn postpones_look(&mut self, is_recheck: bool) -> bool {
        let Some(relocation) = &mut self.storage.mover.relocation else { return false };
        let waits = match relocation.stage {
            Stage::Finding => true,
            Stage::Moving | Stage::Returning(_) | Stage::Stuck(_) => {
                !relocation.underway.is_empty()
            }
            Stage::Looking | Stage::Writing => false,
        };
        if waits {
            relocation.look_after = Some(relocation.look_after.unwrap_or(false) | is_recheck);
        }
        waits
    }

    /// The daemon is gone: how far the move came is to be found out.
    pub(in crate::torrent) fn unlink_move(&mut self) {
        self.storage.mover.answer(Err(Sentence::DaemonLost));
        if self.storage.mover.relocation.as_ref().is_some_and(|it| it.stage == Stage::Looking) {
            self.storage.mover.relocation = None;
        }
        if let Some(relocation) = &mut self.storage.mover.relocation {
            relocation.stage = Stage::Finding;
            relocation.underway.clear();
            relocation.look_after = None;
            relocation.moved.fill(false);
        }
    }

    /// What is to be said to whoever asked for a move.
    pub(crate) fn take_answer(&mut self) -> Option<Answer> {
        self.storage.mover.take_answer()
    }

    /// It is taken out of the engine: whoever waits is told.
    pub(crate) fn end_move(&mut self) -> Option<Answer> {
        self.storage.mover.answer(Err(Sentence::Removed));
        self.storage.mover.take_answer()
    }

    /// Where a file lies: at both places while it is being moved, since the daemon does what it is
    /// told after the move, whichever way that goes.
    pub(in crate::torrent) fn places_of(&self, file: FileIndex) -> Vec<&Place> {
        match &self.storage.mover.relocation {
            Some(it)
                if it.underway.contains(&file)
                    && matches!(
                        it.stage,
                        Stage::Moving | Stage::Returning(_) | Stage::Stuck(_)
                    ) =>
            {
                vec![&self.storage.place, &it.to]
            }
            _ => vec![self.place_of(file)],
        }
    }
}
