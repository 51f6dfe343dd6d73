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
mod mover;
mod moves;

use std::collections::VecDeque;

use shared_proto::RequestId;
use shared_proto::io::{OpError, OpOutput};
use shared_proto::path::check_length;

use super::{Place, Status, Torrent};
use crate::context::Context;
use crate::geometry::FileIndex;
pub(super) use mover::Mover;
use mover::{Relocation, Stage};

/// Who is told whether the move has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A page.
    Intent(u64),
    /// A call of the HTTP API.
    Call(RequestId),
}

/// What is said to whoever asked.
pub(crate) type Answer = (Asker, Result<(), String>);

impl Torrent {
    /// Moves its files to another place, under other names, or both. The answer comes from
    /// [`Torrent::take_answer`]: when the move begins, or when it can't.
    pub(crate) fn relocate(&mut self, to: Place, asker: Asker, cx: &mut Context<'_>) {
        if self.mover.asker.is_some() {
            self.mover.answer = Some((
                asker,
                Err("This torrent is being moved already. Try again in a moment.".to_owned()),
            ));
            return;
        }
        self.mover.asker = Some(asker);
        if let Err(why) = self.begin_move(to, cx) {
            self.mover.answer(Err(why));
        }
    }

    /// Whether its files are on their way to another place.
    pub(crate) fn is_moving(&self) -> bool {
        self.mover.is_moving()
    }

    fn begin_move(&mut self, to: Place, cx: &mut Context<'_>) -> Result<(), String> {
        // A look that only confirms what is known is made again when the files have arrived.
        self.looking.take_if(|look| !look.is_recheck());
        if self.looking.is_none() && self.status == Status::Looking && self.is_settled() {
            self.status = Status::Running;
        }
        if !self.linked
            || !self.is_settled()
            || self.creating > 0
            || self.looking.is_some()
            || self.is_copying()
        {
            return Err("The torrent is not ready to be moved. Try again in a moment.".to_owned());
        }
        if let Some(relocation) = &mut self.mover.relocation {
            if !matches!(relocation.stage, Stage::Stuck(_)) {
                return Err(
                    "This torrent is being moved already. Try again when that is done.".to_owned()
                );
            }
            let stage = if to == relocation.to {
                Stage::Moving
            } else if to == self.place {
                Stage::Returning("It is moved back.".to_owned())
            } else {
                return Err(
                    "Its files are in two locations. Move it to one of them first.".to_owned()
                );
            };
            self.mover.answer(Ok(()));
            self.set_out(stage, cx);
            return Ok(());
        }
        if to == self.place {
            self.mover.answer(Ok(()));
            return Ok(());
        }
        for (index, file) in (0..).zip(&self.meta.files).filter(|(_, file)| !file.padding) {
            if let Err(why) = check_length(&to.path(index, file)) {
                return Err(format!(
                    "The path of “{}” would be too long there: {why}.",
                    file.path.join("/")
                ));
            }
        }
        self.mover.notice = None;
        let mut relocation = Relocation::new(to, Stage::Looking, self.files.len());
        relocation.queue = self.movable(&relocation.to);
        self.mover.rounds += 1;
        relocation.round = self.mover.rounds;
        self.mover.relocation = Some(relocation);
        self.look_ahead(cx);
        cx.changed();
        Ok(())
    }

    /// Where it lies, or lay when it began to move.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The place that differs from its own in the name of one file.
    ///
    /// # Errors
    /// Another file would have the same path.
    pub(crate) fn renamed(&self, file: FileIndex, name: String) -> Result<Place, String> {
        let mut place = self.place.clone();
        if self.is_one_file() {
            place.name = Some(name);
        } else {
            place.renamed.insert(file.0, name);
        }
        let path = |file: FileIndex| {
            place.path(file.0, &self.meta.files[file.as_usize()]).join("/").to_lowercase()
        };
        let new = path(file);
        let folder = format!("{new}/");
        let mut others = self
            .geometry
            .files()
            .filter(|other| *other != file && !self.geometry.is_padding(*other));
        if others.any(|other| path(other) == new || path(other).starts_with(&folder)) {
            return Err(format!(
                "The torrent has a file “{}” already.",
                place.path(file.0, &self.meta.files[file.as_usize()]).join("/")
            ));
        }
        Ok(place)
    }

    /// Whether it is a file, and not a folder.
    pub(crate) fn is_one_file(&self) -> bool {
        self.meta.files.iter().all(|file| file.path.len() == 1)
    }

    /// Files whose path is another one there.
    fn movable(&self, to: &Place) -> VecDeque<FileIndex> {
        let own = |file: FileIndex| &self.meta.files[file.as_usize()];
        let differs = |file: &FileIndex| {
            let (here, there) = (self.place.path(file.0, own(*file)), to.path(file.0, own(*file)));
            !own(*file).padding && (&self.place.root, here) != (&to.root, there)
        };
        self.geometry.files().filter(differs).collect()
    }

    /// That it moves is written down.
    pub(super) fn saved_move(&mut self, result: Result<OpOutput, OpError>, cx: &mut Context<'_>) {
        if self.mover.relocation.as_ref().is_none_or(|it| it.stage != Stage::Writing) {
            return;
        }
        match result {
            Ok(_) => {
                self.mover.answer(Ok(()));
                self.set_out(Stage::Moving, cx);
            }
            Err(error) => self.call_off(format!("The move can't be saved: {}.", error.message), cx),
        }
    }

    /// Nothing was moved.
    fn call_off(&mut self, why: String, cx: &mut Context<'_>) {
        self.mover.relocation = None;
        self.mover.answer(Err(why));
        self.create_empty(cx);
        self.confirm(cx);
        self.record.touch(cx.now);
        cx.changed();
    }

    /// Whether a look at all files has to wait for a move; it comes then.
    pub(super) fn postpones_look(&mut self, is_recheck: bool) -> bool {
        let Some(relocation) = &mut self.mover.relocation else { return false };
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
    pub(super) fn unlink_move(&mut self) {
        let gone =
            || Err("Lost connection to the daemon before the move began. Try again.".to_owned());
        self.mover.answer(gone());
        if self.mover.relocation.as_ref().is_some_and(|it| it.stage == Stage::Looking) {
            self.mover.relocation = None;
        }
        if let Some(relocation) = &mut self.mover.relocation {
            relocation.stage = Stage::Finding;
            relocation.underway.clear();
            relocation.look_after = None;
            relocation.moved.fill(false);
        }
    }

    /// What is to be said to whoever asked for a move.
    pub(crate) fn take_answer(&mut self) -> Option<Answer> {
        self.mover.take_answer()
    }

    /// It is taken out of the engine: whoever waits is told.
    pub(crate) fn end_move(&mut self) -> Option<Answer> {
        self.mover.answer(Err("The torrent was removed.".to_owned()));
        self.mover.take_answer()
    }

    /// Where a file lies: at both places while it is being moved, since the daemon does what it is
    /// told after the move, whichever way that goes.
    pub(super) fn places_of(&self, file: FileIndex) -> Vec<&Place> {
        match &self.mover.relocation {
            Some(it)
                if it.underway.contains(&file)
                    && matches!(
                        it.stage,
                        Stage::Moving | Stage::Returning(_) | Stage::Stuck(_)
                    ) =>
            {
                vec![&self.place, &it.to]
            }
            _ => vec![self.place_of(file)],
        }
    }
}
