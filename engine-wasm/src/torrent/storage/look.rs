//! Inspects the files of a torrent at the start, after each reconnect, and for checks.
//!
//! Owns the round over all files, and what a file's state says about its content. A verified piece
//! in the record is trusted if the stamps of all its files match; other files are hashed. The
//! opposite is trusted as well: a piece that is not in the record is not sought in unchanged files.
//! This module knows no pieces to trust: it describes the files of a piece, and the ledger decides.

use shared_proto::io::{FileStat, OpError, OpErrorKind, OpOutput};

use super::Storage;
use super::effect::Effect;
use super::order::{Order, Request, Task};
use super::origin::{Origin, Proofs, Verdict};
use crate::geometry::{FileIndex, Geometry, PieceIndex};
use crate::limits;
use crate::time::Instant;
use crate::torrent::content::Content;

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
struct Appearance {
    /// The file's state, if it exists and is the torrent's.
    stat: Option<FileStat>,
    /// Bytes that can be read from the start, including those of a donor.
    readable: u64,
    /// Whether its content is unchanged since its stamp.
    agrees: bool,
    /// Whether its verified pieces have to be hashed again.
    is_stale: bool,
    /// Whether its state is unchanged since it was last seen and since its stamp.
    is_as_seen: bool,
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
    /// What the states of its files say about a piece.
    pub(in crate::torrent) fn piece(&self, geometry: &Geometry, piece: PieceIndex) -> PieceLook {
        let mut look =
            PieceLook { is_readable: true, is_untouched: true, is_stale: false, is_as_seen: true };
        for span in geometry.piece_spans(piece).filter(|span| !geometry.is_padding(span.file)) {
            let file = &self.appearances[span.file.as_usize()];
            look.is_readable &= file.readable >= span.offset + u64::from(span.length);
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

/// The rounds over all files.
#[derive(Debug, Default)]
pub(super) struct Looks {
    underway: Option<Look>,
    /// Number of rounds so far, by which answers of earlier rounds are ignored.
    count: u32,
}

impl Looks {
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

impl Storage {
    /// Whether a round over all files is running.
    pub(in crate::torrent) fn is_looking(&self) -> bool {
        self.looks.underway.is_some()
    }

    /// Cancels the current round. Returns whether there was one.
    pub(in crate::torrent) fn call_look_off(&mut self) -> bool {
        self.looks.call_off()
    }

    /// Cancels a round that only confirms what is known, but not a check of the user.
    pub(super) fn call_confirmation_off(&mut self) {
        self.looks.underway.take_if(|look| !look.round.is_recheck);
    }

    /// Starts a round over all files, unless one is running or a move has to end first.
    pub(in crate::torrent) fn look(&mut self, content: &Content, is_recheck: bool) -> Vec<Order> {
        if let Some(look) = &mut self.looks.underway {
            look.round.is_recheck |= is_recheck;
            return Vec::new();
        }
        if self.mover.postpones_look(is_recheck) {
            return Vec::new();
        }
        self.looks.count += 1;
        let round = Round { found: vec![Found::Nothing; self.files.len()], is_recheck };
        let left = content.geometry.file_count();
        self.looks.underway = Some(Look { next: 0, left, round });
        self.look_on(content)
    }

    fn look_on(&mut self, content: &Content) -> Vec<Order> {
        let mut orders = Vec::new();
        let (count, number) = (content.geometry.file_count(), self.looks.count);
        while let Some(look) = &mut self.looks.underway {
            let underway = look.next - (count - look.left);
            let Some(file) = content.geometry.file(look.next).filter(|_| underway < limits::LOOKS)
            else {
                break;
            };
            look.next += 1;
            if content.geometry.is_padding(file) {
                // Padding does not exist on the disk.
                look.left -= 1;
                continue;
            }
            orders.push(self.look_at(content, file, Task::Look(file, number)));
        }
        orders
    }

    /// Inspects what has the path of a file now.
    pub(super) fn look_at(&self, content: &Content, file: FileIndex, task: Task) -> Order {
        Order::Ask(task, Request::Stat(self.location(content, file)))
    }

    /// Handles the answer about a file. After the last one, returns the round for
    /// [`Storage::take_in`].
    pub(in crate::torrent) fn looked(
        &mut self,
        content: &Content,
        (file, number): (FileIndex, u32),
        result: Result<OpOutput, OpError>,
        proofs: Proofs<'_>,
    ) -> (Vec<Effect>, Option<Round>) {
        let is_current = number == self.looks.count;
        let Some(look) = self.looks.underway.as_mut().filter(|_| is_current) else {
            return (Vec::new(), None);
        };
        match Found::from_result(result) {
            Ok(found) => look.round.found[file.as_usize()] = found,
            Err(error) => {
                self.looks.underway = None;
                let is_name = error.kind == OpErrorKind::Name;
                let other = is_name.then(|| self.give_way(content, file, &error, proofs)).flatten();
                return (other.unwrap_or_else(|| vec![Effect::DiskTrouble(error)]), None);
            }
        }
        look.left -= 1;
        let effects = self.look_on(content).into_iter().map(Effect::Order).collect();
        let round = self.looks.underway.take_if(|look| look.left == 0).map(|look| look.round);
        (effects, round)
    }

    /// Decides about the origin and the content of each file.
    ///
    /// Returns nothing if the torrent stops, because files are missing or no name is free; the
    /// effects say so.
    pub(in crate::torrent) fn take_in(
        &mut self,
        content: &Content,
        round: &Round,
        mut proofs: Proofs<'_>,
    ) -> (Vec<Effect>, Option<Looked>) {
        let (mut effects, mut missing) = (Vec::new(), Vec::new());
        let mut appearances = Vec::with_capacity(round.found.len());
        for (file, &found) in content.geometry.files().zip(&round.found) {
            if content.geometry.is_padding(file) {
                appearances.push(Appearance::default());
                continue;
            }
            let (verdict, own, appearance) =
                self.appear(content, file, found, round.is_recheck, &mut proofs);
            effects.extend(own);
            match verdict {
                Verdict::Nameless => return (effects, None),
                Verdict::Missing => missing.push(file),
                Verdict::Same | Verdict::Other => {}
            }
            appearances.push(appearance);
        }
        if missing.is_empty() {
            return (effects, Some(Looked { appearances }));
        }
        effects.push(Effect::Missing(missing));
        (effects, None)
    }

    fn appear(
        &mut self,
        content: &Content,
        file: FileIndex,
        found: Found,
        is_recheck: bool,
        proofs: &mut Proofs<'_>,
    ) -> (Verdict, Vec<Effect>, Appearance) {
        let slot = &self.files[file.as_usize()];
        let is_as_seen = slot.known.is_none_or(|known| found.stat() == Some(known));
        let had_stamp = slot.stamp.is_some();
        let is_as_stamped =
            slot.stamp.is_none_or(|stamp| found.stat().is_some_and(|stat| stamp.agrees(&stat)));
        let (verdict, effects) = self.decide(content, file, found, is_recheck, proofs);
        let slot = &self.files[file.as_usize()];
        let stat = self.here(file, found.stat());
        let is_as_left = match (&slot.stamp, stat) {
            _ if is_recheck => false,
            (Some(stamp), Some(stat)) => stamp.agrees(&stat),
            (None, None) => slot.donor.is_none(),
            _ => false,
        };
        let appearance = Appearance {
            stat,
            readable: stat.map_or(0, |stat| stat.length).max(slot.donated()),
            agrees: verdict == Verdict::Same && is_as_left,
            is_as_seen: verdict == Verdict::Same && is_as_seen && is_as_stamped,
            is_stale: verdict == Verdict::Other || (!is_as_left && (had_stamp || !is_as_seen)),
        };
        (verdict, effects, appearance)
    }

    /// The found file, unless our file was just displaced and so does not exist yet. Whether its
    /// new name is free shows when it is created.
    fn here(&self, file: FileIndex, stat: Option<FileStat>) -> Option<FileStat> {
        let origin = self.files[file.as_usize()].origin;
        stat.filter(|_| !matches!(origin, Origin::Nothing | Origin::Unknown))
    }

    /// Records the states of the files, and which to stamp and create.
    pub(in crate::torrent) fn note(&mut self, content: &Content, looked: &Looked, now: Instant) {
        self.empties.clear();
        let geometry = &content.geometry;
        for file in geometry.files().filter(|&file| !geometry.is_padding(file)) {
            let appearance = &looked.appearances[file.as_usize()];
            let slot = &mut self.files[file.as_usize()];
            slot.known = appearance.stat;
            slot.is_there = appearance.stat.is_some();
            if slot.is_there && appearance.agrees {
                continue;
            }
            slot.stamp = None;
            if slot.is_there {
                self.wants_stamp(file, now);
            } else if geometry.file_len(file) == 0 {
                self.empties.add(file);
            }
        }
    }

    /// A file has changed since we left it: its verified pieces are hashed again.
    pub(super) fn doubt(
        &mut self,
        content: &Content,
        file: FileIndex,
        stat: Option<FileStat>,
        mut proofs: Proofs<'_>,
        now: Instant,
    ) -> Vec<Effect> {
        let torrent = content.meta.info_hash;
        tracing::info!(%torrent, file = file.get(), "a file was changed by another program");
        if content.geometry.file_len(file) == 0 {
            return Vec::new();
        }
        let mut effects = vec![Effect::LetGo(file)];
        self.files[file.as_usize()].is_ours_now = false;
        let found = stat.map_or(Found::Nothing, Found::File);
        let (verdict, other) = self.decide(content, file, found, false, &mut proofs);
        effects.extend(other);
        if verdict == Verdict::Missing {
            effects.push(Effect::Missing(vec![file]));
            return effects;
        }
        let stat = self.here(file, stat);
        let slot = &mut self.files[file.as_usize()];
        let readable = stat.map_or(0, |stat| stat.length).max(slot.donated());
        (slot.known, slot.stamp, slot.is_stamping) = (stat, None, false);
        if stat.is_some() {
            self.wants_stamp(file, now);
        }
        effects.push(Effect::Doubt { file, readable });
        effects
    }
}
