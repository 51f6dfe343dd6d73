//! Verifies pieces and blocks: the ledger interprets digests, and this file passes the results on.

use shared_proto::io::{DigestKind, OpError, OpOutput};
use shared_proto::{FileRef, IoCommand, Span};

use crate::context::Context;
use crate::geometry::{Block, PieceIndex, PieceOffset};
use crate::source::Sender;
use crate::torrent::ledger::{DigestId, Failure, Outcome, Purpose};
use crate::torrent::ops::Op;
use crate::torrent::storage::Use;
use crate::torrent::{Status, Torrent};

impl Torrent {
    /// Checks pieces on the disk, first those that viewers wait for.
    pub(in crate::torrent) fn check_next(&mut self, cx: &mut Context<'_>) {
        if !self.life.linked || self.storage.is_looking() {
            return;
        }
        loop {
            let wanted = self.fetch.wants().iter().map(|want| want.piece);
            let Some(piece) = self.ledger.take_next_check(wanted) else { return };
            if !self.check(piece, cx) {
                return;
            }
        }
    }

    /// Checks a piece. False if its files can't all be opened now.
    fn check(&mut self, piece: PieceIndex, cx: &mut Context<'_>) -> bool {
        let is_donated = self.storage.is_donated(&self.content, piece);
        if is_donated && matches!(self.life.status, Status::Paused | Status::Failed(..)) {
            // A stopped torrent writes nothing, and therefore copies nothing.
            return false;
        }
        let Some(spans) = self.spans_to_verify(piece, Use::Find, cx) else { return false };
        let id = self.ledger.begin_check(piece, is_donated);
        self.digest_piece(id, piece, (self.ledger.kind_for(piece), spans), cx);
        true
    }

    /// What to digest for a piece: all of it, and in v1 the zeros that pad it.
    ///
    /// `None` if its files can't all be opened now.
    fn spans_to_verify(
        &mut self,
        piece: PieceIndex,
        purpose: Use,
        cx: &mut Context<'_>,
    ) -> Option<Vec<Span>> {
        let length = self.content.geometry.piece_len(piece);
        let mut spans = self.spans(piece, PieceOffset::START, length, purpose, cx)?;
        let zeros = self.content.geometry.zeros_after(piece);
        if zeros > 0 && self.ledger.kind_for(piece) == DigestKind::Sha1 {
            spans.push(Span { file: FileRef::ZEROS, offset: 0, length: zeros });
        }
        Some(spans)
    }

    /// Verifies a piece whose blocks are all stored or copied. This happens later if its files
    /// can't be opened now.
    pub(in crate::torrent) fn verify(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        let Some(spans) = self.spans_to_verify(piece, Use::Read, cx) else {
            return self.ledger.delay_verifying(piece);
        };
        let id = self.ledger.begin_verifying(piece);
        self.digest_piece(id, piece, (self.ledger.kind_for(piece), spans), cx);
    }

    /// Retries verifications that waited for open files.
    pub(in crate::torrent) fn verify_delayed(&mut self, cx: &mut Context<'_>) {
        for piece in self.ledger.take_delayed() {
            self.verify(piece, cx);
        }
    }

    /// Digests the blocks of a piece. False if its files can't all be opened now.
    fn digest_blocks(&mut self, purpose: Purpose, cx: &mut Context<'_>) -> bool {
        let piece = purpose.piece();
        let length = self.content.geometry.piece_len(piece);
        let Some(spans) = self.spans(piece, PieceOffset::START, length, Use::Read, cx) else {
            return false;
        };
        let id = self.ledger.begin(purpose);
        self.digest_piece(id, piece, (DigestKind::Sha256Leaves, spans), cx);
        true
    }

    /// Digests a piece, whose files stay open until the answer.
    fn digest_piece(
        &mut self,
        id: DigestId,
        piece: PieceIndex,
        (kind, spans): (DigestKind, Vec<Span>),
        cx: &mut Context<'_>,
    ) {
        self.pin(piece, cx);
        self.ask(Op::Digest(id, Some(piece)), cx, |op| IoCommand::Digest { op, kind, spans });
    }

    /// Verifies a stored block by its own hash. False if that is impossible.
    pub(in crate::torrent) fn verify_block(&mut self, block: Block, cx: &mut Context<'_>) -> bool {
        if !self.ledger.knows_block(block) {
            return false;
        }
        let (begin, length) = self.content.geometry.block_range(block);
        let Some(spans) = self.spans(block.piece(), begin, length, Use::Read, cx) else {
            return false;
        };
        let id = self.ledger.begin(Purpose::Block(block));
        let kind = DigestKind::Sha256;
        self.ask(Op::Digest(id, None), cx, |op| IoCommand::Digest { op, kind, spans });
        true
    }

