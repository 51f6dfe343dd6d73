//! Rounds over all files of a torrent.
//!
//! Owns what was found at each path, and what that says about pieces.

use shared_proto::io::{FileStat, OpError, OpErrorKind, OpOutput};

use crate::geometry::{FileIndex, Geometry, PieceIndex};
use crate::limits;

/// What exists at a file's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// A file.
    File(FileStat),
    /// Something other than a file: a folder, a link, a device.
    Foreign,
}

impl Found {
    /// Interprets the result of an inspection.
    ///
    /// # Errors
    /// An error that says nothing about the path.
    pub(super) fn from_result(result: Result<OpOutput, OpError>) -> Result<Self, OpError> {
        match result {
            Ok(OpOutput::Stat(Some(stat))) => Ok(Self::File(stat)),
            Ok(_) => Ok(Self::Nothing),
            Err(error) => match error.kind {
                OpErrorKind::NotFound => Ok(Self::Nothing),
                OpErrorKind::Exists => Ok(Self::Foreign),
                _ => Err(error),
            },
        }
    }

    /// The file's state, if it is a file.
    pub(super) fn stat(&self) -> Option<FileStat> {
        if let Self::File(stat) = self { Some(*stat) } else { None }
    }
}

/// The conclusion about an inspected file, or about a piece from its files.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Appearance {
    /// The file's state, if it exists and is the torrent's.
    pub(super) stat: Option<FileStat>,
    /// Bytes that can be read from the start, including those of a donor.
    pub(super) readable: u64,
    /// Whether its content is unchanged since its stamp.
    pub(super) agrees: bool,
    /// Whether its verified pieces have to be hashed again.
    pub(super) is_stale: bool,
    /// Whether its state is unchanged since it was last seen and since its stamp.
    pub(super) is_as_seen: bool,
}

/// What the states of its files say about a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::torrent) struct PieceLook {
    /// Whether all of its bytes can be read.
    pub(in crate::torrent) is_readable: bool,
    /// Whether all of its files are unchanged since their stamps.
    pub(in crate::torrent) is_untouched: bool,
    /// Whether it has to be hashed again if it was verified.
    pub(in crate::torrent) is_stale: bool,
    /// Whether all of its files are unchanged since they were last seen.
    pub(in crate::torrent) is_as_seen: bool,
}

/// The result of a round over all files.
#[derive(Debug)]
pub(in crate::torrent) struct Looked {
    appearances: Vec<Appearance>,
}

impl Looked {
    /// Collects the conclusions about all files, in order.
    pub(super) fn new(appearances: Vec<Appearance>) -> Self {
        Self { appearances }
    }

    /// Returns the conclusion about a file.
    pub(super) fn file(&self, file: FileIndex) -> &Appearance {
        &self.appearances[file.as_usize()]
    }

    /// What the states of its files say about a piece.
    pub(in crate::torrent) fn piece(&self, geometry: &Geometry, piece: PieceIndex) -> PieceLook {
        let mut look =
            PieceLook { is_readable: true, is_untouched: true, is_stale: false, is_as_seen: true };
        for span in geometry.piece_spans(piece).filter(|span| !geometry.is_padding(span.file)) {
            let file = &self.appearances[span.file.as_usize()];
            look.is_readable &= file.readable >= span.range().end().get();
            look.is_untouched &= file.agrees;
            look.is_stale |= file.is_stale;
            look.is_as_seen &= file.is_as_seen;
        }
        look
    }
}

/// A round over all files whose answers have all arrived.
#[derive(Debug)]
pub(in crate::torrent) struct Round {
    found: Vec<Found>,
    /// Whether to hash everything, whatever the stamps.
    pub(in crate::torrent) is_recheck: bool,
}

impl Round {
    /// Returns what was found at the path of each file, in order.
    pub(super) fn found(&self) -> &[Found] {
        &self.found
    }
}

/// The rounds over all files.
#[derive(Debug, Default)]
pub(super) struct Looks {
    underway: Option<Look>,
    /// Number of rounds so far, by which answers of earlier rounds are ignored.
    count: u32,
}

impl Looks {
    /// Returns whether a round is running.
    pub(super) fn is_underway(&self) -> bool {
        self.underway.is_some()
    }

    /// Starts a round over all files.
    pub(super) fn begin(&mut self, geometry: &Geometry, is_recheck: bool) {
        self.count += 1;
        let left = geometry.file_count();
        let found = vec![Found::Nothing; left as usize];
        self.underway = Some(Look { next: 0, left, round: Round { found, is_recheck } });
    }

    /// Turns the current round into a check of everything, if `is_recheck`. Returns false if no
    /// round is running.
    pub(super) fn join(&mut self, is_recheck: bool) -> bool {
        if let Some(look) = &mut self.underway {
            look.round.is_recheck |= is_recheck;
        }
        self.is_underway()
    }

    /// Returns the next file to inspect and the number of the round. `None` while enough are being
    /// inspected. Padding does not exist on the disk and is skipped.
    pub(super) fn next(&mut self, geometry: &Geometry) -> Option<(FileIndex, u32)> {
        let look = self.underway.as_mut()?;
        let count = geometry.file_count();
        loop {
            let underway = look.next - (count - look.left);
            if underway >= limits::LOOKS {
                return None;
            }
            let file = geometry.file(look.next)?;
            look.next += 1;
            if !geometry.is_padding(file) {
                return Some((file, self.count));
            }
            look.left -= 1;
        }
    }

    /// Returns whether the round with this number is running.
    pub(super) fn is_current(&self, number: u32) -> bool {
        self.is_underway() && number == self.count
    }

    /// Records what was found at the path of a file.
    pub(super) fn note(&mut self, file: FileIndex, found: Found) {
        if let Some(look) = &mut self.underway {
            look.round.found[file.as_usize()] = found;
            look.left -= 1;
        }
    }

    /// Takes the round if every file was inspected.
    pub(super) fn take_finished(&mut self) -> Option<Round> {
        self.underway.take_if(|look| look.left == 0).map(|look| look.round)
    }

    /// Cancels a round that only confirms what is known. A check of the user goes on.
    pub(super) fn call_confirmation_off(&mut self) {
        self.underway.take_if(|look| !look.round.is_recheck);
    }

    /// Cancels the current round. Returns whether there was one.
    pub(super) fn call_off(&mut self) -> bool {
        self.underway.take().is_some()
    }
}

/// The current round.
#[derive(Debug)]
struct Look {
    /// The next file to inspect.
    next: u32,
    /// Number of files whose answers have not arrived.
    left: u32,
    round: Round,
}
