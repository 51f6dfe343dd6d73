//! What the files of a torrent look like: at the beginning, after every return of the daemon, and
//! when a person wants all of it hashed again.
//!
//! Owns the round over all files, and what each file's look says of its content. Believed are the
//! pieces that the record names as verified and all of whose files look as they were stamped; a
//! file that looks otherwise is hashed. The opposite is believed, too: a piece that the record does
//! not name is not sought in files that nobody touched. It never knows which pieces there are to
//! believe: it says what a piece's files look like, and the ledger decides.

use shared_proto::io::{FileStat, OpError, OpErrorKind, OpOutput};

use super::Storage;
use super::effect::Effect;
use super::order::{Order, Request, Task};
use super::origin::{Origin, Proofs, Verdict};
use crate::geometry::{FileIndex, Geometry, PieceIndex};
use crate::limits;
use crate::time::Instant;
use crate::torrent::content::Content;

/// What is at a file's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// A file.
    File(FileStat),
    /// Something that is no file: a folder, a link, a device.
    Foreign,
}

impl Found {
    /// What a look came to.
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

    /// The file, if it is one.
    pub(super) fn stat(&self) -> Option<FileStat> {
        if let Self::File(stat) = self { Some(*stat) } else { None }
    }
}

/// What is to be thought of a file that was looked at, or of a piece by the looks of its files.
#[derive(Clone, Copy, Debug, Default)]
struct Appearance {
    /// The file, if there is one and it is the torrent's.
    stat: Option<FileStat>,
    /// Bytes that can be read from the beginning, of a found file that ours is copied from as well.
    readable: u64,
    /// Whether it holds what it held when it was stamped.
    agrees: bool,
    /// Whether what was verified of it has to be hashed again.
    is_stale: bool,
    /// Whether it looks as it did when it was seen last, and as it was stamped.
    is_as_seen: bool,
}

/// What the looks of its files say of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::torrent) struct PieceLook {
    /// Whether all bytes of it can be read.
    pub(in crate::torrent) is_readable: bool,
    /// Whether all its files hold what they held when they were stamped.
    pub(in crate::torrent) is_untouched: bool,
    /// Whether what was verified of it has to be hashed again.
    pub(in crate::torrent) is_stale: bool,
    /// Whether all its files look as they did when they were seen last.
    pub(in crate::torrent) is_as_seen: bool,
}

/// What a round over all files came to.
#[derive(Debug)]
pub(in crate::torrent) struct Looked {
    appearances: Vec<Appearance>,
}

impl Looked {
    /// What the looks of its files say of a piece.
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

/// A round over all files whose looks have all come.
#[derive(Debug)]
pub(in crate::torrent) struct Round {
    found: Vec<Found>,
    /// Whether everything is to be hashed whatever it looks like.
    pub(in crate::torrent) is_recheck: bool,
}

/// The rounds over all files.
#[derive(Debug, Default)]
pub(super) struct Looks {
    underway: Option<Look>,
    /// Rounds so far. An answer of an earlier round is ignored.
    count: u32,
}

impl Looks {
    /// Calls a round off. True when one was under way.
    pub(super) fn call_off(&mut self) -> bool {
        self.underway.take().is_some()
    }
}

/// A round that is under way.
#[derive(Debug)]
struct Look {
    /// The file that is looked at next.
    next: u32,
    /// Files whose looks have not come.
    left: u32,
    round: Round,
}

impl Storage {
    /// Whether a round over all files is under way.
    pub(in crate::torrent) fn is_looking(&self) -> bool {
        self.looks.underway.is_some()
    }

    /// Calls a round off. True when one was under way.
    pub(in crate::torrent) fn call_look_off(&mut self) -> bool {
        self.looks.call_off()
    }

    /// Calls a round off that only confirms what is known, and not one for a person.
    pub(super) fn call_confirmation_off(&mut self) {
        self.looks.underway.take_if(|look| !look.round.is_recheck);
    }

    /// Begins to look at all files, unless that is under way or a move has to end first.
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
            if underway >= limits::LOOKS || look.next >= count {
                break;
            }
            let file = FileIndex(look.next);
            look.next += 1;
            if content.geometry.is_padding(file) {
                // Padding lies nowhere.
                look.left -= 1;
                continue;
            }
            orders.push(self.look_at(content, file, Task::Look(file, number)));
        }
        orders
    }

    /// Looks at what has the path of a file now.
    pub(super) fn look_at(&self, content: &Content, file: FileIndex, task: Task) -> Order {
        Order::Ask(task, Request::Stat(self.location(content, file)))
    }

    /// The daemon looked at a file. After the last one the round is returned, for
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

    /// Decides whose each file is, and what is to be thought of its content. There is nothing to
    /// think when the torrent stops because files are missing or no name is left for one; the
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

    /// What was found, unless the file was just displaced: then it is nowhere yet. Should its new
    /// name be taken, that is found out when it is made.
    fn here(&self, file: FileIndex, stat: Option<FileStat>) -> Option<FileStat> {
        let origin = self.files[file.as_usize()].origin;
        stat.filter(|_| !matches!(origin, Origin::Nothing | Origin::Unknown))
    }

    /// Remembers what the files look like, and which are to be stamped and made.
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

    /// A file is not as we left it: what was verified of it is hashed again.
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
