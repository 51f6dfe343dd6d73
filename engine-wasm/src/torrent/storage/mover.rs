//! A move of a torrent: which files lie at the new place already, how far the move is, and the
//! answer for whoever asked for it.
//!
//! Knows no slot and gives no order. Invariant: a file lies at the new place exactly if it is noted
//! here as moved.

use std::collections::{BTreeSet, VecDeque};

use shared_proto::RequestId;

use super::place::Place;
use crate::geometry::FileIndex;
use crate::limits;
use crate::view::Sentence;

/// Number of files moved at once: renaming is fast, and copying to another disk is not faster in
/// parallel.
const MOVED_AT_ONCE: usize = 4;

/// Who is told whether the move has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A page.
    Intent(u64),
    /// A call of the HTTP API.
    Call(RequestId),
}

/// What is said to whoever asked.
pub(crate) type Answer = (Asker, Result<(), Sentence>);

/// How far a move is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// An earlier engine moved it: each file is looked for at both places.
    Finding,
    /// The new place is looked at.
    Looking,
    /// It is being written down that it moves.
    Writing,
    /// Files go there.
    Moving,
    /// They come back, because of this.
    Returning(Sentence),
    /// Some lie here and some there, because of this.
    Stuck(Sentence),
}

/// A move under way.
#[derive(Debug)]
pub(super) struct Relocation {
    to: Place,
    stage: Stage,
    /// Files that lie at the new place.
    moved: Vec<bool>,
    /// Files that are to be looked at, or moved.
    queue: VecDeque<FileIndex>,
    /// Looks and moves under way.
    underway: BTreeSet<FileIndex>,
    /// Bytes to move in all, and those that were.
    bytes: (u64, u64),
    /// A look at all files waits until no file is between two places: whether it is for a recheck.
    look_after: Option<bool>,
    /// The number of the round of looks. Answers of an earlier round are ignored.
    round: u32,
}

/// A move, and what is to be said to whoever asked for one.
#[derive(Debug, Default)]
pub(super) struct Mover {
    relocation: Option<Relocation>,
    asker: Option<Asker>,
    answer: Option<Answer>,
    rounds: u32,
    /// Why the last move came to nothing.
    notice: Option<Sentence>,
}

impl Mover {
    /// Creates the state that an earlier engine left: on the way to this place.
    pub(super) fn restored(to: Option<Place>, files: usize) -> Self {
        let relocation = to.map(|to| Relocation::new(to, Stage::Finding, files));
        Self { relocation, ..Self::default() }
    }

    /// Returns the move that is under way.
    pub(super) fn relocation(&self) -> Option<&Relocation> {
        self.relocation.as_ref()
    }

    /// Returns the move that is under way, to go on with it.
    pub(super) fn relocation_mut(&mut self) -> Option<&mut Relocation> {
        self.relocation.as_mut()
    }

    /// Begins a move to a place, with a look at the new paths of these files.
    pub(super) fn begin(&mut self, to: Place, queue: VecDeque<FileIndex>, files: usize) {
        self.notice = None;
        self.relocation = Some(Relocation::new(to, Stage::Looking, files));
        self.begin_round(queue);
    }

    /// Begins a round of looks at the new paths of these files.
    pub(super) fn begin_round(&mut self, queue: VecDeque<FileIndex>) {
        self.rounds += 1;
        if let Some(relocation) = &mut self.relocation {
            relocation.underway.clear();
            (relocation.queue, relocation.round) = (queue, self.rounds);
        }
    }

    /// Ends the move. Returns the place where the files lie now, if it is the new one.
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

    /// Returns where a file lies, if not at the old place.
    pub(super) fn place_of(&self, file: FileIndex) -> Option<&Place> {
        let relocation = self.relocation.as_ref()?;
        relocation.moved.get(file.as_usize()).copied().unwrap_or(false).then_some(&relocation.to)
    }

    /// Returns the new place if a file is on its way there or back.
    ///
    /// It may lie at both then, since the daemon carries out what it is told after the move,
    /// whichever way that goes.
    pub(super) fn other_place_of(&self, file: FileIndex) -> Option<&Place> {
        let relocation = self.relocation.as_ref().filter(|it| it.is_on_its_way(file))?;
        Some(&relocation.to)
    }

    /// Gives a file another name at the new place, too.
    pub(super) fn rename(&mut self, file: FileIndex, name: &str) {
        if let Some(relocation) = &mut self.relocation {
            relocation.to.renamed.insert(file.get(), name.to_owned());
        }
    }

