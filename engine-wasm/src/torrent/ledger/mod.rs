//! Records which parts of a torrent are verified and which are being verified.
//!
//! Owns the state of every piece and block, the hash trees, the pending digests, and the peers
//! suspected of corrupt data. It orders no I/O: it states the purpose of a digest and interprets
//! its result. Invariant: a piece is verified only by a matching digest that this ledger knows, or
//! because the caller vouches that the bytes are unchanged since one matched ([`Ledger::believe`]).

mod appraisal;
pub(in crate::torrent) mod checks;
pub(in crate::torrent) mod digests;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;
use shared_proto::io::DigestKind;

use crate::geometry::{Block, Geometry, PieceIndex, each_piece};
use crate::hashes::request::HashRequest;
use crate::hashes::trees::{Answer, Trees, Unproved};
use crate::limits;
use crate::metainfo::{Metainfo, merkle};
use crate::pick::piece_map::{PieceMap, PieceState};
use crate::pick::suspects::Suspects;
use crate::pick::verified::Verified;
use crate::source::{Sender, Source};
use appraisal::appraise;
use checks::Checks;
use digests::Digests;

pub(in crate::torrent) use appraisal::{Appraisal, Sighting};
pub(in crate::torrent) use digests::{DigestId, Purpose};

/// Length of a SHA-1, in bytes. The digests of blocks are longer.
const SHA1: usize = 20;
/// Length of one digest of [`DigestKind::Sha256Leaves`], in bytes.
const LEAF: usize = 32;

/// The meaning of a digest's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::torrent) enum Outcome {
    /// None: the bytes may have changed since, or the piece was decided in another way.
    Stale,
    /// A piece is valid. It is verified once the caller calls [`Ledger::believe`].
    Right { piece: PieceIndex, was_on_disk: bool },
    /// A piece that was on the disk is wrong.
    WrongOnDisk(PieceIndex),
    /// A piece that was on the disk can't be read.
    UnreadableOnDisk(PieceIndex),
    /// A downloaded piece is wrong.
    WrongReceived(PieceIndex),
    /// A downloaded piece can't be read.
    UnreadableReceived(PieceIndex),
    /// A piece is valid in its donor.
    RightInDonor(PieceIndex),
    /// A piece is wrong or unreadable in its donor.
    WrongInDonor(PieceIndex),
    /// The blocks of a failed piece are recorded: it can be requested again.
    Exhibited(PieceIndex),
    /// Peers that sent corrupt blocks.
    Guilty(Vec<Sender>),
    /// A block is valid; `completes` says whether its piece is verified now.
    BlockRight { block: Block, completes: bool },
    /// A block is wrong. `guilty` is the only peer that sent it, if there is one.
    BlockWrong { block: Block, guilty: Option<Sender> },
    /// A block can't be read.
    BlockUnreadable(PieceIndex),
}

/// What to do about a wrong downloaded piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::torrent) enum Failure {
    /// Wrong blocks are identified by their own hashes.
    ByBlock,
    /// This peer alone sent it.
    Guilty(Sender),
    /// Several peers sent it: the digests of its blocks are needed, with these senders.
    Exhibit(Vec<Vec<Sender>>),
}

/// The effect of hashes from a peer.
#[derive(Debug, Default)]
pub(in crate::torrent) struct Learned {
    /// Missing pieces whose hash is now known.
    pub(in crate::torrent) unsealed: Vec<PieceIndex>,
    /// Stored blocks that can now be verified by their own hashes.
    pub(in crate::torrent) blocks: Vec<Block>,
}

/// The verified pieces and blocks of a torrent, and the pending digests.
#[derive(Debug)]
pub(in crate::torrent) struct Ledger {
    geometry: Arc<Geometry>,
    pieces: PieceMap,
    trees: Trees,
    suspects: Suspects,
    digests: Digests,
    checks: Checks,
}

