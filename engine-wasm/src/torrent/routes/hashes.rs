//! The exchange of v2 hashes (BEP 52): requests to peers, and answers to their requests.
//!
//! Hashes of blocks are requested where a viewer reads, and where a piece failed; there each block
//! is verified when it arrives. All other pieces are verified as a whole.

use shared_proto::io::{DigestKind, OpError, OpOutput};
use shared_proto::{ConnId, IoCommand};

use crate::context::Context;
use crate::geometry::{BlockIndex, PieceOffset};
use crate::hashes::request::{CHUNK, HashRequest};
use crate::hashes::trees::Answer;
use crate::limits;
use crate::metainfo::merkle;
use crate::metainfo::torrent::with_layers;
use crate::torrent::Status;
use crate::torrent::Torrent;
use crate::torrent::ops::Op;
use crate::torrent::storage::Use;

/// Number of needed pieces whose blocks are verified one by one.
const JUDGED_BY_BLOCK: usize = 4;

impl Torrent {
    /// Whether pieces can't be verified before peers send hashes, even those on the disk.
    pub(in crate::torrent) fn awaits_hashes(&self) -> bool {
        self.life.status == Status::Looking && self.ledger.trees().lacks_layers()
    }

    /// Requests the needed hashes: for viewers first, then for pieces that can't be verified
    /// otherwise.
    pub(in crate::torrent) fn ask_for_hashes(&mut self, cx: &mut Context<'_>) {
        if !(self.is_running() || self.awaits_hashes()) {
            return;
        }
        let wants =
            self.fetch.wants().iter().take(JUDGED_BY_BLOCK).map(|want| (want.piece, want.first));
        let doubted = self.ledger.suspects().pieces().map(|piece| (piece, BlockIndex::FIRST));
        let (trees, geometry) = (self.ledger.trees(), &self.content.geometry);
        let urgent = wants.chain(doubted).flat_map(|(piece, first)| {
            let all = geometry.blocks(piece);
            let chunks = all.from(first).step_by(CHUNK as usize).chain(all.step_by(CHUNK as usize));
            let blocks = chunks.filter_map(|block| trees.request_for_block(block));
            trees.request_for_piece(piece).into_iter().chain(blocks)
        });
        self.swarm.ask_for_hashes(urgent.chain(trees.layer_requests()), cx.now);
    }

    /// Handles hashes from a peer.
    pub(in crate::torrent) fn hashes_came(
        &mut self,
        conn: ConnId,
        request: &HashRequest,
        hashes: &[u8],
        cx: &mut Context<'_>,
    ) {
        if !self.swarm.hashes_came(conn, request) {
            return;
        }
        let Ok(learned) = self.ledger.learn(request, hashes) else {
            if let Some(addr) = self.swarm.addr(conn) {
                self.ban(addr.into(), cx);
            }
            return;
        };
        for piece in learned.unsealed {
            self.fetch.put_back(piece);
        }
        for block in learned.blocks {
            self.verify_block(block, cx);
        }
        if request.base > 0 && !self.ledger.trees().lacks_layers() {
            self.keep_layers(cx);
        }
        self.check_next(cx);
        self.fetch.invalidate();
    }

    /// Handles a rejected request for hashes.
    pub(in crate::torrent) fn hashes_rejected(
        &mut self,
        conn: ConnId,
        request: &HashRequest,
        cx: &mut Context<'_>,
    ) {
        self.swarm.hashes_rejected(conn, request, cx.now);
        self.fetch.invalidate();
    }

    /// Handles a peer's request: piece hashes are known, block hashes are computed from verified
    /// bytes.
    pub(crate) fn hashes_wanted(
        &mut self,
        conn: ConnId,
        request: HashRequest,
        cx: &mut Context<'_>,
    ) {
        let answer = match self.ledger.answer(&request) {
            Answer::Blocks(piece) => {
                let busy = self.ops.values().filter(|op| matches!(op, Op::Blocks(..))).count();
                if busy < limits::HASH_ANSWERS
                    && let Some(spans) = self.spans(
                        piece,
                        PieceOffset::START,
                        self.content.geometry.piece_len(piece),
                        Use::Read,
                        cx,
                    )
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
        self.answer_hashes(conn, request, answer, cx);
    }

    /// Handles the computed digests of blocks that a peer requested.
    pub(in crate::torrent) fn hashes_computed(
        &mut self,
        conn: ConnId,
        request: HashRequest,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let answer = match result {
            Ok(OpOutput::Digest(digests)) => {
                self.ledger.trees().answer_with(&request, &merkle::split(&digests))
            }
            _ => Answer::Reject,
        };
        self.answer_hashes(conn, request, answer, cx);
    }

    fn answer_hashes(
        &mut self,
        conn: ConnId,
        request: HashRequest,
        answer: Answer,
        cx: &Context<'_>,
    ) {
        let hashes = match &answer {
            Answer::Hashes(hashes) => Some(&hashes[..]),
            Answer::Blocks(_) | Answer::Reject => None,
        };
        self.swarm.send_hashes(conn, request, hashes, cx.now);
    }

    /// Stores the piece layers with the `.torrent` file. The engine then never requests the layers
    /// again.
    fn keep_layers(&mut self, cx: &mut Context<'_>) {
        let source = with_layers(self.record.source(), &self.ledger.trees().layers());
        self.record.set_source(source.into());
        self.save_metainfo(cx);
    }
}
