//! What is known of a move while it is under way.

use std::collections::{BTreeSet, VecDeque};

use shared_proto::RequestId;

use crate::geometry::FileIndex;
use crate::torrent::Place;
use crate::view::Sentence;

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

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::torrent) enum Stage {
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
pub(in crate::torrent) struct Relocation {
    pub(in crate::torrent) to: Place,
    pub(in crate::torrent) stage: Stage,
    /// Files that lie at the new place.
    pub(in crate::torrent) moved: Vec<bool>,
    /// Files that are to be looked at, or moved.
    pub(in crate::torrent) queue: VecDeque<FileIndex>,
    /// Looks and moves under way.
    pub(in crate::torrent) underway: BTreeSet<FileIndex>,
    /// Bytes to move in all, and those that were.
    pub(in crate::torrent) bytes: (u64, u64),
    /// A look at all files waits until no file is between two places: whether it is for a recheck.
    pub(in crate::torrent) look_after: Option<bool>,
    /// Looks of an earlier round say nothing.
    pub(in crate::torrent) round: u32,
}

/// A move, and what was said to whoever asked for one.
#[derive(Debug, Default)]
pub(in crate::torrent) struct Mover {
    pub(in crate::torrent) relocation: Option<Relocation>,
    pub(in crate::torrent) asker: Option<Asker>,
    pub(in crate::torrent) answer: Option<Answer>,
    pub(in crate::torrent) rounds: u32,
    /// Why the last move came to nothing.
    pub(in crate::torrent) notice: Option<Sentence>,
}

impl Mover {
    /// As an earlier engine left it: on the way to this place.
    pub(in crate::torrent) fn restored(to: Option<Place>, files: usize) -> Self {
        let relocation = to.map(|to| Relocation::new(to, Stage::Finding, files));
        Self { relocation, ..Self::default() }
    }

    /// Where it is moving to, once that is written down.
    pub(in crate::torrent) fn target(&self) -> Option<&Place> {
        let relocation = self.relocation.as_ref()?;
        (relocation.stage != Stage::Looking).then_some(&relocation.to)
    }

    /// Where a file lies, if not at the old place.
    pub(in crate::torrent) fn place_of(&self, file: FileIndex) -> Option<&Place> {
        let relocation = self.relocation.as_ref()?;
        relocation.moved.get(file.as_usize()).copied().unwrap_or(false).then_some(&relocation.to)
    }

    /// A file gets another name at the new place, too.
    pub(in crate::torrent) fn rename(&mut self, file: FileIndex, name: &str) {
        if let Some(relocation) = &mut self.relocation {
            relocation.to.renamed.insert(file.0, name.to_owned());
        }
    }

    /// Whether a file is between two places, or nobody knows at which it is.
    pub(in crate::torrent) fn holds(&self, file: FileIndex) -> bool {
        self.relocation.as_ref().is_some_and(|it| match it.stage {
            Stage::Finding => true,
            Stage::Moving | Stage::Returning(_) | Stage::Stuck(_) => it.underway.contains(&file),
            Stage::Looking | Stage::Writing => false,
        })
    }

    /// Whether there is anything to finish before files may be made without anybody asking for
    /// their bytes.
    pub(in crate::torrent) fn is_moving(&self) -> bool {
        self.relocation.is_some()
    }

    /// How much of it is at the new place, 0 to 1.
    pub(in crate::torrent) fn progress(&self) -> Option<f64> {
        let relocation =
            self.relocation.as_ref().filter(|it| !matches!(it.stage, Stage::Stuck(_)))?;
        let (all, done) = relocation.bytes;
        // Precise enough for a bar.
        let share = done.min(all).saturating_mul(1_000).checked_div(all).unwrap_or(0);
        Some(f64::from(u32::try_from(share).unwrap_or(0)) / 1_000.0)
    }

    /// What to tell a person about it.
    pub(in crate::torrent) fn says(&self) -> Option<Sentence> {
        match self.relocation.as_ref().map(|it| &it.stage) {
            Some(Stage::Stuck(why)) => Some(why.clone()),
            Some(Stage::Returning(why)) => {
                Some(Sentence::MoveReturning { why: why.clone().into() })
            }
            Some(_) => Some(Sentence::MovingFiles),
            None => self.notice.clone(),
        }
    }

    /// What is to be said to whoever asked.
    pub(in crate::torrent) fn take_answer(&mut self) -> Option<Answer> {
        self.answer.take()
    }

    pub(in crate::torrent) fn answer(&mut self, outcome: Result<(), Sentence>) {
        if let Some(asker) = self.asker.take() {
            self.answer = Some((asker, outcome));
        }
    }
}

impl Relocation {
    pub(in crate::torrent) fn new(to: Place, stage: Stage, files: usize) -> Self {
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