impl Ledger {
    /// Creates a ledger in which nothing is verified.
    pub(in crate::torrent) fn new(meta: &Metainfo, geometry: Arc<Geometry>) -> Self {
        let trees = Trees::new(meta, &geometry);
        let mut pieces = PieceMap::new(Arc::clone(&geometry));
        if meta.info_hash_v2.is_some() {
            pieces.verify_by_block();
        }
        let sealed = geometry.pieces().filter(|&piece| trees.is_sealed(piece));
        sealed.for_each(|piece| pieces.seal(piece));
        Self {
            geometry,
            pieces,
            trees,
            suspects: Suspects::default(),
            digests: Digests::default(),
            checks: Checks::default(),
        }
    }

    /// The state of each piece and block.
    pub(in crate::torrent) fn pieces(&self) -> &PieceMap {
        &self.pieces
    }

    /// The verified bytes.
    pub(in crate::torrent) fn verified<'a>(&'a self, geometry: &'a Geometry) -> Verified<'a> {
        Verified { geometry, pieces: &self.pieces }
    }

    /// The known v2 hashes.
    pub(in crate::torrent) fn trees(&self) -> &Trees {
        &self.trees
    }

    /// Pieces that failed and have not passed since.
    pub(in crate::torrent) fn suspects(&self) -> &Suspects {
        &self.suspects
    }

    /// Lends what each request to a peer changes: the state of blocks, and who may be asked.
    pub(in crate::torrent) fn for_requests(&mut self) -> (&mut PieceMap, &mut Suspects) {
        (&mut self.pieces, &mut self.suspects)
    }

    /// Sets which pieces are selected.
    pub(in crate::torrent) fn set_wanted(&mut self, is_wanted: impl Fn(PieceIndex) -> bool) {
        self.pieces.set_wanted(is_wanted);
    }

    /// Pieces whose blocks may have been armed or disarmed since the last call.
    pub(in crate::torrent) fn take_armed_changes(&mut self) -> Vec<PieceIndex> {
        self.pieces.take_armed_changes()
    }

    /// A source is gone, chokes or snubs: suspect pieces may be requested from others.
    pub(in crate::torrent) fn release(&mut self, source: impl Into<Source>) {
        self.suspects.release(source);
    }

    /// The kind of digest for a piece: of its blocks if the v2 hash is known, else for v1.
    pub(in crate::torrent) fn kind_for(&self, piece: PieceIndex) -> DigestKind {
        if self.trees.piece(piece).is_some() { DigestKind::Sha256Leaves } else { DigestKind::Sha1 }
    }

    /// Decides about a piece after its files were inspected.
    pub(in crate::torrent) fn appraise(&self, piece: PieceIndex, sighting: Sighting) -> Appraisal {
        appraise(self.pieces.state(piece), sighting)
    }

    /// The next piece to check; `None` while enough are being checked.
    ///
    /// The pieces that viewers wait for (`wanted`) come first, then those in the record.
    pub(in crate::torrent) fn take_next_check(
        &mut self,
        mut wanted: impl Iterator<Item = PieceIndex>,
    ) -> Option<PieceIndex> {
        if self.checks.underway() >= limits::CHECKS {
            return None;
        }
        if let Some(piece) = wanted.find(|&piece| self.can_check(piece)) {
            return Some(piece);
        }
        let ahead = limits::CHECK_AHEAD / u64::from(self.geometry.piece_length());
        if self.checks.underway() >= usize::try_from(ahead).unwrap_or(usize::MAX).max(2) {
            return None;
        }
        while let Some(piece) = self.checks.take_likely() {
            if self.can_check(piece) {
                return Some(piece);
            }
        }
        let mut unchecked = self.geometry.marked(self.pieces.unchecked());
        unchecked.find(|&piece| !self.pieces.is_sealed(piece))
    }

    /// Whether a piece may be on the disk and can be checked.
    fn can_check(&self, piece: PieceIndex) -> bool {
        self.pieces.state(piece) == PieceState::Unchecked && !self.pieces.is_sealed(piece)
    }

