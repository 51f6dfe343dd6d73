//! The uploads of a torrent: introductions, slots, and blocks on their way from the disk to peers.

use bytes::Bytes;
use shared_proto::io::{OpError, OpOutput};
use shared_proto::{ConnId, IoCommand, OpId, Span};

use crate::context::Context;
use crate::peer::upload::Request;
use crate::peer::wire::PIECE_ID;
use crate::pick::choker;
use crate::pick::piece_map::{PieceMap, PieceState};
use crate::torrent::Torrent;
use crate::torrent::content::Content;
use crate::torrent::ops::Op;
use crate::torrent::storage::Use;
use crate::torrent::swarm::{Offered, Slots};

impl Torrent {
    /// A handshake is done: sends our pieces, unless the peer is connected twice.
    pub(in crate::torrent) fn send_introduction(&mut self, conn: ConnId, cx: &mut Context<'_>) {
        if let Some(twin) = self.swarm.twin_to_drop(conn, cx.peer_id) {
            self.drop_peer(twin, "it is here twice", cx);
        }
        let offered = offered(&self.content, self.ledger.pieces());
        self.swarm.send_introduction(conn, offered, &cx.local(), cx.now);
    }

    /// Handles a peer's request for a block.
    pub(in crate::torrent) fn requested(
        &mut self,
        conn: ConnId,
        request: Request,
        cx: &mut Context<'_>,
    ) {
        let can_give = self.can_give(request);
        match self.swarm.requested(conn, request, can_give, cx.now) {
            Ok(()) => self.send_blocks(conn, cx),
            Err(ended) => ended.iter().for_each(|ended| self.end_connection(ended, cx)),
        }
    }

    fn can_give(&self, request: Request) -> bool {
        self.is_running()
            && request.is_valid(&self.content.geometry)
            && self
                .content
                .geometry
                .piece(request.piece)
                .is_some_and(|piece| self.ledger.pieces().state(piece) == PieceState::Have)
    }

    /// Sends requested blocks to a peer, while there is room on its line.
    fn send_blocks(&mut self, conn: ConnId, cx: &mut Context<'_>) {
        while let Some(request) = self.swarm.next_block(conn, cx.now) {
            let Request { piece, begin, length } = request;
            // The piece may have been lost since the request.
            let spans = self
                .can_give(request)
                .then(|| {
                    let piece = self.content.geometry.piece(piece)?;
                    let begin = self.content.geometry.piece_offset(piece, begin)?;
                    self.spans(piece, begin, length, Use::Read, cx)
                })
                .flatten();
            match spans {
                Some(spans) => self.send_block(conn, request, spans, cx),
                None => self.swarm.block_refused(conn, request, cx.now),
            }
        }
    }

    fn send_block(
        &mut self,
        conn: ConnId,
        request: Request,
        spans: Vec<Span>,
        cx: &mut Context<'_>,
    ) {
        // Pending messages go first.
        if let Some(data) = self.swarm.take_out_of(conn) {
            cx.order(IoCommand::TcpSend { conn, data });
        }
        let padding =
            request.length - spans.iter().map(|span| span.length).sum::<u32>().min(request.length);
        let head = block_head(request);
        self.ask(Op::Give(conn, request.length), cx, |op| IoCommand::TcpSendSpan {
            op,
            conn,
            head,
            spans,
        });
        if padding > 0 {
            // Padding is at the end of a piece and not on the disk (BEP 47).
            cx.order(IoCommand::TcpSend { conn, data: Bytes::from(vec![0; padding as usize]) });
        }
    }

    /// A block was passed on, or could not be sent.
    pub(in crate::torrent) fn block_sent(
        &mut self,
        conn: ConnId,
        length: u32,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        self.swarm.block_sent(conn, length, result.is_ok(), cx.now);
        if result.is_ok() {
            self.note_uploaded(cx.now);
        }
        self.send_blocks(conn, cx);
    }

    /// Forgets the blocks that were being sent to a peer.
    pub(in crate::torrent) fn forget_uploads(&mut self, conn: ConnId, cx: &mut Context<'_>) {
        let is_its = |op: &Op| matches!(op, Op::Give(to, _) if *to == conn);
        let gone: Vec<OpId> =
            self.ops.iter().filter(|(_, op)| is_its(op)).map(|(&id, _)| id).collect();
        for op in gone {
            self.ops.remove(&op);
            cx.shared.ops.remove(&op);
        }
    }

    /// Assigns the upload slots.
    pub(in crate::torrent) fn choose(&mut self, cx: &mut Context<'_>) {
        if self.is_running() {
            let count = self.offers_slots().then(|| choker::slots(self.upload_limit(cx)));
            let slots = Slots { count, is_done: self.is_done() };
            self.swarm.choose(slots, cx.rng, cx.now);
        }
    }

    /// Once a second: assigns slots and sends metadata. Idle peers make room while we need nothing.
    pub(in crate::torrent) fn maintain_uploads(&mut self, cx: &mut Context<'_>) {
        if !self.swarm.uploads_are_due(cx.now) {
            return;
        }
        self.choose(cx);
        let pieces = self.ledger.pieces();
        let unneeded =
            if self.fetch.wants().is_empty() { pieces.unneeded() } else { pieces.have() };
        self.swarm.maintain_uploads(&self.content.meta.info, unneeded, cx.now);
        if !self.needs_peers() {
            let ended = self.swarm.close_idle_peers(cx.shared.conns.are_scarce(), cx.now);
            self.end_connections(&ended, cx);
        }
    }

    /// Sends our extension handshake to every peer again.
    pub(in crate::torrent) fn repeat_extensions(&mut self, cx: &mut Context<'_>) {
        let offered = offered(&self.content, self.ledger.pieces());
        self.swarm.repeat_extensions(offered, &cx.local(), cx.now);
    }

    /// Tells every peer whether we only upload, which a viewer may change.
    ///
    /// Seeds disconnect peers that only upload (BEP 21).
    pub(in crate::torrent) fn announce_upload_only(&mut self, cx: &mut Context<'_>) {
        self.note_viewers(cx.now);
        let upload_only = self.is_done() && !self.needs_peers();
        if self.swarm.set_upload_only(upload_only) {
            self.close_seeds(cx);
            self.repeat_extensions(cx);
            if !upload_only {
                self.refresh_all_interest(cx.now);
                self.next_tick = cx.now;
            }
        }
    }
}

fn offered<'a>(content: &'a Content, pieces: &'a PieceMap) -> Offered<'a> {
    Offered {
        geometry: Some(&content.geometry),
        have: pieces.have(),
        metadata: Some(content.meta.info.len()),
    }
}

/// A `piece` message without its payload (BEP 3).
fn block_head(Request { piece, begin, length }: Request) -> Bytes {
    let mut head = Vec::with_capacity(13);
    head.extend_from_slice(&(9 + length).to_be_bytes());
    head.push(PIECE_ID);
    head.extend_from_slice(&piece.to_be_bytes());
    head.extend_from_slice(&begin.to_be_bytes());
    Bytes::from(head)
}
