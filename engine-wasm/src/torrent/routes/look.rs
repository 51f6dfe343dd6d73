//! A torrent and what its files look like: at the beginning, after every return of the daemon, and
//! when somebody wants all of it hashed again.
//!
//! Owns the round over all files and what follows from it: which pieces are believed, which are to
//! be hashed, which can't be there. Believed are those that the record names as verified and all of
//! whose files look as they were stamped; a file that looks otherwise is hashed. The opposite is
//! believed, too: a piece that the record does not name is not looked for in files that nobody
//! touched.

use crate::torrent::storage::look::Appearance;
use crate::torrent::storage::look::Found;
use crate::torrent::storage::look::Look;
use shared_proto::io::{FileStat, OpError, OpErrorKind, OpOutput};
use shared_proto::{IoCommand, OpenMode};

use crate::context::Context;
use crate::geometry::{FileIndex, PieceIndex, each_piece};
use crate::limits;
use crate::pick::piece_map::PieceState;
use crate::torrent::Status;
use crate::torrent::Torrent;
use crate::torrent::ops::Op;
use crate::torrent::storage::origin::Origin;
use crate::torrent::storage::origin::Verdict;
use crate::view::{Sentence, Trouble};

impl Torrent {
    /// Looks at all files.
    pub(in crate::torrent) fn look(&mut self, is_recheck: bool, cx: &mut Context<'_>) {
        if self.life.status == Status::Running {
            self.life.status = Status::Looking;
        }
        if let Some(look) = &mut self.storage.looking {
            look.is_recheck |= is_recheck;
            return;
        }
        if self.postpones_look(is_recheck) {
            return;
        }
        self.storage.looks += 1;
        let count = self.content.geometry.file_count();
        let found = vec![Found::Nothing; self.storage.files.len()];
        self.storage.looking = Some(Look { next: 0, left: count, found, is_recheck });
        self.look_on(cx);
    }

    /// All that is wanted is verified: looks whether it lies there, because "complete" is said of
    /// what lies there now.
    pub(in crate::torrent) fn confirm(&mut self, cx: &mut Context<'_>) {
        self.storage.is_confirmed = false;
        if self.is_done() && self.life.linked && self.is_settled() {
            self.look(false, cx);
        }
    }

    fn look_on(&mut self, cx: &mut Context<'_>) {
        loop {
            let Some(look) = &mut self.storage.looking else { return };
            let underway = look.next - (self.content.geometry.file_count() - look.left);
            if underway >= limits::LOOKS || look.next >= self.content.geometry.file_count() {
                return;
            }
            let file = FileIndex(look.next);
            look.next += 1;
            if self.content.meta.files[file.as_usize()].padding {
                // Padding lies nowhere.
                look.left -= 1;
                continue;
            }
            let (root, path) = self.location(file);
            let round = self.storage.looks;
            self.ask(Op::Look(file, round), cx, |op| IoCommand::FileStat { op, root, path });
        }
    }

    /// A file was looked at.
    pub(in crate::torrent) fn looked(
        &mut self,
        (file, round): (FileIndex, u32),
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let Some(look) = self.storage.looking.as_mut().filter(|_| round == self.storage.looks)
        else {
            return;
        };
        match Found::from_result(result) {
            Ok(found) => look.found[file.as_usize()] = found,
            Err(error) => {
                self.storage.looking = None;
                if error.kind == OpErrorKind::Name && self.gave_way(file, &error, cx) {
                    return;
                }
                return self.fail_for(&error, cx);
            }
        }
        look.left -= 1;
        self.look_on(cx);
        if self.storage.looking.as_ref().is_none_or(|look| look.left > 0) {
            return;
        }
        let Some(look) = self.storage.looking.take() else { return };
        self.take_in(&look.found, look.is_recheck, cx);
    }

    /// Takes in what was found.
    pub(in crate::torrent) fn take_in(
        &mut self,
        found: &[Found],
        is_recheck: bool,
        cx: &mut Context<'_>,
    ) {
        let Some(looks) = self.decide_all(found, is_recheck, cx) else { return };
        for piece in self.content.geometry.pieces() {
            self.appraise(piece, &looks, is_recheck, cx);
        }
        self.note_files(&looks, cx);
        if self.life.status == Status::Looking {
            self.life.status = Status::Running;
        }
        if self.most_files_of_a_piece() > (cx.shared.handles.most() / 4).max(1) {
            return self.fail(Trouble::Other, Sentence::TooManyOpenFiles, cx);
        }
        self.record.forget_recorded();
        self.record.touch(cx.now);
        self.fetch.invalidate();
        self.next_tick = cx.now;
        self.create_empty(cx);
        if self.is_done() {
            self.completed(cx);
        }
        self.storage.is_confirmed = self.is_done() && self.makes_no_files();
        self.end_of_check(cx);
        self.check_next(cx);
        self.move_next(cx);
        cx.changed();
    }

