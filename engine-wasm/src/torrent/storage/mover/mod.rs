//! Moves a torrent file by file, while it downloads and while viewers read.
//!
//! Owns which files are at the new place already; [`Storage::location`] is right for each at every
//! moment. A file that is being moved is not opened, and everything else continues: readers and
//! writers that have it open keep the same bytes. First, nothing may exist at any of the new paths
//! ([`looks`]). Then the move is saved, so that after a crash the next engine looks for each file
//! at both places. Then the files are moved ([`moves`]); if one can't be moved, the others are
//! moved back. Nothing is ever replaced or lost. Moves and inspections of all files exclude each
//! other.

mod looks;
mod moves;

use std::collections::{BTreeSet, VecDeque};

use shared_proto::RequestId;
use shared_proto::io::{OpError, OpOutput};
use shared_proto::path::check_length;

use super::Storage;
use super::effect::Effect;
use super::place::Place;
use crate::geometry::FileIndex;
use crate::handles::Handles;
use crate::torrent::content::Content;
use crate::view::Sentence;

/// The origin of a request for a move, which gets the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A page.
    Intent(u64),
    /// A call of the HTTP API.
    Call(RequestId),
}

/// The answer to a request for a move.
pub(crate) type Answer = (Asker, Result<(), Sentence>);

/// The stage of a move.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// After a crash: each file is looked for at both places.
    Finding,
    /// The new place is being inspected.
    Looking,
    /// The move is being saved.
    Writing,
    /// Files are being moved to the new place.
    Moving,
    /// Files are being moved back, for this reason.
    Returning(Sentence),
    /// Some files are at each place, for this reason.
    Stuck(Sentence),
}

/// A move in progress.
#[derive(Debug)]
struct Relocation {
    to: Place,
    stage: Stage,
    /// Files that are at the new place.
    moved: Vec<bool>,
    /// Files to inspect or to move.
    queue: VecDeque<FileIndex>,
    /// Pending inspections and moves.
    underway: BTreeSet<FileIndex>,
    /// Bytes to move in total, and bytes moved.
    bytes: (u64, u64),
    /// An inspection of all files that waits until no file is between two places. Whether it is for
    /// a check.
    look_after: Option<bool>,
    /// Number of the round, by which answers of earlier rounds are ignored.
    round: u32,
}

/// The current move, and the answer to its request.
#[derive(Debug, Default)]
pub(super) struct Mover {
    relocation: Option<Relocation>,
    asker: Option<Asker>,
    answer: Option<Answer>,
    rounds: u32,
    /// Why the last move failed.
    notice: Option<Sentence>,
}

impl Mover {
    /// Restores the move that an earlier engine had begun to this place.
    pub(super) fn restored(to: Option<Place>, files: usize) -> Self {
        let relocation = to.map(|to| Relocation::new(to, Stage::Finding, files));
        Self { relocation, ..Self::default() }
    }

    /// The place of a file that is not at the old place.
    pub(super) fn place_of(&self, file: FileIndex) -> Option<&Place> {
        let relocation = self.relocation.as_ref()?;
        relocation.moved.get(file.as_usize()).copied().unwrap_or(false).then_some(&relocation.to)
    }

    /// A file gets another name at the new place as well.
    pub(super) fn rename(&mut self, file: FileIndex, name: &str) {
        if let Some(relocation) = &mut self.relocation {
            relocation.to.renamed.insert(file.get(), name.to_owned());
        }
    }

    /// Whether a file is between two places, or its place is unknown.
    pub(super) fn holds(&self, file: FileIndex) -> bool {
        self.relocation.as_ref().is_some_and(|it| match it.stage {
            Stage::Finding => true,
            Stage::Moving | Stage::Returning(_) | Stage::Stuck(_) => it.underway.contains(&file),
            Stage::Looking | Stage::Writing => false,
        })
    }

    /// Whether a move has to end before empty files may be created.
    pub(super) fn is_moving(&self) -> bool {
        self.relocation.is_some()
    }

