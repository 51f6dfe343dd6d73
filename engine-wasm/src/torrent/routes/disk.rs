//! A torrent and the hashes of its pieces: of what lies on disk, and of what came.

use shared_proto::io::{DigestKind, OpError, OpOutput};
use shared_proto::{IoCommand, Span};

use crate::context::Context;
use crate::geometry::PieceIndex;
use crate::limits;
use crate::pick::piece_map::PieceState;
use crate::torrent::Status;
use crate::torrent::Torrent;
use crate::torrent::ops::Op;
use crate::torrent::storage::slot::Use;

/// Bytes of one digest of [`DigestKind::Sha256Leaves`].
const LEAF: usize = 32;

impl Torrent {
    /// Hashes what lies on disk, what viewers need first.
    pub(in crate::torrent) fn check_next(&mut self, cx: &mut Context<'_>) {
        if !self.life.linked || self.storage.looking.is_some() {
            return;
        }
        let wanted: Vec<PieceIndex> =
            self.fetch.picker.wants().iter().map(|want| want.piece).collect();
        for piece in wanted {
            if self.ledger.checking < limits::CHECKS
                && self.ledger.pieces.state(piece) == PieceState::Unchecked
                && !self.ledger.pieces.is_sealed(piece)
                && !self.check(piece, cx)
            {
                return;
            }
        }
        let ahead =
            usize::try_from(limits::CHECK_AHEAD / u64::from(self.content.geometry.piece_length()))
                .unwrap_or(usize::MAX);
        while self.ledger.checking < limits::CHECKS.min(ahead.max(2)) {
            let named = self.ledger.check_first.pop_front();
            let Some(piece) = named.or_else(|| self.next_unchecked()) else { break };
            if self.ledger.pieces.state(piece) == PieceState::Unchecked
                && !self.ledger.pieces.is_sealed(piece)
                && !self.check(piece, cx)
            {
                return;
            }
        }
    }

    /// The first piece that can be checked.
    fn next_unchecked(&self) -> Option<PieceIndex> {
        let unchecked = self.ledger.pieces.unchecked().iter_ones().map(PieceIndex);
        unchecked.into_iter().find(|&piece| !self.ledger.pieces.is_sealed(piece))
    }

    /// False when its files can't all be open now.
    fn check(&mut self, piece: PieceIndex, cx: &mut Context<'_>) -> bool {
        let is_donated = self.is_donated(piece);
        if is_donated && matches!(self.life.status, Status::Paused | Status::Failed(..)) {
            // A torrent that is stopped writes nothing, and copies nothing either.
            return false;
        }
        let Some((kind, spans)) = self.digest_of(piece, Use::Find, cx) else { return false };
        self.ledger.pieces.begin_check(piece);
        self.ledger.checking += 1;
        self.pin(piece, cx);
        let purpose = if is_donated { Op::HashFound(piece) } else { Op::Hash(piece) };
        self.ask(purpose, cx, |op| IoCommand::Digest { op, kind, spans });
        true
    }

    /// A piece was hashed where it was found: if it is right, its bytes are copied.
    pub(in crate::torrent) fn hashed_found(
        &mut self,
        piece: PieceIndex,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        self.unpin(piece, cx);
        let is_right =
            matches!(&result, Ok(OpOutput::Digest(digest)) if self.is_right(piece, digest));
        if !is_right {
            self.give_up(piece);
            return self.checked(cx);
        }
        if !self.copy(piece, cx) {
            self.end_check(piece, cx);
        }
    }

    /// A check ends without having come to anything: it is to be done again.
    pub(in crate::torrent) fn end_check(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        self.give_up(piece);
        self.suspect(piece, false);
        self.checked(cx);
    }

    /// One check less is under way.
    fn checked(&mut self, cx: &mut Context<'_>) {
        self.ledger.checking = self.ledger.checking.saturating_sub(1);
        self.end_of_check(cx);
        self.check_next(cx);
        cx.changed();
    }

    /// Has the daemon hash a piece that was fetched. If its files can't all be open now, later.
    pub(in crate::torrent) fn hash(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        match self.digest_of(piece, Use::Read, cx) {
            Some(digest) => self.digest(piece, digest, cx),
            None => self.ledger.to_hash.push_back(piece),
        }
    }

    /// Tries again what could not be hashed for want of open files.
    pub(in crate::torrent) fn hash_delayed(&mut self, cx: &mut Context<'_>) {
        for piece in std::mem::take(&mut self.ledger.to_hash) {
            if self.ledger.pieces.state(piece) == PieceState::Hashing {
                self.hash(piece, cx);
            }
        }
    }

    fn digest(
        &mut self,
        piece: PieceIndex,
        (kind, spans): (DigestKind, Vec<Span>),
        cx: &mut Context<'_>,
    ) {
        self.pin(piece, cx);
        self.ask(Op::Hash(piece), cx, |op| IoCommand::Digest { op, kind, spans });
    }

    /// Has the daemon digest the blocks of a piece.
    fn leaves(&mut self, piece: PieceIndex, purpose: Op, cx: &mut Context<'_>) -> bool {
        let Some(spans) =
            self.spans(piece, 0, self.content.geometry.piece_len(piece), Use::Read, cx)
        else {
            return false;
        };
        self.pin(piece, cx);
        self.ask(purpose, cx, |op| IoCommand::Digest { op, kind: DigestKind::Sha256Leaves, spans });
        true
    }