    /// Whose each file is, and what is to be thought of its content. `None` when files are missing:
    /// then the torrent was stopped.
    fn decide_all(
        &mut self,
        found: &[Found],
        is_recheck: bool,
        cx: &mut Context<'_>,
    ) -> Option<Vec<Appearance>> {
        let mut looks = Vec::with_capacity(found.len());
        let mut missing = Vec::new();
        let geometry = std::sync::Arc::clone(&self.content.geometry);
        for (file, found) in geometry.files().zip(found) {
            if geometry.is_padding(file) {
                looks.push(Appearance::default());
                continue;
            }
            let slot = &self.storage.files[file.as_usize()];
            let is_as_seen = slot.known.is_none_or(|known| found.stat() == Some(known));
            let (had_stamp, had_stat) = (slot.stamp.is_some(), found.stat());
            let is_as_stamped =
                slot.stamp.is_none_or(|stamp| had_stat.is_some_and(|stat| stamp.agrees(&stat)));
            let verdict = self.decide(file, found, is_recheck, cx);
            if verdict == Verdict::Missing {
                missing.push(file);
            }
            if matches!(self.life.status, Status::Failed(..)) {
                // No name is left for it.
                return None;
            }
            let slot = &self.storage.files[file.as_usize()];
            // A file that was just displaced is nowhere yet. Should its new name be taken, that is
            // found out when it is made.
            let stat =
                found.stat().filter(|_| !matches!(slot.origin, Origin::Nothing | Origin::Unknown));
            let is_as_left = match (&slot.stamp, stat) {
                _ if is_recheck => false,
                (Some(stamp), Some(stat)) => stamp.agrees(&stat),
                (None, None) => slot.donor.is_none(),
                _ => false,
            };
            looks.push(Appearance {
                stat,
                readable: stat.map_or(0, |stat| stat.length).max(slot.donated()),
                agrees: verdict == Verdict::Same && is_as_left,
                is_as_seen: verdict == Verdict::Same && is_as_seen && is_as_stamped,
                is_stale: verdict == Verdict::Other || (!is_as_left && (had_stamp || !is_as_seen)),
            });
        }
        if missing.is_empty() {
            return Some(looks);
        }
        self.miss(&missing, cx);
        None
    }

    /// What is to be thought of a piece whose files were looked at.
    fn appraise(
        &mut self,
        piece: PieceIndex,
        looks: &[Appearance],
        is_recheck: bool,
        cx: &mut Context<'_>,
    ) {
        let (mut is_readable, mut is_untouched, mut is_stale, mut is_as_seen) =
            (true, true, false, true);
        for span in self
            .content
            .geometry
            .piece_spans(piece)
            .filter(|span| !self.content.geometry.is_padding(span.file))
        {
            let at = span.file.as_usize();
            is_readable &= looks[at].readable >= span.offset + u64::from(span.length);
            is_untouched &= looks[at].agrees;
            is_stale |= looks[at].is_stale;
            is_as_seen &= looks[at].is_as_seen;
        }
        let state = self.ledger.pieces().state(piece);
        match state {
            PieceState::Have if !is_readable => self.lose_piece(piece, cx),
            PieceState::Have if is_recheck || is_stale => {
                // A check that is called off does not bring back what another program changed.
                if is_recheck && is_as_seen {
                    self.ledger.doubt(piece);
                }
                self.lose_piece(piece, cx);
                self.suspect(piece, false);
            }
            PieceState::Open | PieceState::Hashing if is_stale => {
                self.withdraw(std::iter::once(piece), cx);
                self.lose_begun(piece, cx);
                if is_readable {
                    self.suspect(piece, false);
                }
            }
            PieceState::Missing if !is_readable => {}
            PieceState::Missing if is_untouched && self.record.believes(piece) => {
                self.believe(piece, cx)
            }
            PieceState::Missing if is_untouched && !self.record.names(piece) => {}
            PieceState::Missing => self.suspect(piece, self.record.names(piece)),
            PieceState::Unchecked if !is_readable => {
                self.ledger.unsuspect(piece);
                self.put_back(piece);
            }
            _ => {}
        }
    }

    /// Remembers what the files look like, and which are to be stamped and made.
    fn note_files(&mut self, looks: &[Appearance], cx: &mut Context<'_>) {
        let geometry = std::sync::Arc::clone(&self.content.geometry);
        self.storage.empties.clear();
        for file in geometry.files().filter(|&file| !geometry.is_padding(file)) {
            let at = file.as_usize();
            let slot = &mut self.storage.files[at];
            slot.known = looks[at].stat;
            slot.is_there = looks[at].stat.is_some();
            if slot.is_there && !looks[at].agrees {
                slot.stamp = None;
                self.wants_stamp(file, cx.now);
            } else if !slot.is_there {
                self.storage.files[at].stamp = None;
                if self.content.geometry.file_len(file) == 0 {
                    self.storage.empties.push_back(file);
                }
            }
        }
    }

