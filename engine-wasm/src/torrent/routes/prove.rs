//! A torrent and its proofs: what a piece or a block is held against, and getting the hashes for it
//! from peers.
//!
//! With the hashes of a piece's blocks known (BEP 52) each block is judged as it comes: its reader
//! goes on at once, and who gave a wrong one is found at once. They are asked for where somebody
//! reads, and where a piece failed; everything else is judged piece by piece, and so is what nobody
//! gives hashes for.

use bytes::Bytes;
use shared_proto::io::{DigestKind, OpError, OpOutput};
use shared_proto::{ConnId, FileRef, IoCommand, OpId, Span};

use crate::context::{Context, Owner};
use crate::geometry::{Block, BlockIndex, PieceIndex};
use crate::hashes::request::{CHUNK, HashRequest};
use crate::hashes::trees::Answer;
use crate::limits;
use crate::metainfo::merkle;
use crate::metainfo::torrent::with_layers;
use crate::peer::Peer;
use crate::pick::piece_map::PieceState;
use crate::torrent::Status;
use crate::torrent::Torrent;
use crate::torrent::ops::Op;
use crate::torrent::storage::slot::Use;

/// Length of a SHA-1, bytes; the digests of blocks are longer.
const SHA1: usize = 20;
/// Wanted pieces whose blocks are judged one by one.
const JUDGED_BY_BLOCK: usize = 4;

impl Torrent {
    /// How the daemon is to hash a piece: the digests of its blocks where the piece's v2 hash is
    /// known, else the piece as v1 has it, zeros for padding included. `None` when its files can't
    /// all be open now.
    pub(in crate::torrent) fn digest_of(
        &mut self,
        piece: PieceIndex,
        purpose: Use,
        cx: &mut Context<'_>,
    ) -> Option<(DigestKind, Vec<Span>)> {
        let mut spans =
            self.spans(piece, 0, self.content.geometry.piece_len(piece), purpose, cx)?;
        if self.ledger.trees.piece(piece).is_some() {
            return Some((DigestKind::Sha256Leaves, spans));
        }
        let zeros = self.content.geometry.zeros_after(piece);
        if zeros > 0 {
            spans.push(Span { file: FileRef::ZEROS, offset: 0, length: zeros });
        }
        Some((DigestKind::Sha1, spans))
    }

    /// Whether what [`Self::digest_of`] came to is what the torrent says.
    pub(in crate::torrent) fn is_right(&self, piece: PieceIndex, digest: &Bytes) -> bool {
        if digest.len() == SHA1 {
            return self
                .content
                .meta
                .pieces
                .get(piece.as_usize())
                .is_some_and(|expected| expected[..] == digest[..]);
        }
        self.ledger.trees.is_right(piece, &merkle::split(digest)) == Some(true)
    }

    /// Whether pieces can't be judged before peers give their hashes, even those that lie on the
    /// disk.
    pub(in crate::torrent) fn awaits_hashes(&self) -> bool {
        self.life.status == Status::Looking && self.ledger.trees.lacks_layers()
    }

    /// Asks peers for hashes that are needed: for readers first, then those of pieces that nobody
    /// can judge.
    pub(in crate::torrent) fn ask_for_hashes(&mut self, cx: &mut Context<'_>) {
        if !(self.is_running() || self.awaits_hashes()) {
            return;
        }
        let mut peers: Vec<(&ConnId, &Peer)> =
            self.swarm.peers.iter().filter(|(_, peer)| peer.speaks_v2()).collect();
        if peers.is_empty() {
            return;
        }
        peers.sort_by_key(|(conn, peer)| (peer.eta(cx.now), **conn));
        let peers: Vec<ConnId> = peers.into_iter().map(|(&conn, _)| conn).collect();
        let wants = self
            .fetch
            .picker
            .wants()
            .iter()
            .take(JUDGED_BY_BLOCK)
            .map(|want| (want.piece, want.first));
        let doubted = self.ledger.suspects.pieces().map(|piece| (piece, BlockIndex(0)));
        let (trees, geometry) = (&self.ledger.trees, &self.content.geometry);
        let urgent = wants.chain(doubted).flat_map(|(piece, first)| {
            let count = geometry.block_count(piece);
            let chunks =
                (first.0..count).step_by(CHUNK as usize).chain((0..count).step_by(CHUNK as usize));
            let blocks = chunks.filter_map(move |index| {
                trees.request_for_block(Block { piece, index: BlockIndex(index) })
            });
            trees.request_for_piece(piece).into_iter().chain(blocks)
        });
        let plan = self.swarm.asking.plan(urgent.chain(trees.layer_requests()), &peers, cx.now);
        for (conn, request) in plan {
            if let Some(peer) = self.swarm.peers.get_mut(&conn) {
                peer.ask_for_hashes(request, cx.now);
            }
        }
    }

    /// A peer gives hashes.
    pub(in crate::torrent) fn hashes_came(
        &mut self,
        conn: ConnId,
        request: &HashRequest,
        hashes: &[u8],
        cx: &mut Context<'_>,
    ) {
        if !self.swarm.asking.answered(conn, request) {
            return;
        }
        let Ok(gains) = self.ledger.trees.learn(request, hashes) else {
            if let Some(addr) = self.swarm.peers.get(&conn).map(Peer::addr) {
                self.ban(addr, cx);
            }
            return;
        };
        for gain in gains {
            gain.pieces.map(PieceIndex).for_each(|piece| self.unseal(piece));
            if let Some(piece) = gain.blocks_of {
                let stored: Vec<Block> = self.ledger.pieces.unproved(piece).collect();
                for block in stored {
                    self.judge(block, cx);
                }
            }
        }
        if request.base > 0 && !self.ledger.trees.lacks_layers() {
            self.keep_layers(cx);
        }
        self.check_next(cx);
        self.fetch.wants_are_stale = true;
    }