    /// Postpones an inspection of all files until after a move. False if there is no move.
    pub(super) fn postpones_look(&mut self, is_recheck: bool) -> bool {
        let Some(relocation) = &mut self.relocation else { return false };
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

    /// The link to the daemon is lost: the progress of the move has to be inspected.
    pub(super) fn unlink(&mut self) {
        self.answer(Err(Sentence::DaemonLost));
        self.relocation.take_if(|it| it.stage == Stage::Looking);
        if let Some(relocation) = &mut self.relocation {
            relocation.stage = Stage::Finding;
            relocation.underway.clear();
            relocation.look_after = None;
            relocation.moved.fill(false);
        }
    }

    fn answer(&mut self, outcome: Result<(), Sentence>) {
        if let Some(asker) = self.asker.take() {
            self.answer = Some((asker, outcome));
        }
    }
}

impl Relocation {
    fn new(to: Place, stage: Stage, files: usize) -> Self {
        Self {
            to,
            stage,
            moved: vec![false; files],
            queue: VecDeque::new(),
            underway: BTreeSet::new(),
            bytes: (0, 0),
            look_after: None,
            round: 0,
        }
    }
}

impl Storage {
    /// The destination of the move, once it is saved.
    pub(in crate::torrent) fn target(&self) -> Option<&Place> {
        let relocation = self.mover.relocation.as_ref()?;
        (relocation.stage != Stage::Looking).then_some(&relocation.to)
    }

    /// Whether its files are being moved.
    pub(in crate::torrent) fn is_moving(&self) -> bool {
        self.mover.is_moving()
    }

    /// Share of the bytes that are at the new place, 0 to 1.
    pub(in crate::torrent) fn move_progress(&self) -> Option<f64> {
        let relocation =
            self.mover.relocation.as_ref().filter(|it| !matches!(it.stage, Stage::Stuck(_)))?;
        let (all, done) = relocation.bytes;
        // Precise enough for a progress bar.
        let share = done.min(all).saturating_mul(1_000).checked_div(all).unwrap_or(0);
        Some(f64::from(u32::try_from(share).unwrap_or(0)) / 1_000.0)
    }

    /// The sentence to show about a move.
    pub(in crate::torrent) fn move_says(&self) -> Option<Sentence> {
        match self.mover.relocation.as_ref().map(|it| &it.stage) {
            Some(Stage::Stuck(why)) => Some(why.clone()),
            Some(Stage::Returning(why)) => {
                Some(Sentence::MoveReturning { why: why.clone().into() })
            }
            Some(_) => Some(Sentence::MovingFiles),
            None => self.mover.notice.clone(),
        }
    }

    /// Forgets the failure of the last move, because the user does something else.
    pub(in crate::torrent) fn forget_move_notice(&mut self) {
        self.mover.notice = None;
    }

    /// Takes the answer to a request for a move, once there is one.
    pub(in crate::torrent) fn take_answer(&mut self) -> Option<Answer> {
        self.mover.answer.take()
    }

    /// The torrent is removed: returns the answer to a waiting request for a move.
    pub(in crate::torrent) fn end_move(&mut self) -> Option<Answer> {
        self.mover.answer(Err(Sentence::Removed));
        self.mover.answer.take()
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
        if self.mover.asker.is_some() {
            self.mover.answer = Some((asker, Err(Sentence::MovingAlready)));
            return Vec::new();
        }
        self.mover.asker = Some(asker);
        let mut effects = Vec::new();
        // An inspection that only confirms what is known is repeated after the move.
        self.call_confirmation_off();
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
        if let Some(relocation) = &self.mover.relocation {
            if !matches!(relocation.stage, Stage::Stuck(_)) {
                return Err(Sentence::MovingAlready);
            }
            let stage = if to == relocation.to {
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
        self.mover.notice = None;
        let mut relocation = Relocation::new(to, Stage::Looking, self.files.len());
        relocation.queue = self.movable(content, &relocation.to);
        self.mover.rounds += 1;
        relocation.round = self.mover.rounds;
        self.mover.relocation = Some(relocation);
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
        if self.mover.relocation.as_ref().is_none_or(|it| it.stage != Stage::Writing) {
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
        self.mover.relocation = None;
        self.mover.answer(Err(why));
        vec![Effect::MoveCalledOff]
    }

    /// The possible places of a file. These are both while it is being moved, because the daemon
    /// carries out later commands after the move, whatever its result.
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