    /// Makes the files that have no bytes and are wanted, a few at a time.
    pub(in crate::torrent) fn create_empty(&mut self, cx: &mut Context<'_>) {
        if self.storage.mover.is_moving() || self.is_undecided() {
            return;
        }
        while self.storage.creating < limits::CREATED_AT_ONCE {
            let Some(file) = self.storage.empties.pop_front() else { return };
            if !self.selection.is_wanted(file)
                || matches!(self.storage.files[file.as_usize()].origin, Origin::Theirs(_))
            {
                continue;
            }
            let handle = cx.new_file();
            let (root, path) = self.location(file);
            self.storage.creating += 1;
            self.ask(Op::Create(file, handle), cx, |op| IoCommand::FileOpen {
                op,
                file: handle,
                root,
                path,
                length: 0,
                mode: OpenMode::Create,
            });
        }
    }

    /// Whether all files without bytes that are wanted are there.
    fn makes_no_files(&self) -> bool {
        self.storage.creating == 0
            && self.storage.empties.iter().all(|&file| !self.selection.is_wanted(file))
    }

    /// A file without bytes was made.
    pub(in crate::torrent) fn created(
        &mut self,
        file: FileIndex,
        handle: shared_proto::FileRef,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        self.storage.creating = self.storage.creating.saturating_sub(1);
        cx.order(IoCommand::FileClose { file: handle });
        if self.is_leaving() {
            return self.made_too_late(file, result, cx);
        }
        match result {
            Ok(output) => {
                self.made(file, &output, cx);
                self.create_empty(cx);
                if self.is_done() && self.makes_no_files() && self.storage.looking.is_none() {
                    self.storage.is_confirmed = true;
                    cx.changed();
                }
            }
            Err(error) if self.gave_way(file, &error, cx) => self.create_empty(cx),
            Err(error) => {
                self.storage.empties.push_back(file);
                self.fail_for(&error, cx);
            }
        }
    }

    /// A file of ours came into being.
    pub(in crate::torrent) fn made(
        &mut self,
        file: FileIndex,
        output: &OpOutput,
        cx: &mut Context<'_>,
    ) {
        let identity = if let OpOutput::Opened { stat } = output { stat.identity } else { None };
        let slot = &mut self.storage.files[file.as_usize()];
        (slot.origin, slot.is_there, slot.is_ours_now) = (Origin::Ours(identity), true, true);
        // The next engine must not take it for somebody else's.
        self.record.hurry(cx.now);
    }

    /// A file is not as we left it: what was verified of it is hashed again.
    pub(in crate::torrent) fn doubt(
        &mut self,
        file: FileIndex,
        stat: Option<FileStat>,
        cx: &mut Context<'_>,
    ) {
        tracing::info!(torrent = %self.content.meta.info_hash, file = file.0, "a file was changed by somebody else");
        let Some(pieces) = self.content.geometry.pieces_of_file(file) else { return };
        self.withdraw(each_piece(pieces.clone()), cx);
        self.settle_pins(cx);
        // What is open may be another file than what lies there.
        self.close_file(file, cx);
        let found = stat.map_or(Found::Nothing, Found::File);
        self.storage.files[file.as_usize()].is_ours_now = false;
        if self.decide(file, &found, false, cx) == Verdict::Missing {
            return self.miss(&[file], cx);
        }
        let slot = &self.storage.files[file.as_usize()];
        // A file that was just displaced is nowhere yet.
        let stat = stat.filter(|_| !matches!(slot.origin, Origin::Nothing | Origin::Unknown));
        let length = stat.map_or(0, |stat| stat.length).max(slot.donated());
        // Nor does a check that is called off bring them back.
        self.ledger.forget_doubted(&pieces);
        for piece in each_piece(pieces) {
            let needs =
                self.content.geometry.range_in_file(piece, file).map_or(0, |range| range.end() + 1);
            match self.ledger.pieces().state(piece) {
                PieceState::Have => self.lose_piece(piece, cx),
                PieceState::Open | PieceState::Hashing => self.lose_begun(piece, cx),
                PieceState::Missing | PieceState::Unchecked => {}
            }
            if needs <= length && self.ledger.pieces().state(piece) == PieceState::Missing {
                self.suspect(piece, false);
            }
        }
        let slot = &mut self.storage.files[file.as_usize()];
        (slot.known, slot.stamp, slot.is_stamping) = (stat, None, false);
        if stat.is_some() {
            self.wants_stamp(file, cx.now);
        }
        self.fetch.invalidate();
        self.record.touch(cx.now);
        self.refresh_all_interest(cx.now);
        self.next_tick = cx.now;
        self.check_next(cx);
        cx.changed();
    }

    /// Bytes of a file could be read neither for a check nor for a peer: has it looked at.
    pub(in crate::torrent) fn distrust(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        let files: Vec<FileIndex> = self.content.geometry.files_of(piece).collect();
        for file in files {
            self.storage.files[file.as_usize()].glanced = None;
            self.glance(file, cx);
        }
    }
}
