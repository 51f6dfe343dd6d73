//! A torrent and its files: opening them, looking at what they hold, hashing what came.

use shared_proto::io::{DigestKind, OpError, OpOutput};
use shared_proto::{EngineMessage, FileRef, IoCommand, Span};

use super::{Op, Status, Torrent};
use crate::context::Context;
use crate::geometry::{FileIndex, PieceIndex};
use crate::limits;
use crate::media;
use crate::pick::piece_map::PieceState;

/// Bytes of one digest of [`DigestKind::Sha256Leaves`].
const LEAF: usize = 32;

impl Torrent {
    /// Opens every file that is not open.
    pub(super) fn open_files(&mut self, cx: &mut Context<'_>) {
        let mut left = 0;
        for index in 0..self.files.len() {
            if self.files[index].handle.is_some() || self.meta.files[index].padding {
                continue;
            }
            let handle = cx.new_file();
            self.files[index].handle = Some(handle);
            let (root, path, length) =
                (self.place.root.clone(), self.meta.files[index].path.clone(), self.meta.files[index].length);
            let file = FileIndex(u32::try_from(index).expect("files are counted in 32 bits"));
            self.ask(Op::Open(file), cx, |op| IoCommand::FileOpen {
                op,
                file: handle,
                root,
                path,
                length,
                create: true,
            });
            left += 1;
        }
        if self.status == Status::Running && left > 0 {
            self.status = Status::Opening(left);
        }
    }

    /// Tells the daemon under which names the files are served.
    pub(super) fn announce_files(&self, cx: &mut Context<'_>) {
        for (slot, file) in self.files.iter().zip(&self.meta.files).filter(|(_, file)| !file.padding) {
            cx.say(EngineMessage::FileAnnounce {
                file_id: slot.id.clone(),
                root: self.place.root.clone(),
                path: file.path.clone(),
                length: file.length,
                content_type: media::content_type(file.path.last().map_or("", String::as_str)).to_owned(),
                etag: slot.id.0.clone(),
                key: cx.shared.capability(&slot.id),
            });
        }
    }

    /// A file is open: what it held before is looked at before anything is fetched.
    pub(super) fn opened(&mut self, file: FileIndex, result: Result<OpOutput, OpError>, cx: &mut Context<'_>) {
        let existing = match result {
            Ok(OpOutput::Opened { existing }) => existing.unwrap_or(0),
            Ok(_) => 0,
            Err(error) => {
                if let Some(file) = self.files[file.0 as usize].handle.take() {
                    cx.order(IoCommand::FileClose { file });
                }
                return self.fail_for(&error, cx);
            }
        };
        let length = self.geometry.file_len(file);
        if let Some(all) = length.checked_sub(1).and_then(|last| self.geometry.pieces_of(file, 0, last)) {
            for piece in (all.start().0..=all.end().0).map(PieceIndex) {
                let in_file = self.geometry.piece_start_in_file(file, piece);
                if self.pieces.state(piece) == PieceState::Have {
                    // Somebody cut or replaced the file behind our back.
                    if existing <= in_file {
                        self.lose_piece(piece);
                    }
                } else if existing > in_file {
                    // Also what no record names: a piece that was verified just before a sudden end may not be in it.
                    self.pieces.suspect(piece);
                    if self.record.names(piece) {
                        self.check_first.push_back(piece);
                    }
                    self.availability.take(piece);
                }
            }
        }
        if let Status::Opening(left) = &mut self.status {
            *left -= 1;
            if *left == 0 {
                self.status = Status::Running;
                self.record.forget_recorded();
                self.record.touch(cx.now);
                self.wants_are_stale = true;
                self.check_next(cx);
                self.next_tick = cx.now;
                cx.changed();
            }
        } else {
            self.check_next(cx);
        }
    }

    /// Hashes what lies on disk, what viewers need first.
    pub(super) fn check_next(&mut self, cx: &mut Context<'_>) {
        let wanted: Vec<PieceIndex> = self.picker.wants().iter().map(|want| want.piece).collect();
        for piece in wanted {
            let can_be = self.pieces.state(piece) == PieceState::Unchecked && !self.pieces.is_sealed(piece);
            if self.checking < limits::CHECKS && can_be {
                self.check(piece, cx);
            }
        }
        let ahead =
            usize::try_from(limits::CHECK_AHEAD / u64::from(self.geometry.piece_length())).unwrap_or(usize::MAX);
        while self.checking < limits::CHECKS.min(ahead.max(2)) {
            let named = self.check_first.pop_front();
            let Some(piece) = named.or_else(|| self.next_unchecked()) else { break };
            if self.pieces.state(piece) == PieceState::Unchecked && !self.pieces.is_sealed(piece) {
                self.check(piece, cx);
            }
        }
    }

    /// The first piece that can be checked.
    fn next_unchecked(&self) -> Option<PieceIndex> {
        let unchecked = self.pieces.unchecked().iter_ones().map(PieceIndex);
        unchecked.into_iter().find(|&piece| !self.pieces.is_sealed(piece))
    }

    fn check(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        self.pieces.begin_check(piece);
        self.checking += 1;
        self.hash(piece, cx);
    }

