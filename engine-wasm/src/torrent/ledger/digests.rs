//! Digests that the daemon computes for a torrent, each with its purpose.
//!
//! Invariant: a digest counts only while it is known here. Once its bytes may have changed, or its
//! piece was decided in another way, it is forgotten, and the answer is recognised as stale.

use std::collections::{BTreeMap, VecDeque};

use crate::geometry::{Block, PieceIndex};
use crate::source::Sender;

/// The id of a digest, which a torrent never reuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::torrent) struct DigestId(u64);

/// The purpose of a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::torrent) enum Purpose {
    /// Verify a piece whose blocks were downloaded.
    Received(PieceIndex),
    /// Verify a piece that was on the disk before.
    OnDisk(PieceIndex),
    /// Verify a piece in a donor.
    InDonor(PieceIndex),
    /// Verify one block.
    Block(Block),
    /// Record the blocks of a failed piece. The lists name the peers that sent each block.
    Exhibit(PieceIndex, Vec<Vec<Sender>>),
    /// Compare the blocks of a verified piece with those of its earlier failures.
    Proof(PieceIndex),
}

impl Purpose {
    /// The piece whose bytes are digested, or that has the block.
    pub(in crate::torrent) fn piece(&self) -> PieceIndex {
        match self {
            Self::Received(piece)
            | Self::OnDisk(piece)
            | Self::InDonor(piece)
            | Self::Exhibit(piece, _)
            | Self::Proof(piece) => *piece,
            Self::Block(block) => block.piece(),
        }
    }
}

/// The pending digests.
#[derive(Debug, Default)]
pub(super) struct Digests {
    next: u64,
    underway: BTreeMap<DigestId, Purpose>,
    /// Downloaded pieces that wait until all their files can be opened.
    delayed: VecDeque<PieceIndex>,
}

impl Digests {
    /// Starts a digest. A newer digest of the same block makes the older one stale.
    pub(super) fn begin(&mut self, purpose: Purpose) -> DigestId {
        if matches!(purpose, Purpose::Block(_)) {
            self.underway.retain(|_, other| *other != purpose);
        }
        self.next += 1;
        self.underway.insert(DigestId(self.next), purpose);
        DigestId(self.next)
    }

    /// Ends a digest. `None` if it is stale.
    pub(super) fn finish(&mut self, id: DigestId) -> Option<Purpose> {
        self.underway.remove(&id)
    }

    /// Makes every digest of a piece and of its blocks stale.
    pub(super) fn forget(&mut self, piece: PieceIndex) {
        self.underway.retain(|_, purpose| purpose.piece() != piece);
        self.delayed.retain(|&other| other != piece);
    }

    /// Makes the digest of a downloaded piece stale, but not those of its blocks.
    pub(super) fn forget_received(&mut self, piece: PieceIndex) {
        self.underway.retain(|_, purpose| *purpose != Purpose::Received(piece));
    }

    /// Postpones the digest of a downloaded piece.
    pub(super) fn delay(&mut self, piece: PieceIndex) {
        self.delayed.push_back(piece);
    }

    /// Takes the pieces whose digest was postponed.
    pub(super) fn take_delayed(&mut self) -> VecDeque<PieceIndex> {
        std::mem::take(&mut self.delayed)
    }

    /// Forgets everything, because no answers will arrive any more.
    pub(super) fn unlink(&mut self) {
        self.underway.clear();
        self.delayed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::testing;

    const PIECE: PieceIndex = testing::piece(3);
    const OTHER: PieceIndex = testing::piece(4);

    fn block(index: u32) -> Purpose {
        Purpose::Block(testing::block(PIECE.get(), index))
    }

    #[test]
    fn an_answer_finds_its_purpose_once() {
        let mut digests = Digests::default();
        let id = digests.begin(Purpose::OnDisk(PIECE));
        assert_eq!(digests.finish(id), Some(Purpose::OnDisk(PIECE)));
        assert_eq!(digests.finish(id), None);
    }

    #[test]
    fn a_forgotten_piece_makes_its_digests_stale_and_leaves_others_alone() {
        let mut digests = Digests::default();
        let ids = [Purpose::Received(PIECE), block(0), Purpose::Proof(PIECE)]
            .map(|purpose| digests.begin(purpose));
        let other = digests.begin(Purpose::Received(OTHER));
        digests.delay(PIECE);
        digests.delay(OTHER);
        digests.forget(PIECE);
        assert_eq!(ids.map(|id| digests.finish(id)), [None, None, None]);
        assert_eq!(digests.finish(other), Some(Purpose::Received(OTHER)));
        assert_eq!(digests.take_delayed(), [OTHER]);
    }

    #[test]
    fn a_newer_digest_of_a_block_makes_the_older_one_stale() {
        let mut digests = Digests::default();
        let (first, second) = (digests.begin(block(0)), digests.begin(block(1)));
        let again = digests.begin(block(0));
        assert_eq!(digests.finish(first), None);
        assert_eq!(
            (digests.finish(second), digests.finish(again)),
            (Some(block(1)), Some(block(0)))
        );
    }

    #[test]
    fn ids_are_not_reused_after_the_daemon_is_lost() {
        let mut digests = Digests::default();
        let before = digests.begin(Purpose::OnDisk(PIECE));
        digests.unlink();
        assert_ne!(digests.begin(Purpose::OnDisk(PIECE)), before);
        assert_eq!(digests.finish(before), None);
    }
}