    /// A peer will not give hashes.
    pub(in crate::torrent) fn hashes_rejected(
        &mut self,
        conn: ConnId,
        request: &HashRequest,
        cx: &mut Context<'_>,
    ) {
        self.swarm.asking.rejected(conn, request, cx.now);
        self.fetch.wants_are_stale = true;
    }

    /// A peer wants hashes: those of pieces are at hand, those of blocks are computed from what is
    /// verified.
    pub(crate) fn hashes_wanted(
        &mut self,
        conn: ConnId,
        request: HashRequest,
        cx: &mut Context<'_>,
    ) {
        let answer = match self.ledger.trees.answer(&request) {
            Answer::Blocks(piece) if self.ledger.pieces.state(piece) == PieceState::Have => {
                let busy = self.ops.values().filter(|op| matches!(op, Op::Blocks(..))).count();
                if busy < limits::HASH_ANSWERS
                    && let Some(spans) =
                        self.spans(piece, 0, self.content.geometry.piece_len(piece), Use::Read, cx)
                {
                    let kind = DigestKind::Sha256Leaves;
                    self.ask(Op::Blocks(conn, request), cx, |op| IoCommand::Digest {
                        op,
                        kind,
                        spans,
                    });
                    return;
                }
                Answer::Reject
            }
            answer => answer,
        };
        self.say_hashes(conn, request, answer, cx);
    }

    /// The digests of blocks that a peer wants are computed.
    pub(in crate::torrent) fn hashes_computed(
        &mut self,
        conn: ConnId,
        request: HashRequest,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let answer = match result {
            Ok(OpOutput::Digest(digests)) => {
                self.ledger.trees.answer_with(&request, &merkle::split(&digests))
            }
            _ => Answer::Reject,
        };
        self.say_hashes(conn, request, answer, cx);
    }

    fn say_hashes(&mut self, conn: ConnId, request: HashRequest, answer: Answer, cx: &Context<'_>) {
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        match answer {
            Answer::Hashes(hashes) => peer.give_hashes(request, Some(&hashes), cx.now),
            Answer::Blocks(_) | Answer::Reject => peer.give_hashes(request, None, cx.now),
        }
    }

    /// A block is on disk: it is judged by itself, if it can be. False when its piece has to be
    /// hashed as a whole.
    pub(in crate::torrent) fn judge(&mut self, block: Block, cx: &mut Context<'_>) -> bool {
        if self.ledger.trees.block(block).is_none() {
            return false;
        }
        let (begin, length) = self.content.geometry.block_range(block);
        let Some(spans) = self.spans(block.piece, begin, length, Use::Read, cx) else {
            return false;
        };
        let owner = Owner::Torrent(self.content.meta.info_hash);
        let op = cx.ask(owner, |op| IoCommand::Digest { op, kind: DigestKind::Sha256, spans });
        self.ops.insert(op, Op::Judge(block));
        self.ledger.judging.insert(block, op);
        true
    }

    /// Whether each block of a piece is judged by itself.
    pub(in crate::torrent) fn judges_by_block(&self, piece: PieceIndex) -> bool {
        self.content.geometry.blocks(piece).all(|block| self.ledger.trees.block(block).is_some())
    }

    /// The digest of a block came.
    pub(in crate::torrent) fn judged(
        &mut self,
        op: OpId,
        block: Block,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        // An older digest says nothing of what was written since.
        if self.ledger.judging.get(&block) != Some(&op) {
            return;
        }
        self.ledger.judging.remove(&block);
        let digest = match result {
            Ok(OpOutput::Digest(digest)) => digest,
            Ok(_) => return,
            Err(error) => {
                self.give_up(block.piece);
                return self.fail_for(&error, cx);
            }
        };
        let Some(expected) = self.ledger.trees.block(block) else { return };
        if expected[..] != digest[..] {
            return self.refuted(block, cx);
        }
        if self.ledger.pieces.prove(block) {
            self.verified(block.piece, cx);
        } else {
            self.grant(block.piece, cx);
        }
    }

    /// A block is wrong: who alone gave it is guilty.
    fn refuted(&mut self, block: Block, cx: &mut Context<'_>) {
        let (_, length) = self.content.geometry.block_range(block);
        self.account.wasted += u64::from(length);
        let givers = self.ledger.pieces.refute(block);
        self.tidy(block.piece);
        self.fetch.picker.freed();
        self.fetch.wants_are_stale = true;
        if let [guilty] = givers[..] {
            self.ban(guilty, cx);
        }
    }

    /// The hash of a piece is known: it can be asked for, and what of it lies on the disk can be
    /// checked.
    fn unseal(&mut self, piece: PieceIndex) {
        self.ledger.pieces.unseal(piece);
        if self.ledger.pieces.state(piece) == PieceState::Missing {
            self.fetch.availability.put_back(piece);
        }
    }

    /// The layers are written down with the rest of the `.torrent` file, so that they need not be
    /// asked for again.
    fn keep_layers(&mut self, cx: &mut Context<'_>) {
        self.content.source = with_layers(&self.content.source, &self.ledger.trees.layers()).into();
        self.save_metainfo(cx);
    }
}