    /// Number of pieces that are being checked.
    pub(in crate::torrent) fn checks_underway(&self) -> usize {
        self.checks.underway()
    }

    /// Whether no piece on the disk is being checked or waits for it.
    pub(in crate::torrent) fn is_checked(&self) -> bool {
        self.checks.underway() == 0 && self.pieces.unchecked().is_clear()
    }

    /// Whether a check goes on after which every piece may turn out to be verified.
    pub(in crate::torrent) fn may_be_complete(&self) -> bool {
        let (have, unchecked) = (self.pieces.have().count(), self.pieces.unchecked().count());
        let underway = u32::try_from(self.checks.underway()).unwrap_or(u32::MAX);
        !self.is_checked() && have + unchecked + underway == self.geometry.piece_count()
    }

    /// Share of the pieces on the disk that are checked, 0 to 1. `None` when there is no check.
    pub(in crate::torrent) fn check_progress(&self) -> Option<f64> {
        self.checks.progress(self.pieces.unchecked().count())
    }

    /// The disk may hold a missing piece: it is checked before it is requested.
    pub(in crate::torrent) fn suspect(&mut self, piece: PieceIndex, is_likely: bool) {
        self.pieces.mark_unchecked(piece);
        self.checks.add(piece, is_likely);
    }

    /// An unchecked piece is missing after all. False if it was not unchecked.
    pub(in crate::torrent) fn unsuspect(&mut self, piece: PieceIndex) -> bool {
        self.pieces.clear_unchecked(piece)
    }

    /// The user starts a check of everything.
    pub(in crate::torrent) fn ask_for_check(&mut self) {
        self.checks.ask();
    }

    /// Remembers that a piece was verified before a check by the user.
    pub(in crate::torrent) fn doubt(&mut self, piece: PieceIndex) {
        self.checks.doubt(piece);
    }

    /// Another program changed these pieces: a cancelled check does not restore them.
    pub(in crate::torrent) fn forget_doubted(&mut self, pieces: &RangeInclusive<PieceIndex>) {
        self.checks.forget_doubted(pieces);
    }

    /// The user cancels the check.
    ///
    /// Returns the pieces that were verified before it and not checked yet, and those that are
    /// missing now; `None` if the user had started none.
    pub(in crate::torrent) fn cancel_check(
        &mut self,
    ) -> Option<(Vec<PieceIndex>, Vec<PieceIndex>)> {
        let doubted = self.checks.cancel()?;
        let restored =
            doubted.into_iter().filter(|&piece| self.pieces.clear_unchecked(piece)).collect();
        let left: Vec<PieceIndex> = self.geometry.marked(self.pieces.unchecked()).collect();
        for &piece in &left {
            self.pieces.clear_unchecked(piece);
        }
        Some((restored, left))
    }

    /// Starts to check a piece on the disk. The piece is in its own files or in their donors.
    pub(in crate::torrent) fn begin_check(
        &mut self,
        piece: PieceIndex,
        in_donor: bool,
    ) -> DigestId {
        self.pieces.begin_check(piece);
        self.checks.begin(piece);
        let purpose = if in_donor { Purpose::InDonor(piece) } else { Purpose::OnDisk(piece) };
        self.digests.begin(purpose)
    }

    /// A check has ended, whatever the result. Returns whether it was the last.
    pub(in crate::torrent) fn end_check(&mut self, piece: PieceIndex) -> bool {
        self.checks.end(piece);
        self.end_checks()
    }

    /// Whether no check is left; the next one then counts from zero.
    pub(in crate::torrent) fn end_checks(&mut self) -> bool {
        let is_over = self.is_checked();
        if is_over {
            self.checks.reset();
        }
        is_over
    }

    /// Starts to verify a piece whose blocks are all stored or copied.
    pub(in crate::torrent) fn begin_verifying(&mut self, piece: PieceIndex) -> DigestId {
        let is_received = !self.pieces.senders(piece).is_empty();
        let purpose = if is_received { Purpose::Received(piece) } else { Purpose::OnDisk(piece) };
        self.digests.begin(purpose)
    }

