//! The state of a move: which files are at the new place, its stage, and the answer to its request.
//!
//! It knows no slots and sends no orders. Invariant: a file is at the new place exactly if it is
//! recorded here as moved.

use std::collections::{BTreeSet, VecDeque};

use shared_proto::RequestId;

use super::place::Place;
use crate::geometry::FileIndex;
use crate::limits;
use crate::view::Sentence;

/// Number of files moved at once: renaming is fast, and copying to another disk is not faster in
/// parallel.
const MOVED_AT_ONCE: usize = 4;

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
pub(super) enum Stage {
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
pub(super) struct Relocation {
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
    /// An inspection of all files that waits until no file is between two places. The flag says
    /// whether it is for a check.
    look_after: Option<bool>,
    /// Number of the round of inspections, by which answers of earlier rounds are ignored.
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

    /// Returns the current move.
    pub(super) fn relocation(&self) -> Option<&Relocation> {
        self.relocation.as_ref()
    }

    /// Returns the current move, mutable.
    pub(super) fn relocation_mut(&mut self) -> Option<&mut Relocation> {
        self.relocation.as_mut()
    }

    /// Starts a move to a place. The move begins with an inspection of the new paths of these
    /// files.
    pub(super) fn begin(&mut self, to: Place, queue: VecDeque<FileIndex>, files: usize) {
        self.notice = None;
        self.relocation = Some(Relocation::new(to, Stage::Looking, files));
        self.begin_round(queue);
    }

    /// Starts a round of inspections of the new paths of these files.
    pub(super) fn begin_round(&mut self, queue: VecDeque<FileIndex>) {
        self.rounds += 1;
        if let Some(relocation) = &mut self.relocation {
            relocation.underway.clear();
            (relocation.queue, relocation.round) = (queue, self.rounds);
        }
    }

    /// Ends the move. Returns the place of the files, if it is the new one.
    pub(super) fn arrive(&mut self) -> Option<Place> {
        let relocation = self.relocation.take()?;
        if let Stage::Returning(why) = relocation.stage {
            self.notice = Some(Sentence::MoveStayed { why: why.into() });
            return None;
        }
        Some(relocation.to)
    }

    /// Ends the move before any file was moved.
    pub(super) fn call_off(&mut self, why: Sentence) {
        self.relocation = None;
        self.answer(Err(why));
    }

    /// Returns the place of a file that is not at the old place.
    pub(super) fn place_of(&self, file: FileIndex) -> Option<&Place> {
        let relocation = self.relocation.as_ref()?;
        relocation.moved.get(file.as_usize()).copied().unwrap_or(false).then_some(&relocation.to)
    }

    /// Returns the new place if a file is being moved there or back.
    ///
    /// The file may then be at either place, because the daemon carries out later commands after
    /// the move, whatever its result.
    pub(super) fn other_place_of(&self, file: FileIndex) -> Option<&Place> {
        let relocation = self.relocation.as_ref().filter(|it| it.is_on_its_way(file))?;
        Some(&relocation.to)
    }

    /// Renames a file at the new place as well.
    pub(super) fn rename(&mut self, file: FileIndex, name: &str) {
        if let Some(relocation) = &mut self.relocation {
            relocation.to.renamed.insert(file.get(), name.to_owned());
        }
    }

    /// Returns whether a file is between two places, or its place is unknown.
    pub(super) fn holds(&self, file: FileIndex) -> bool {
        self.relocation
            .as_ref()
            .is_some_and(|it| it.stage == Stage::Finding || it.is_on_its_way(file))
    }

    /// Returns whether a move has to end before empty files may be created.
    pub(super) fn is_moving(&self) -> bool {
        self.relocation.is_some()
    }

