//! Finds the peers that caused pieces to fail verification.
//!
//! A failed piece with blocks from several peers does not show which peer sent bad data. So the
//! digest of every block of the failure is kept, and the piece is downloaded again from one peer
//! alone. A single sender of a failed piece is guilty; once the piece passes, so is every single
//! sender of a block that differs from the verified one.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::geometry::PieceIndex;
use crate::limits;
use crate::source::{Sender, Source};

/// One block of a failed piece: its digest and its senders.
type FailedBlock = (Bytes, Vec<Sender>);

#[derive(Debug, Default)]
struct Suspect {
    /// The only source that may be asked for the piece, once one was asked.
    only: Option<Source>,
    /// Failures with more than one sender, block by block.
    failures: Vec<Vec<FailedBlock>>,
}

/// The suspect pieces of one torrent.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    pieces: BTreeMap<PieceIndex, Suspect>,
}

impl Suspects {
    /// Returns whether this source may be asked for blocks of the piece.
    pub(crate) fn may_ask(&self, piece: PieceIndex, source: impl Into<Source>) -> bool {
        let source = source.into();
        self.pieces.get(&piece).and_then(|suspect| suspect.only).is_none_or(|only| only == source)
    }

    /// Returns the pieces that failed and have not passed since.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.pieces.keys().copied()
    }

    /// Returns whether every peer may be asked for the piece.
    pub(crate) fn is_free(&self, piece: PieceIndex) -> bool {
        !self.pieces.contains_key(&piece)
    }

    /// Records a request: a suspect piece then belongs to this source alone.
    pub(crate) fn asked(&mut self, piece: PieceIndex, source: impl Into<Source>) {
        if let Some(suspect) = self.pieces.get_mut(&piece) {
            suspect.only.get_or_insert(source.into());
        }
    }

    /// Releases the pieces of a source that closed, choked or went silent.
    pub(crate) fn release(&mut self, source: impl Into<Source>) {
        let source = source.into();
        for suspect in self.pieces.values_mut().filter(|suspect| suspect.only == Some(source)) {
            suspect.only = None;
        }
    }

    /// Records a failed piece. Returns the guilty peer if the piece had a single sender.
    ///
    /// Otherwise the caller digests its blocks and passes them to [`Self::record_failure`].
    pub(crate) fn failed(&mut self, piece: PieceIndex, senders: &[Vec<Sender>]) -> Option<Sender> {
        let lone = single_sender(senders);
        if self.pieces.len() < limits::SUSPECT_PIECES || self.pieces.contains_key(&piece) {
            self.pieces.entry(piece).or_default().only = None;
        }
        lone
    }

    /// Stores the blocks of a failure that had several senders.
    pub(crate) fn record_failure(&mut self, piece: PieceIndex, blocks: Vec<FailedBlock>) {
        const FAILURES: usize = 4;
        if let Some(suspect) =
            self.pieces.get_mut(&piece).filter(|suspect| suspect.failures.len() < FAILURES)
        {
            suspect.failures.push(blocks);
        }
    }

    /// Returns whether the blocks of a verified piece should be digested. The digests reveal guilty
    /// peers.
    pub(crate) fn needs_digests(&self, piece: PieceIndex) -> bool {
        self.pieces.get(&piece).is_some_and(|suspect| !suspect.failures.is_empty())
    }

    /// Compares a verified piece with its failures.
    ///
    /// Returns every address that was the only sender of a block that differs.
    pub(crate) fn passed(&mut self, piece: PieceIndex, proof: &[Bytes]) -> Vec<Sender> {
        let Some(suspect) = self.pieces.remove(&piece) else { return Vec::new() };
        let mut guilty: Vec<Sender> = suspect
            .failures
            .iter()
            .flat_map(|blocks| blocks.iter().zip(proof))
            .filter(|((digest, senders), right)| digest != *right && senders.len() == 1)
            .map(|((_, senders), _)| senders[0])
            .collect();
        guilty.sort_unstable();
        guilty.dedup();
        guilty
    }
}

fn single_sender(senders: &[Vec<Sender>]) -> Option<Sender> {
    let first = *senders.first()?.first()?;
    senders.iter().flatten().all(|&giver| giver == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use shared_proto::ConnId;

    use super::*;
    use crate::geometry::testing;

    fn at(port: u16) -> Sender {
        Sender::Peer(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    fn failed_blocks(blocks: &[(&'static str, u16)]) -> Vec<FailedBlock> {
        blocks
            .iter()
            .map(|(digest, port)| (Bytes::from_static(digest.as_bytes()), vec![at(*port)]))
            .collect()
    }

    const PIECE: PieceIndex = testing::piece(3);

    #[test]
    fn the_only_sender_of_a_bad_piece_is_guilty() {
        assert_eq!(Suspects::default().failed(PIECE, &[vec![at(1)], vec![at(1)]]), Some(at(1)));
    }

    #[test]
    fn only_the_sender_of_a_differing_block_is_guilty() {
        let mut suspects = Suspects::default();
        assert_eq!(suspects.failed(PIECE, &[vec![at(1)], vec![at(2)], vec![at(3)]]), None);
        suspects.record_failure(PIECE, failed_blocks(&[("a", 1), ("x", 2), ("c", 3)]));
        assert!(suspects.needs_digests(PIECE));
        let proof: Vec<Bytes> =
            ["a", "b", "c"].map(|digest| Bytes::from_static(digest.as_bytes())).to_vec();
        assert_eq!(suspects.passed(PIECE, &proof), [at(2)]);
        assert!(suspects.is_free(PIECE));
    }

    #[test]
    fn a_suspect_piece_is_requested_from_one_peer_until_it_disconnects() {
        let mut suspects = Suspects::default();
        suspects.failed(PIECE, &[vec![at(1)], vec![at(2)]]);
        assert!(suspects.may_ask(PIECE, ConnId(1)) && suspects.may_ask(PIECE, ConnId(2)));
        suspects.asked(PIECE, ConnId(1));
        assert!(suspects.may_ask(PIECE, ConnId(1)) && !suspects.may_ask(PIECE, ConnId(2)));
        suspects.release(ConnId(1));
        assert!(suspects.may_ask(PIECE, ConnId(2)));
    }
}
