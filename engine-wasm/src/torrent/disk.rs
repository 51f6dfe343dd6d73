//! A torrent and the hashes of its pieces: of what lies on disk, and of what came.

use shared_proto::io::{DigestKind, OpError, OpOutput};
use shared_proto::{IoCommand, Span};

use super::files::Use;
use super::{Op, Status, Torrent};
use crate::context::Context;
use crate::geometry::PieceIndex;
use crate::limits;
use crate::pick::piece_map::PieceState;

/// Bytes of one digest of [`DigestKind::Sha256Leaves`].
const LEAF: usize = 32;

impl Torrent {
    /// Hashes what lies on disk, what viewers need first.
    pub(super) fn check_next(&mut self, cx: &mut Context<'_>) {
        if !self.linked || self.looking.is_some() {
            return;
        }
        let wanted: Vec<PieceIndex> = self.picker.wants().iter().map(|want| want.piece).collect();
        for piece in wanted {
            if self.checking < limits::CHECKS
                && self.pieces.state(piece) == PieceState::Unchecked
                && !self.pieces.is_sealed(piece)
                && !self.check(piece, cx)
            {
                return;
            }
        }
        let ahead = usize::try_from(limits::CHECK_AHEAD / u64::from(self.geometry.piece_length()))
            .unwrap_or(usize::MAX);
        while self.checking < limits::CHECKS.min(ahead.max(2)) {
            let named = self.check_first.pop_front();
            let Some(piece) = named.or_else(|| self.next_unchecked()) else { break };
            if self.pieces.state(piece) == PieceState::Unchecked
                && !self.pieces.is_sealed(piece)
                && !self.check(piece, cx)
            {
                return;
            }
        }
    }

    /// The first piece that can be checked.
    fn next_unchecked(&self) -> Option<PieceIndex> {
        let unchecked = self.pieces.unchecked().iter_ones().map(PieceIndex);
        unchecked.into_iter().find(|&piece| !self.pieces.is_sealed(piece))
    }

    /// False when its files can't all be open now.
    fn check(&mut self, piece: PieceIndex, cx: &mut Context<'_>) -> bool {
        let is_donated = self.is_donated(piece);
        if is_donated && matches!(self.status, Status::Paused | Status::Failed(..)) {
            // A torrent that is stopped writes nothing, and copies nothing either.
            return false;
        }
        let Some((kind, spans)) = self.digest_of(piece, Use::Find, cx) else { return false };
        self.pieces.begin_check(piece);
        self.checking += 1;
        self.pin(piece, cx);
        let purpose = if is_donated { Op::HashFound(piece) } else { Op::Hash(piece) };
        self.ask(purpose, cx, |op| IoCommand::Digest { op, kind, spans });
        true
    }

    /// A piece was hashed where it was found: if it is right, its bytes are copied.
    pub(super) fn hashed_found(
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
    pub(super) fn end_check(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        self.give_up(piece);
        self.suspect(piece, false);
        self.checked(cx);
    }

    /// One check less is under way.
    fn checked(&mut self, cx: &mut Context<'_>) {
        self.checking = self.checking.saturating_sub(1);
        self.end_of_check(cx);
        self.check_next(cx);
        cx.changed();
    }

    /// Has the daemon hash a piece that was fetched. If its files can't all be open now, later.
    pub(super) fn hash(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        match self.digest_of(piece, Use::Read, cx) {
            Some(digest) => self.digest(piece, digest, cx),
            None => self.to_hash.push_back(piece),
        }
    }

    /// Tries again what could not be hashed for want of open files.
    pub(super) fn hash_delayed(&mut self, cx: &mut Context<'_>) {
        for piece in std::mem::take(&mut self.to_hash) {
            if self.pieces.state(piece) == PieceState::Hashing {
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
        let Some(spans) = self.spans(piece, 0, self.geometry.piece_len(piece), Use::Read, cx)
        else {
            return false;
        };
        self.pin(piece, cx);
        self.ask(purpose, cx, |op| IoCommand::Digest { op, kind: DigestKind::Sha256Leaves, spans });
        true
    }

    /// A hash came.
    pub(super) fn hashed(
        &mut self,
        piece: PieceIndex,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        self.unpin(piece, cx);
        let givers = self.pieces.givers(piece);
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

    pub(super) fn verified(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        if !self.pieces.givers(piece).is_empty() {
            self.trouble.is_over();
        }
        let was_done = self.is_done();
        self.believe(piece, cx);
        self.record.touch(cx.now);
        self.wants_are_stale = true;
        self.tell_have(piece, cx.now);
        if !self.suspects.wants_proof(piece) || !self.leaves(piece, Op::Proof(piece), cx) {
            self.suspects.passed(piece, &[]);
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
    pub(super) fn believe(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        self.pieces.verified(piece);
        self.trees.forget_blocks(piece);
        self.availability.take(piece);
        for span in self.geometry.piece_spans(piece) {
            self.files[span.file.as_usize()].verified += u64::from(span.length);
        }
        self.grant(piece, cx);
    }

    fn failed(
        &mut self,
        piece: PieceIndex,
        givers: Vec<Vec<std::net::SocketAddr>>,
        cx: &mut Context<'_>,
    ) {
        self.wasted += u64::from(self.geometry.piece_len(piece));
        if let Some(guilty) = self.suspects.failed(piece, &givers) {
            self.give_up(piece);
            self.ban(guilty, cx);
        } else if !self.leaves(piece, Op::Exhibit(piece, givers), cx) {
            self.give_up(piece);
        }
    }

    /// The blocks of a failed piece are digested: it can be fetched again.
    pub(super) fn exhibited(
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
            self.suspects.exhibit(piece, digests.zip(givers).collect());
        }
        self.give_up(piece);
    }

    /// The blocks of a piece that passed after a failure are digested: those who gave others are
    /// convicted.
    pub(super) fn proved(
        &mut self,
        piece: PieceIndex,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        self.unpin(piece, cx);
        // A piece that was lost meanwhile may have been changed by another program.
        let Ok(OpOutput::Digest(leaves)) = result else { return };
        if self.pieces.state(piece) != PieceState::Have {
            return;
        }
        let proof: Vec<_> =
            (0..leaves.len() / LEAF).map(|at| leaves.slice(at * LEAF..(at + 1) * LEAF)).collect();
        for guilty in self.suspects.passed(piece, &proof) {
            self.ban(guilty, cx);
        }
    }

    pub(super) fn give_up(&mut self, piece: PieceIndex) {
        self.pieces.reset(piece);
        self.availability.put_back(piece);
        self.wants_are_stale = true;
    }

    /// A missing piece can be picked, if there is something to hold it against.
    pub(super) fn put_back(&mut self, piece: PieceIndex) {
        if !self.pieces.is_sealed(piece) {
            self.availability.put_back(piece);
        }
    }
}
