//! Pieces that failed their hash, and who is guilty.
//!
//! A piece made of blocks from many peers says nothing about any one of them. So the digest of
//! every block of the failure is kept, the piece is fetched again from one peer alone, and the
//! comparison tells: a lone giver of a bad piece is guilty; and so is everyone whose block differs
//! from the one that passed.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use shared_proto::ConnId;

use crate::geometry::PieceIndex;
use crate::limits;

/// One block of a failure: its digest and who wrote it.
type Exhibit = (Bytes, Vec<SocketAddr>);

#[derive(Debug, Default)]
struct Suspect {
    /// The only connection that may be asked, once one was.
    only: Option<ConnId>,
    /// Failures with more than one giver, block by block.
    failures: Vec<Vec<Exhibit>>,
}

/// All suspect pieces of one torrent.
#[derive(Debug, Default)]
pub struct Suspects {
    pieces: BTreeMap<PieceIndex, Suspect>,
}

impl Suspects {
    /// Whether this connection may be asked for blocks of the piece.
    pub fn may_ask(&self, piece: PieceIndex, conn: ConnId) -> bool {
        self.pieces.get(&piece).and_then(|suspect| suspect.only).is_none_or(|only| only == conn)
    }

    /// The pieces that failed and did not pass since.
    pub fn pieces(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.pieces.keys().copied()
    }

    /// Whether the piece may be asked of everybody.
    pub fn is_free(&self, piece: PieceIndex) -> bool {
        !self.pieces.contains_key(&piece)
    }

    /// A connection is asked for a block: if the piece is suspect, it is the only one from now on.
    pub fn asked(&mut self, piece: PieceIndex, conn: ConnId) {
        if let Some(suspect) = self.pieces.get_mut(&piece) {
            suspect.only.get_or_insert(conn);
        }
    }

    /// A connection is gone, chokes or snubs: others may be asked.
    pub fn release(&mut self, conn: ConnId) {
        for suspect in self.pieces.values_mut().filter(|suspect| suspect.only == Some(conn)) {
            suspect.only = None;
        }
    }

    /// A piece failed: who is guilty beyond doubt. When nobody is, its blocks are to be digested
    /// and told to [`Self::exhibit`].
    pub fn failed(&mut self, piece: PieceIndex, givers: &[Vec<SocketAddr>]) -> Option<SocketAddr> {
        let lone = lone_giver(givers);
        if self.pieces.len() < limits::SUSPECT_PIECES || self.pieces.contains_key(&piece) {
            self.pieces.entry(piece).or_default().only = None;
        }
        lone
    }

    /// The blocks of a failure that had several givers.
    pub fn exhibit(&mut self, piece: PieceIndex, blocks: Vec<Exhibit>) {
        const FAILURES: usize = 4;
        if let Some(suspect) =
            self.pieces.get_mut(&piece).filter(|suspect| suspect.failures.len() < FAILURES)
        {
            suspect.failures.push(blocks);
        }
    }

    /// Whether the blocks of a piece that passed are to be digested, to convict those who gave
    /// others.
    pub fn wants_proof(&self, piece: PieceIndex) -> bool {
        self.pieces.get(&piece).is_some_and(|suspect| !suspect.failures.is_empty())
    }

    /// The piece passed with these blocks: everyone who alone gave a block that differs.
    pub fn passed(&mut self, piece: PieceIndex, proof: &[Bytes]) -> Vec<SocketAddr> {
        let Some(suspect) = self.pieces.remove(&piece) else { return Vec::new() };
        let mut guilty: Vec<SocketAddr> = suspect
            .failures
            .iter()
            .flat_map(|blocks| blocks.iter().zip(proof))
            .filter(|((digest, givers), right)| digest != *right && givers.len() == 1)
            .map(|((_, givers), _)| givers[0])
            .collect();
        guilty.sort_unstable();
        guilty.dedup();
        guilty
    }
}

fn lone_giver(givers: &[Vec<SocketAddr>]) -> Option<SocketAddr> {
    let first = *givers.first()?.first()?;
    givers.iter().flatten().all(|&giver| giver == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn exhibits(blocks: &[(&'static str, u16)]) -> Vec<Exhibit> {
        blocks
            .iter()
            .map(|(digest, port)| (Bytes::from_static(digest.as_bytes()), vec![at(*port)]))
            .collect()
    }

    const PIECE: PieceIndex = PieceIndex(3);

    #[test]
    fn a_lone_giver_of_a_bad_piece_is_guilty() {
        assert_eq!(Suspects::default().failed(PIECE, &[vec![at(1)], vec![at(1)]]), Some(at(1)));
    }

    #[test]
    fn only_the_one_whose_block_differs_is_convicted() {
        let mut suspects = Suspects::default();
        assert_eq!(suspects.failed(PIECE, &[vec![at(1)], vec![at(2)], vec![at(3)]]), None);
        suspects.exhibit(PIECE, exhibits(&[("a", 1), ("x", 2), ("c", 3)]));
        assert!(suspects.wants_proof(PIECE));
        let proof: Vec<Bytes> =
            ["a", "b", "c"].map(|digest| Bytes::from_static(digest.as_bytes())).to_vec();
        assert_eq!(suspects.passed(PIECE, &proof), [at(2)]);
        assert!(suspects.is_free(PIECE));
    }

    #[test]
    fn a_suspect_piece_is_asked_of_one_alone_until_that_one_is_gone() {
        let mut suspects = Suspects::default();
        suspects.failed(PIECE, &[vec![at(1)], vec![at(2)]]);
        assert!(suspects.may_ask(PIECE, ConnId(1)) && suspects.may_ask(PIECE, ConnId(2)));
        suspects.asked(PIECE, ConnId(1));
        assert!(suspects.may_ask(PIECE, ConnId(1)) && !suspects.may_ask(PIECE, ConnId(2)));
        suspects.release(ConnId(1));
        assert!(suspects.may_ask(PIECE, ConnId(2)));
    }
}