    /// Postpones [`Ledger::begin_verifying`], because the files of the piece can't be opened now.
    pub(in crate::torrent) fn delay_verifying(&mut self, piece: PieceIndex) {
        self.digests.delay(piece);
    }

    /// Takes the pieces whose verification was postponed and is still due.
    pub(in crate::torrent) fn take_delayed(&mut self) -> Vec<PieceIndex> {
        let mut delayed = Vec::from(self.digests.take_delayed());
        delayed.retain(|&piece| self.pieces.state(piece) == PieceState::Hashing);
        delayed
    }

    /// Whether a block can be verified by its own hash.
    pub(in crate::torrent) fn knows_block(&self, block: Block) -> bool {
        self.trees.block(block).is_some()
    }

    /// Whether every block of a piece can be verified by its own hash.
    pub(in crate::torrent) fn knows_blocks(&self, piece: PieceIndex) -> bool {
        self.geometry.blocks(piece).all(|block| self.knows_block(block))
    }

    /// Starts a digest for any other purpose.
    pub(in crate::torrent) fn begin(&mut self, purpose: Purpose) -> DigestId {
        self.digests.begin(purpose)
    }

    /// Handles the result of a digest, `None` if the bytes could not be read. `meta` has the v1
    /// hashes.
    pub(in crate::torrent) fn finish(
        &mut self,
        id: DigestId,
        digest: Option<&Bytes>,
        meta: &Metainfo,
    ) -> Outcome {
        let Some(purpose) = self.digests.finish(id) else { return Outcome::Stale };
        match (purpose, digest) {
            (Purpose::Received(piece), Some(digest)) => match self.is_right(piece, digest, meta) {
                true => Outcome::Right { piece, was_on_disk: false },
                false => Outcome::WrongReceived(piece),
            },
            (Purpose::Received(piece), None) => Outcome::UnreadableReceived(piece),
            (Purpose::OnDisk(piece), Some(digest)) => match self.is_right(piece, digest, meta) {
                true => Outcome::Right { piece, was_on_disk: true },
                false => Outcome::WrongOnDisk(piece),
            },
            (Purpose::OnDisk(piece), None) => Outcome::UnreadableOnDisk(piece),
            (Purpose::InDonor(piece), digest) => {
                match digest.is_some_and(|digest| self.is_right(piece, digest, meta)) {
                    true => Outcome::RightInDonor(piece),
                    false => Outcome::WrongInDonor(piece),
                }
            }
            (Purpose::Exhibit(piece, senders), digest) => {
                if let Some(digest) = digest {
                    self.suspects.record_failure(piece, leaves(digest).zip(senders).collect());
                }
                Outcome::Exhibited(piece)
            }
            (Purpose::Proof(piece), Some(digest)) => {
                Outcome::Guilty(self.suspects.passed(piece, &leaves(digest).collect::<Vec<_>>()))
            }
            (Purpose::Proof(_), None) => Outcome::Stale,
            (Purpose::Block(block), Some(digest)) => self.finish_block(block, digest),
            (Purpose::Block(block), None) => Outcome::BlockUnreadable(block.piece()),
        }
    }

    fn finish_block(&mut self, block: Block, digest: &Bytes) -> Outcome {
        let Some(expected) = self.trees.block(block) else { return Outcome::Stale };
        if expected[..] == digest[..] {
            return Outcome::BlockRight { block, completes: self.pieces.prove(block) };
        }
        let senders = self.pieces.refute(block);
        // A digest of the whole piece has read the wrong block.
        self.digests.forget_received(block.piece());
        let guilty = if let [only] = senders[..] { Some(only) } else { None };
        Outcome::BlockWrong { block, guilty }
    }

    /// Whether a digest of the kind [`Ledger::kind_for`] matches the torrent.
    fn is_right(&self, piece: PieceIndex, digest: &Bytes, meta: &Metainfo) -> bool {
        if digest.len() == SHA1 {
            let expected = meta.pieces.get(piece.as_usize());
            return expected.is_some_and(|expected| expected[..] == digest[..]);
        }
        self.trees.verify_piece(piece, &merkle::split(digest)) == Some(true)
    }