    /// A hash came.
    pub(in crate::torrent) fn hashed(
        &mut self,
        piece: PieceIndex,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        self.unpin(piece, cx);
        let givers = self.ledger.pieces.givers(piece);
        let was_on_disk = givers.is_empty();
        match result {
            Ok(OpOutput::Digest(digest)) if self.is_right(piece, &digest) => {
                if was_on_disk {
                    self.found_right(piece);
                }
                self.verified(piece, cx);
            }
            Ok(OpOutput::Digest(_)) if was_on_disk => {
                self.give_up(piece);
                // An earlier engine may have granted it.
                self.revoke(piece, cx);
                self.found_wrong(piece, cx);
            }
            Ok(OpOutput::Digest(_)) if self.found_was_wrong(piece, cx) => self.give_up(piece),
            // Each of its blocks is judged by itself: the wrong ones are found that way.
            Ok(OpOutput::Digest(_)) if self.judges_by_block(piece) => {}
            Ok(OpOutput::Digest(_)) => self.failed(piece, givers, cx),
            // What a check can't read isn't there; what was just written and can't be read is
            // trouble.
            _ if was_on_disk => {
                self.give_up(piece);
                self.revoke(piece, cx);
                self.distrust(piece, cx);
            }
            Ok(_) => self.give_up(piece),
            Err(error) => {
                self.give_up(piece);
                self.fail_for(&error, cx);
            }
        }
        self.turn_away_hopeless(cx);
        if was_on_disk {
            self.checked(cx);
        }
    }

    pub(in crate::torrent) fn verified(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        if !self.ledger.pieces.givers(piece).is_empty() {
            self.storage.trouble.is_over();
        }
        let was_done = self.is_done();
        self.believe(piece, cx);
        self.record.touch(cx.now);
        self.fetch.wants_are_stale = true;
        self.tell_have(piece, cx.now);
        if !self.ledger.suspects.wants_proof(piece) || !self.leaves(piece, Op::Proof(piece), cx) {
            self.ledger.suspects.passed(piece, &[]);
        }
        if self.is_done() {
            self.completed(cx);
            if !was_done {
                self.confirm(cx);
            }
        }
    }

    /// The disk holds a piece: a hash says so, or a stamp that says that nothing was changed since
    /// one did.
    pub(in crate::torrent) fn believe(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        self.ledger.pieces.verified(piece);
        self.ledger.trees.forget_blocks(piece);
        self.fetch.availability.take(piece);
        for span in self.content.geometry.piece_spans(piece) {
            self.storage.files[span.file.as_usize()].verified += u64::from(span.length);
        }
        self.grant(piece, cx);
    }

    fn failed(
        &mut self,
        piece: PieceIndex,
        givers: Vec<Vec<std::net::SocketAddr>>,
        cx: &mut Context<'_>,
    ) {
        self.account.wasted += u64::from(self.content.geometry.piece_len(piece));
        if let Some(guilty) = self.ledger.suspects.failed(piece, &givers) {
            self.give_up(piece);
            self.ban(guilty, cx);
        } else if !self.leaves(piece, Op::Exhibit(piece, givers), cx) {
            self.give_up(piece);
        }
    }

    /// The blocks of a failed piece are digested: it can be fetched again.
    pub(in crate::torrent) fn exhibited(
        &mut self,
        piece: PieceIndex,
        givers: Vec<Vec<std::net::SocketAddr>>,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        self.unpin(piece, cx);
        if let Ok(OpOutput::Digest(leaves)) = result {
            let digests =
                (0..leaves.len() / LEAF).map(|at| leaves.slice(at * LEAF..(at + 1) * LEAF));
            self.ledger.suspects.exhibit(piece, digests.zip(givers).collect());
        }
        self.give_up(piece);
    }

    /// The blocks of a piece that passed after a failure are digested: those who gave others are
    /// convicted.
    pub(in crate::torrent) fn proved(
        &mut self,
        piece: PieceIndex,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        self.unpin(piece, cx);
        // A piece that was lost meanwhile may have been changed by another program.
        let Ok(OpOutput::Digest(leaves)) = result else { return };
        if self.ledger.pieces.state(piece) != PieceState::Have {
            return;
        }
        let proof: Vec<_> =
            (0..leaves.len() / LEAF).map(|at| leaves.slice(at * LEAF..(at + 1) * LEAF)).collect();
        for guilty in self.ledger.suspects.passed(piece, &proof) {
            self.ban(guilty, cx);
        }
    }

    pub(in crate::torrent) fn give_up(&mut self, piece: PieceIndex) {
        self.ledger.pieces.reset(piece);
        self.fetch.availability.put_back(piece);
        self.fetch.wants_are_stale = true;
    }

    /// A missing piece can be picked, if there is something to hold it against.
    pub(in crate::torrent) fn put_back(&mut self, piece: PieceIndex) {
        if !self.ledger.pieces.is_sealed(piece) {
            self.fetch.availability.put_back(piece);
        }
    }
}