    /// Postpones an inspection of all files until after a move. Returns false if there is no move.
    pub(super) fn postpones_look(&mut self, is_recheck: bool) -> bool {
        let Some(relocation) = &mut self.relocation else { return false };
        let waits = match relocation.stage {
            Stage::Finding => true,
            Stage::Looking | Stage::Writing => false,
            Stage::Moving | Stage::Returning(_) | Stage::Stuck(_) => {
                !relocation.underway.is_empty()
            }
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

    /// Records the origin of a request for a move.
    ///
    /// Returns false, with a refusal as its answer, if another request waits for an answer.
    pub(super) fn ask(&mut self, asker: Asker) -> bool {
        if self.asker.is_some() {
            self.answer = Some((asker, Err(Sentence::MovingAlready)));
            return false;
        }
        self.asker = Some(asker);
        true
    }

    /// Sets the answer to the request for a move.
    pub(super) fn answer(&mut self, outcome: Result<(), Sentence>) {
        if let Some(asker) = self.asker.take() {
            self.answer = Some((asker, outcome));
        }
    }

    /// Takes the answer to the request for a move.
    pub(super) fn take_answer(&mut self) -> Option<Answer> {
        self.answer.take()
    }

    /// Forgets the failure of the last move.
    pub(super) fn forget_notice(&mut self) {
        self.notice = None;
    }

    /// Returns the sentence to show about a move.
    pub(super) fn says(&self) -> Option<Sentence> {
        match self.relocation.as_ref().map(|it| &it.stage) {
            Some(Stage::Stuck(why)) => Some(why.clone()),
            Some(Stage::Returning(why)) => {
                Some(Sentence::MoveReturning { why: why.clone().into() })
            }
            Some(_) => Some(Sentence::MovingFiles),
            None => self.notice.clone(),
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

    /// Returns the new place.
    pub(super) fn to(&self) -> &Place {
        &self.to
    }

    /// Returns the stage of the move.
    pub(super) fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Sets the stage of the move.
    pub(super) fn set_stage(&mut self, stage: Stage) {
        self.stage = stage;
    }

    /// Returns the number of the round of inspections.
    pub(super) fn round(&self) -> u32 {
        self.round
    }

    /// Returns whether files are being moved back.
    pub(super) fn is_returning(&self) -> bool {
        matches!(self.stage, Stage::Returning(_))
    }

    /// Returns whether no inspection and no move is pending.
    pub(super) fn is_idle(&self) -> bool {
        self.underway.is_empty()
    }

    /// Returns whether a file is at the new place.
    pub(super) fn is_moved(&self, file: FileIndex) -> bool {
        self.moved[file.as_usize()]
    }

    /// Records whether a file is at the new place.
    pub(super) fn set_moved(&mut self, file: FileIndex, is_moved: bool) {
        self.moved[file.as_usize()] = is_moved;
    }

    /// Returns the share of the bytes at the new place, 0 to 1. `None` if the move is stuck.
    pub(super) fn progress(&self) -> Option<f64> {
        if matches!(self.stage, Stage::Stuck(_)) {
            return None;
        }
        let (all, done) = self.bytes;
        // Precise enough for a progress bar.
        let share = done.min(all).saturating_mul(1_000).checked_div(all).unwrap_or(0);
        Some(f64::from(u32::try_from(share).unwrap_or(0)) / 1_000.0)
    }

    /// Queues the files that are still to be moved. `all` are the files whose paths differ.
    pub(super) fn refill(&mut self, all: VecDeque<FileIndex>, length: impl Fn(FileIndex) -> u64) {
        let is_back = self.is_returning();
        let is_left = |file: &FileIndex| self.moved[file.as_usize()] == is_back;
        let length = |file: &FileIndex| length(*file);
        let left: u64 = all.iter().filter(|file| is_left(file)).map(length).sum();
        let whole: u64 = all.iter().map(length).sum();
        self.bytes = (whole, whole - left);
        let queue = all.into_iter();
        self.queue = queue.filter(|file| is_left(file) && !self.underway.contains(file)).collect();
    }

    /// Takes the next file to inspect. `None` while enough are being inspected.
    pub(super) fn next_look(&mut self) -> Option<FileIndex> {
        self.next_within(limits::LOOKS as usize)
    }

    /// Takes the next file to move. `None` while enough are being moved, and while an inspection
    /// waits.
    pub(super) fn next_move(&mut self) -> Option<FileIndex> {
        if self.look_after.is_some() {
            return None;
        }
        self.next_within(MOVED_AT_ONCE)
    }

    /// Returns whether nothing is left to move, and no inspection waits.
    pub(super) fn is_over(&self) -> bool {
        self.is_idle() && self.queue.is_empty() && self.look_after.is_none()
    }

    /// Records that an inspection or move of a file is pending.
    pub(super) fn begin(&mut self, file: FileIndex) {
        self.underway.insert(file);
    }

    /// Records that an inspection or move of a file has ended.
    pub(super) fn end(&mut self, file: FileIndex) {
        self.underway.remove(&file);
    }

    /// Records that bytes were moved.
    pub(super) fn add_bytes(&mut self, count: u64) {
        self.bytes.1 += count;
    }

    /// Takes the postponed inspection of all files. The flag says whether the inspection is for a
    /// check.
    pub(super) fn take_postponed_look(&mut self) -> Option<bool> {
        self.look_after.take()
    }

    /// Moves the files back because one can't be moved. Those that can't be moved back stay.
    pub(super) fn turn_round(&mut self, was_moved: bool, why: Sentence) {
        self.stage = match &self.stage {
            Stage::Moving => Stage::Returning(why),
            // It was being moved when another one turned all round, and is still at its old place.
            stage if !was_moved => stage.clone(),
            _ => Stage::Stuck(Sentence::MoveStuck { why: why.into() }),
        };
    }

    fn next_within(&mut self, most: usize) -> Option<FileIndex> {
        if self.underway.len() >= most {
            return None;
        }
        self.queue.pop_front()
    }

    fn is_on_its_way(&self, file: FileIndex) -> bool {
        matches!(self.stage, Stage::Moving | Stage::Returning(_) | Stage::Stuck(_))
            && self.underway.contains(&file)
    }
}