    /// A piece is verified: by a digest, or because its bytes are unchanged since one matched.
    pub(in crate::torrent) fn believe(&mut self, piece: PieceIndex) {
        self.pieces.verified(piece);
        self.trees.forget_blocks(piece);
        self.digests.forget(piece);
    }

    /// Whether the digests of a verified piece's blocks would convict peers that sent others.
    pub(in crate::torrent) fn needs_digests(&self, piece: PieceIndex) -> bool {
        self.suspects.needs_digests(piece)
    }

    /// A verified piece is no longer suspect, without proof against anybody.
    pub(in crate::torrent) fn drop_suspicion(&mut self, piece: PieceIndex) {
        self.suspects.passed(piece, &[]);
    }

    /// A downloaded piece is wrong: returns what to do.
    pub(in crate::torrent) fn failed(&mut self, piece: PieceIndex) -> Failure {
        if self.knows_blocks(piece) {
            return Failure::ByBlock;
        }
        let senders = self.pieces.senders(piece);
        match self.suspects.failed(piece, &senders) {
            Some(guilty) => Failure::Guilty(guilty),
            None => Failure::Exhibit(senders),
        }
    }

    /// A piece is missing again. Its verified blocks stay, because a viewer may be reading them.
    pub(in crate::torrent) fn reset(&mut self, piece: PieceIndex) {
        self.pieces.reset(piece);
        self.digests.forget(piece);
        self.checks.end(piece);
    }

    /// A verified piece is missing again.
    pub(in crate::torrent) fn lose(&mut self, piece: PieceIndex, is_wanted: bool) {
        self.pieces.lose(piece, is_wanted);
        self.digests.forget(piece);
    }

    /// A begun piece is missing again, including its verified blocks.
    ///
    /// No source may be able to write to it. Returns whether it had verified blocks.
    pub(in crate::torrent) fn lose_begun(&mut self, piece: PieceIndex) -> bool {
        self.digests.forget(piece);
        self.checks.end(piece);
        self.pieces.lose_begun(piece)
    }

    /// Handles hashes from a peer.
    ///
    /// # Errors
    /// [`Unproved`] when they do not lead to a hash that is known: the peer is at fault.
    pub(in crate::torrent) fn learn(
        &mut self,
        request: &HashRequest,
        hashes: &[u8],
    ) -> Result<Learned, Unproved> {
        let mut learned = Learned::default();
        for gain in self.trees.learn(request, hashes)? {
            for piece in gain.pieces.into_iter().flat_map(each_piece) {
                self.pieces.unseal(piece);
                if self.pieces.state(piece) == PieceState::Missing {
                    learned.unsealed.push(piece);
                }
            }
            learned
                .blocks
                .extend(gain.blocks_of.into_iter().flat_map(|it| self.pieces.unproved(it)));
        }
        Ok(learned)
    }

    /// The answer to a peer's request for hashes. [`Answer::Blocks`] first needs a digest of a
    /// verified piece.
    pub(in crate::torrent) fn answer(&self, request: &HashRequest) -> Answer {
        match self.trees.answer(request) {
            Answer::Blocks(piece) if self.pieces.state(piece) != PieceState::Have => Answer::Reject,
            answer => answer,
        }
    }

    /// The link to the daemon is lost, and with it every digest: pieces that were being verified
    /// have to be checked.
    pub(in crate::torrent) fn unlink(&mut self) {
        self.pieces.unlink();
        self.digests.unlink();
        self.checks.unlink();
    }
}

/// Splits the concatenated digests of blocks.
fn leaves(digest: &Bytes) -> impl Iterator<Item = Bytes> + '_ {
    (0..digest.len() / LEAF).map(|at| digest.slice(at * LEAF..(at + 1) * LEAF))
}