    /// Handles the answer to a digest. The files of the piece `pinned` were kept open for the
    /// digest.
    pub(in crate::torrent) fn digested(
        &mut self,
        (id, pinned): (DigestId, Option<PieceIndex>),
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        if let Some(piece) = pinned {
            self.unpin(piece, cx);
        }
        let (digest, error) = match result {
            Ok(OpOutput::Digest(digest)) => (Some(digest), None),
            Ok(_) => (None, None),
            Err(error) => (None, Some(error)),
        };
        match self.ledger.finish(id, digest.as_ref(), &self.content.meta) {
            Outcome::Stale => {}
            Outcome::Right { piece, was_on_disk } => {
                if was_on_disk {
                    self.storage.found_right(&self.content, piece);
                }
                self.verified(piece, cx);
                self.end_verifying(piece, was_on_disk, cx);
            }
            Outcome::WrongOnDisk(piece) => {
                self.reset(piece);
                // An earlier engine may have granted it.
                self.revoke(piece, cx);
                self.found_wrong(piece, cx);
                self.end_verifying(piece, true, cx);
            }
            Outcome::UnreadableOnDisk(piece) => {
                // Bytes that can't be read do not exist.
                self.reset(piece);
                self.revoke(piece, cx);
                self.distrust(piece, cx);
                self.end_verifying(piece, true, cx);
            }
            Outcome::WrongReceived(piece) => {
                self.failed(piece, cx);
                self.reject_hopeless(cx);
            }
            Outcome::UnreadableReceived(piece) | Outcome::BlockUnreadable(piece) => {
                self.reset(piece);
                if let Some(error) = error {
                    self.fail_for(&error, cx);
                }
                self.reject_hopeless(cx);
            }
            Outcome::RightInDonor(piece) => {
                if !self.copy(piece, cx) {
                    self.end_check(piece, cx);
                }
            }
            Outcome::WrongInDonor(piece) => {
                self.reset(piece);
                self.checked(piece, cx);
            }
            Outcome::Exhibited(piece) => self.reset(piece),
            Outcome::Guilty(peers) => peers.into_iter().for_each(|guilty| self.ban(guilty, cx)),
            Outcome::BlockRight { block, completes: true } => self.verified(block.piece(), cx),
            Outcome::BlockRight { block, completes: false } => self.grant(block.piece(), cx),
            Outcome::BlockWrong { block, guilty } => self.refuted(block, guilty, cx),
        }
    }

    /// The verification of a piece has ended.
    fn end_verifying(&mut self, piece: PieceIndex, was_on_disk: bool, cx: &mut Context<'_>) {
        self.reject_hopeless(cx);
        if was_on_disk {
            self.checked(piece, cx);
        }
    }

    /// A check ended without a result and has to be repeated.
    pub(in crate::torrent) fn end_check(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        self.reset(piece);
        self.suspect(piece, false);
        self.checked(piece, cx);
    }

    /// The check of a piece is done.
    fn checked(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        if self.ledger.end_check(piece) {
            self.close_donors(cx);
        }
        self.check_next(cx);
        cx.changed();
    }

    /// A piece is valid.
    fn verified(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        if !self.ledger.pieces().senders(piece).is_empty() {
            self.storage.has_written();
        }
        let was_done = self.is_done();
        self.believe(piece, cx);
        self.record.touch(cx.now);
        self.fetch.invalidate();
        self.swarm.announce_piece(piece, cx.now);
        if !self.ledger.needs_digests(piece) || !self.digest_blocks(Purpose::Proof(piece), cx) {
            self.ledger.drop_suspicion(piece);
        }
        if self.is_done() {
            self.completed(cx);
            if !was_done {
                self.confirm(cx);
            }
        }
    }

    /// The disk holds a piece. A digest proves this, or a stamp that excludes later changes.
    pub(in crate::torrent) fn believe(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        self.ledger.believe(piece);
        self.fetch.take(piece);
        self.storage.add_verified(self.content.geometry.piece_spans(piece));
        self.grant(piece, cx);
    }

    /// A downloaded piece is wrong.
    fn failed(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        if self.found_was_wrong(piece, cx) {
            return;
        }
        let failure = self.ledger.failed(piece);
        if failure != Failure::ByBlock {
            self.account.discard(u64::from(self.content.geometry.piece_len(piece)));
        }
        match failure {
            Failure::ByBlock => {}
            Failure::Guilty(guilty) => {
                self.reset(piece);
                self.ban(guilty, cx);
            }
            Failure::Exhibit(senders) => {
                if !self.digest_blocks(Purpose::Exhibit(piece, senders), cx) {
                    self.reset(piece);
                }
            }
        }
    }

    /// A block is wrong: the only peer that sent it is banned.
    fn refuted(&mut self, block: Block, guilty: Option<Sender>, cx: &mut Context<'_>) {
        let (_, length) = self.content.geometry.block_range(block);
        self.account.discard(u64::from(length));
        self.return_to_idle(block.piece());
        self.fetch.freed();
        self.fetch.invalidate();
        if let Some(guilty) = guilty {
            self.ban(guilty, cx);
        }
    }

    /// The disk may hold a piece: it is checked before it is requested.
    pub(in crate::torrent) fn suspect(&mut self, piece: PieceIndex, is_likely: bool) {
        self.ledger.suspect(piece, is_likely);
        self.fetch.take(piece);
    }

    /// A piece is missing again and can be picked.
    pub(in crate::torrent) fn reset(&mut self, piece: PieceIndex) {
        self.ledger.reset(piece);
        self.fetch.put_back(piece);
        self.fetch.invalidate();
    }

    /// Returns a missing piece to the picker, if its hash is known.
    pub(in crate::torrent) fn put_back(&mut self, piece: PieceIndex) {
        if !self.ledger.pieces().is_sealed(piece) {
            self.fetch.put_back(piece);
        }
    }
}