    /// Has the daemon hash a piece.
    pub(super) fn hash(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        let (kind, spans) = self.digest_of(piece);
        self.ask(Op::Hash(piece), cx, |op| IoCommand::Digest { op, kind, spans });
    }

    /// Where bytes of a piece lie; those of padding nowhere.
    pub(super) fn spans(&self, piece: PieceIndex, begin: u32, length: u32) -> Vec<Span> {
        self.geometry
            .file_spans(piece, begin, length)
            .filter_map(|span| {
                let is_padding = self.geometry.is_padding(span.file);
                let file = self.files[span.file.as_usize()].handle.or(is_padding.then_some(FileRef::ZEROS))?;
                Some(Span { file, offset: span.offset, length: span.length })
            })
            .collect()
    }

    /// A hash came.
    pub(super) fn hashed(&mut self, piece: PieceIndex, result: Result<OpOutput, OpError>, cx: &mut Context<'_>) {
        let givers = self.pieces.givers(piece);
        let was_on_disk = givers.is_empty();
        self.checking -= usize::from(was_on_disk);
        match result {
            Ok(OpOutput::Digest(digest)) if self.is_right(piece, &digest) => self.verified(piece, cx),
            Ok(OpOutput::Digest(_)) if was_on_disk => self.give_up(piece),
            // Each of its blocks is judged by itself: the wrong ones are found that way.
            Ok(OpOutput::Digest(_)) if self.judges_by_block(piece) => {}
            Ok(OpOutput::Digest(_)) => self.failed(piece, givers, cx),
            // What a check can't read isn't there; what was just written and can't be read is trouble.
            _ if was_on_disk => self.give_up(piece),
            Ok(_) => self.give_up(piece),
            Err(error) => {
                self.give_up(piece);
                self.fail_for(&error, cx);
            }
        }
        if was_on_disk {
            self.check_next(cx);
            cx.changed();
        }
    }

    pub(super) fn verified(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        self.pieces.verified(piece);
        self.trees.forget_blocks(piece);
        self.availability.take(piece);
        for span in self.geometry.file_spans(piece, 0, self.geometry.piece_len(piece)) {
            self.files[span.file.0 as usize].verified += u64::from(span.length);
        }
        self.record.touch(cx.now);
        self.wants_are_stale = true;
        self.grant(piece, cx);
        self.tell_have(piece, cx.now);
        if self.suspects.wants_proof(piece) {
            let spans = self.spans(piece, 0, self.geometry.piece_len(piece));
            self.ask(Op::Proof(piece), cx, |op| IoCommand::Digest { op, kind: DigestKind::Sha256Leaves, spans });
        } else {
            self.suspects.passed(piece, &[]);
        }
        if self.pieces.is_complete() {
            self.completed(cx);
        }
    }

    fn failed(&mut self, piece: PieceIndex, givers: Vec<Vec<std::net::SocketAddr>>, cx: &mut Context<'_>) {
        self.wasted += u64::from(self.geometry.piece_len(piece));
        if let Some(guilty) = self.suspects.failed(piece, &givers) {
            self.give_up(piece);
            self.ban(guilty, cx);
        } else {
            let spans = self.spans(piece, 0, self.geometry.piece_len(piece));
            self.ask(Op::Exhibit(piece, givers), cx, |op| IoCommand::Digest {
                op,
                kind: DigestKind::Sha256Leaves,
                spans,
            });
        }
    }

    /// The blocks of a failed piece are digested: it can be fetched again.
    pub(super) fn exhibited(
        &mut self,
        piece: PieceIndex,
        givers: Vec<Vec<std::net::SocketAddr>>,
        result: Result<OpOutput, OpError>,
        _cx: &mut Context<'_>,
    ) {
        if let Ok(OpOutput::Digest(leaves)) = result {
            let digests = (0..leaves.len() / LEAF).map(|at| leaves.slice(at * LEAF..(at + 1) * LEAF));
            self.suspects.exhibit(piece, digests.zip(givers).collect());
        }
        self.give_up(piece);
    }

    /// The blocks of a piece that passed after a failure are digested: those who gave others are convicted.
    pub(super) fn proved(&mut self, piece: PieceIndex, result: Result<OpOutput, OpError>, cx: &mut Context<'_>) {
        let Ok(OpOutput::Digest(leaves)) = result else { return };
        let proof: Vec<_> = (0..leaves.len() / LEAF).map(|at| leaves.slice(at * LEAF..(at + 1) * LEAF)).collect();
        for guilty in self.suspects.passed(piece, &proof) {
            self.ban(guilty, cx);
        }
    }

    pub(super) fn give_up(&mut self, piece: PieceIndex) {
        self.pieces.reset(piece);
        self.availability.put_back(piece);
        self.wants_are_stale = true;
    }

    fn lose_piece(&mut self, piece: PieceIndex) {
        for span in self.geometry.file_spans(piece, 0, self.geometry.piece_len(piece)) {
            let slot = &mut self.files[span.file.0 as usize];
            slot.verified = slot.verified.saturating_sub(u64::from(span.length));
        }
        self.pieces.lose(piece);
        self.availability.put_back(piece);
        self.wants_are_stale = true;
    }
}
