//! Moves a torrent file by file, while it downloads and while viewers read.
//!
//! [`Storage::location`] is right for each file at every moment. A file that is being moved is not
//! opened, and everything else continues: readers and writers that have it open keep the same
//! bytes. First, nothing may exist at any of the new paths ([`looks`]). Then the move is saved, so
//! that after a crash the next engine looks for each file at both places. Then the files are moved
//! ([`moves`]); if one can't be moved, the others are moved back. Nothing is ever replaced or lost.
//! Moves and inspections of all files exclude each other.

mod looks;
mod moves;

use std::collections::VecDeque;

use shared_proto::io::{OpError, OpOutput};
use shared_proto::path::check_length;

use super::Storage;
use super::effect::Effect;
use super::mover::{Answer, Asker, Stage};
use super::place::Place;
use crate::geometry::FileIndex;
use crate::handles::Handles;
use crate::torrent::content::Content;
use crate::view::Sentence;

impl Storage {
    /// The destination of the move, once it is saved.
    pub(in crate::torrent) fn target(&self) -> Option<&Place> {
        let relocation = self.mover.relocation()?;
        (*relocation.stage() != Stage::Looking).then_some(relocation.to())
    }

    /// Whether its files are being moved.
    pub(in crate::torrent) fn is_moving(&self) -> bool {
        self.mover.is_moving()
    }

    /// Share of the bytes that are at the new place, 0 to 1.
    pub(in crate::torrent) fn move_progress(&self) -> Option<f64> {
        self.mover.relocation()?.progress()
    }

    /// The sentence to show about a move.
    pub(in crate::torrent) fn move_says(&self) -> Option<Sentence> {
        self.mover.says()
    }

    /// Forgets the failure of the last move, because the user does something else.
    pub(in crate::torrent) fn forget_move_notice(&mut self) {
        self.mover.forget_notice();
    }

    /// Takes the answer to a request for a move, once there is one.
    pub(in crate::torrent) fn take_answer(&mut self) -> Option<Answer> {
        self.mover.take_answer()
    }

    /// The torrent is removed: returns the answer to a waiting request for a move.
    pub(in crate::torrent) fn end_move(&mut self) -> Option<Answer> {
        self.mover.answer(Err(Sentence::Removed));
        self.mover.take_answer()
    }

    /// Moves the files to another place, under other names, or both.
    ///
    /// [`Storage::take_answer`] has the answer when the move begins, or when it can't, for example
    /// without a daemon (`is_linked`).
    pub(in crate::torrent) fn relocate(
        &mut self,
        content: &Content,
        (to, asker): (Place, Asker),
        is_linked: bool,
        handles: &Handles,
    ) -> Vec<Effect> {
        if !self.mover.ask(asker) {
            return Vec::new();
        }
        let mut effects = Vec::new();
        // An inspection that only confirms what is known is repeated after the move.
        self.looks.call_confirmation_off();
        if !self.is_looking() && self.is_settled(content) {
            effects.push(Effect::LookCalledOff);
        }
        match self.begin_move(content, to, is_linked, handles) {
            Ok(begun) => effects.extend(begun),
            Err(why) => self.mover.answer(Err(why)),
        }
        effects
    }

    fn begin_move(
        &mut self,
        content: &Content,
        to: Place,
        is_linked: bool,
        handles: &Handles,
    ) -> Result<Vec<Effect>, Sentence> {
        let is_busy = self.empties.underway() > 0 || self.is_looking() || self.is_copying();
        if !is_linked || !self.is_settled(content) || is_busy {
            return Err(Sentence::NotReadyToMove);
        }
        if let Some(relocation) = self.mover.relocation() {
            if !matches!(relocation.stage(), Stage::Stuck(_)) {
                return Err(Sentence::MovingAlready);
            }
            let stage = if to == *relocation.to() {
                Stage::Moving
            } else if to == self.place {
                Stage::Returning(Sentence::MovedBack)
            } else {
                return Err(Sentence::TwoLocations);
            };
            self.mover.answer(Ok(()));
            return Ok(self.set_out(content, stage, handles));
        }
        if to == self.place {
            self.mover.answer(Ok(()));
            return Ok(Vec::new());
        }
        for (index, file) in (0..).zip(&content.meta.files).filter(|(_, file)| !file.padding) {
            if let Err(why) = check_length(&to.path(index, file)) {
                let detail = why.to_string();
                return Err(Sentence::PathTooLong { name: file.path.join("/"), detail });
            }
        }
        let queue = self.movable(content, &to);
        self.mover.begin(to, queue, self.files.len());
        let mut effects = self.look_ahead(content);
        effects.push(Effect::Changed);
        Ok(effects)
    }

    /// The place that differs from the current one in the name of one file.
    ///
    /// # Errors
    /// Another file would have the same path.
    pub(in crate::torrent) fn renamed(
        &self,
        content: &Content,
        file: FileIndex,
        name: String,
    ) -> Result<Place, Sentence> {
        let mut place = self.place.clone();
        if content.meta.files.iter().all(|file| file.path.len() == 1) {
            place.name = Some(name);
        } else {
            place.renamed.insert(file.get(), name);
        }
        let own = |file: FileIndex| place.path(file.get(), &content.meta.files[file.as_usize()]);
        let new = own(file).join("/").to_lowercase();
        let folder = format!("{new}/");
        let mut others = content
            .geometry
            .files()
            .filter(|other| *other != file && !content.geometry.is_padding(*other))
            .map(|other| own(other).join("/").to_lowercase());
        if others.any(|other| other == new || other.starts_with(&folder)) {
            return Err(Sentence::NameTaken { name: own(file).join("/") });
        }
        Ok(place)
    }

    /// Files whose path differs at the new place.
    fn movable(&self, content: &Content, to: &Place) -> VecDeque<FileIndex> {
        let differs = |file: &FileIndex| {
            let own = &content.meta.files[file.as_usize()];
            let (here, there) = (self.place.path(file.get(), own), to.path(file.get(), own));
            !own.padding && (&self.place.root, here) != (&to.root, there)
        };
        content.geometry.files().filter(differs).collect()
    }

    /// The move was saved, or can't be.
    pub(in crate::torrent) fn saved_move(
        &mut self,
        content: &Content,
        result: Result<OpOutput, OpError>,
        handles: &Handles,
    ) -> Vec<Effect> {
        if self.mover.relocation().is_none_or(|it| *it.stage() != Stage::Writing) {
            return Vec::new();
        }
        match result {
            Ok(_) => {
                self.mover.answer(Ok(()));
                self.set_out(content, Stage::Moving, handles)
            }
            Err(error) => self.call_off(Sentence::MoveNotSaved { why: (&error).into() }),
        }
    }

    /// Cancels a move before any file was moved.
    fn call_off(&mut self, why: Sentence) -> Vec<Effect> {
        self.mover.call_off(why);
        vec![Effect::MoveCalledOff]
    }

    /// The possible places of a file. These are both while it is being moved, because the daemon
    /// carries out later commands after the move, whatever its result.
    pub(super) fn places_of(&self, file: FileIndex) -> Vec<&Place> {
        match self.mover.other_place_of(file) {
            Some(there) => vec![&self.place, there],
            None => vec![self.place_of(file)],
        }
    }
}