    /// Returns whether a file is between two places, or nobody knows at which it is.
    pub(super) fn holds(&self, file: FileIndex) -> bool {
        self.relocation
            .as_ref()
            .is_some_and(|it| it.stage == Stage::Finding || it.is_on_its_way(file))
    }

    /// Returns whether a move has to end before files may be made without anybody asking for their
    /// bytes.
    pub(super) fn is_moving(&self) -> bool {
        self.relocation.is_some()
    }

    /// Returns whether a look at all files has to wait for a move; it comes then.
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

    /// Notes that the daemon is gone: how far the move came is to be found out.
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

    /// Notes who asks for a move. An asker is told if another one waits for an answer already.
    ///
    /// Returns false if so.
    pub(super) fn ask(&mut self, asker: Asker) -> bool {
        if self.asker.is_some() {
            self.answer = Some((asker, Err(Sentence::MovingAlready)));
            return false;
        }
        self.asker = Some(asker);
        true
    }

    /// Answers whoever asked for a move.
    pub(super) fn answer(&mut self, outcome: Result<(), Sentence>) {
        if let Some(asker) = self.asker.take() {
            self.answer = Some((asker, outcome));
        }
    }

    /// Takes the answer for whoever asked for a move.
    pub(super) fn take_answer(&mut self) -> Option<Answer> {
        self.answer.take()
    }

    /// Forgets why the last move came to nothing.
    pub(super) fn forget_notice(&mut self) {
        self.notice = None;
    }

    /// Returns what to tell a person about a move.
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

    /// Returns how far the move is.
    pub(super) fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Sets how far the move is.
    pub(super) fn set_stage(&mut self, stage: Stage) {
        self.stage = stage;
    }

    /// Returns the number of the round of looks.
    pub(super) fn round(&self) -> u32 {
        self.round
    }

    /// Returns whether files come back.
    pub(super) fn is_returning(&self) -> bool {
        matches!(self.stage, Stage::Returning(_))
    }

    /// Returns whether no look and no move is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.underway.is_empty()
    }

    /// Returns whether a file lies at the new place.
    pub(super) fn is_moved(&self, file: FileIndex) -> bool {
        self.moved[file.as_usize()]
    }

    /// Notes whether a file lies at the new place.
    pub(super) fn set_moved(&mut self, file: FileIndex, is_moved: bool) {
        self.moved[file.as_usize()] = is_moved;
    }

    /// Returns how much of the torrent is at the new place, 0 to 1; `None` if the move is stuck.
    pub(super) fn progress(&self) -> Option<f64> {
        if matches!(self.stage, Stage::Stuck(_)) {
            return None;
        }
        let (all, done) = self.bytes;
        // Precise enough for a bar.
        let share = done.min(all).saturating_mul(1_000).checked_div(all).unwrap_or(0);
        Some(f64::from(u32::try_from(share).unwrap_or(0)) / 1_000.0)
    }

    /// Queues the files that are still to be moved, out of `all` whose path differs.
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

    /// Takes the next file to look at; `None` while enough are being looked at.
    pub(super) fn next_look(&mut self) -> Option<FileIndex> {
        self.next_within(limits::LOOKS as usize)
    }

    /// Takes the next file to move; `None` while enough are being moved, and while a look waits.
    pub(super) fn next_move(&mut self) -> Option<FileIndex> {
        if self.look_after.is_some() {
            return None;
        }
        self.next_within(MOVED_AT_ONCE)
    }

    /// Returns whether nothing is left to move, and no look waits.
    pub(super) fn is_over(&self) -> bool {
        self.is_idle() && self.queue.is_empty() && self.look_after.is_none()
    }

    /// Notes that a look or move of a file is under way.
    pub(super) fn begin(&mut self, file: FileIndex) {
        self.underway.insert(file);
    }

    /// Notes that a look or move of a file has ended.
    pub(super) fn end(&mut self, file: FileIndex) {
        self.underway.remove(&file);
    }

    /// Notes that bytes were moved.
    pub(super) fn add_bytes(&mut self, count: u64) {
        self.bytes.1 += count;
    }

    /// Takes the look at all files that was postponed: whether it is for a recheck.
    pub(super) fn take_postponed_look(&mut self) -> Option<bool> {
        self.look_after.take()
    }

    /// Has the files come back because one can't be moved; those that can't come back stay where
    /// they are.
    pub(super) fn turn_round(&mut self, was_moved: bool, why: Sentence) {
        self.stage = match &self.stage {
            Stage::Moving => Stage::Returning(why),
            // It was on its way when another one turned all round, and is where it was.
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
