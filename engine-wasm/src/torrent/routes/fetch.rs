//! Requests the blocks that the picker chooses, and handles the blocks that arrive.

use shared_proto::io::{DivertKey, NotStored};
use shared_proto::{ConnId, IoCommand, Span};

use crate::context::Context;
use crate::geometry::{Block, PieceIndex};
use crate::peer::divert::{block_of, key_of};
use crate::pick::availability::Availability;
use crate::pick::picker::Pick;
use crate::pick::piece_map::PieceState;
use crate::pick::scheduler::Scheduler;
use crate::precedence;
use crate::source::{Sender, Source};
use crate::time::Instant;
use crate::torrent::Status;
use crate::torrent::Torrent;
use crate::torrent::storage::Use;

impl Torrent {
    /// Recomputes what viewers need.
    pub(in crate::torrent) fn refresh_wants(&mut self, now: Instant) {
        self.choose_films();
        let ahead = self.film_ahead();
        let verified = self.ledger.verified(&self.content.geometry);
        let wants = self.watch.wants(ahead, verified, now);
        self.fetch.set_wants(wants, self.watch.desk().is_watched(), now);
    }

    /// Requests blocks from every peer with room, the fastest first.
    pub(in crate::torrent) fn fill_all(&mut self, cx: &mut Context<'_>) {
        if self.life.status != Status::Running {
            return;
        }
        let mut queue = self.fetch.for_requests().0.queue(self.swarm.peers(), cx.now);
        while let Some(conn) = queue.next_peer() {
            if self.ask_next(conn, cx)
                && let Some(peer) = self.swarm.peers().get(&conn)
            {
                queue.requeue(conn, peer, cx.now);
            }
        }
        if self.may_ask(cx) {
            self.ask_web_seeds(cx);
        }
        self.refresh_interest(cx.now);
    }

    /// Requests as many blocks from one peer as it has room for.
    pub(in crate::torrent) fn fill(&mut self, conn: ConnId, cx: &mut Context<'_>) {
        if self.life.status == Status::Running {
            while self.ask_next(conn, cx) {}
        }
    }

    /// Whether a peer has nothing to send while another owes blocks, which may become late.
    pub(in crate::torrent) fn is_any_peer_idle(&mut self, now: Instant) -> bool {
        self.lacks_something() && self.fetch.for_requests().0.is_any_idle(self.swarm.peers(), now)
    }

    /// Tells the other torrents whether a viewer of this one is short of bytes.
    pub(in crate::torrent) fn report_shortage(&mut self, cx: &mut Context<'_>) {
        let pieces = self.ledger.pieces();
        let is_short = self.fetch.wants().iter().any(|want| {
            let is_soon = want.awaited || want.deadline <= cx.now + precedence::SHORT;
            !want.idle && is_soon && pieces.state(want.piece) != PieceState::Have
        });
        let is_short = is_short && self.life.status == Status::Running;
        let rate_bps = self.account.pace.rate_bps(cx.now);
        let info_hash = self.content.meta.info_hash;
        cx.shared.precedence.report(info_hash, is_short, rate_bps, cx.now);
    }

    /// Whether blocks may be requested, as far as viewers of other torrents are concerned.
    ///
    /// When such a viewer becomes short of bytes, this torrent's requests are cancelled.
    fn may_ask(&mut self, cx: &mut Context<'_>) -> bool {
        let info_hash = self.content.meta.info_hash;
        if let Some(shortage) = cx.shared.precedence.shortage(info_hash, cx.now)
            && self.fetch.give_way(shortage)
        {
            self.scheduler().cancel(|_, _| true, cx.now);
        }
        cx.shared.precedence.may_ask(info_hash, cx.now)
    }

    fn ask_next(&mut self, conn: ConnId, cx: &mut Context<'_>) -> bool {
        if !self.may_ask(cx) {
            return false;
        }
        let (may_duplicate, web) = (self.may_duplicate(), self.swarm.web_seeds().expectations());
        let pick = self.scheduler().pick(conn, &web, may_duplicate, cx.now);
        pick.is_some_and(|pick| self.request(pick, cx))
    }

    /// Lends the parts that record block requests.
    pub(in crate::torrent) fn scheduler(&mut self) -> Scheduler<'_> {
        let (pieces, suspects) = self.ledger.for_requests();
        let (picker, availability) = self.fetch.for_requests();
        Scheduler {
            geometry: &self.content.geometry,
            picker,
            pieces,
            availability,
            suspects,
            peers: self.swarm.for_requests(),
        }
    }

    /// Requests a block. False if its files can't be opened now.
    fn request(&mut self, pick: Pick, cx: &mut Context<'_>) -> bool {
        let Pick { conn, block, duplicate, hopeless, .. } = pick;
        let Some(spans) = self.spans_to_fill(block, cx) else { return false };
        if !self.scheduler().ask(pick, cx.now) {
            return false;
        }
        cx.shared.precedence.asked(self.content.meta.info_hash, cx.now);
        if duplicate && !hopeless {
            self.fetch.count_duplicate(self.content.geometry.block_range(block).1);
        }
        let geometry = std::sync::Arc::clone(&self.content.geometry);
        geometry.block_spans(block).for_each(|span| self.will_write(span.file, cx));
        cx.order(IoCommand::Arm { conn, key: key_of(block), spans });
        true
    }

    /// The file spans of a block to receive. Its files stay open until nobody may write to its
    /// piece.
    ///
    /// `None` if they can't be opened now.
    pub(in crate::torrent) fn spans_to_fill(
        &mut self,
        block: Block,
        cx: &mut Context<'_>,
    ) -> Option<Vec<Span>> {
        let (begin, length) = self.content.geometry.block_range(block);
        if !self.can_write(block.piece(), cx) {
            return None;
        }
        let is_wanted = self.fetch.wants().iter().any(|want| want.piece == block.piece());
        let handles = &mut cx.shared.handles;
        if !self.storage.pin_for_blocks(&self.content, block.piece(), is_wanted, handles) {
            return None;
        }
        let spans = self.spans(block.piece(), begin, length, Use::Write, cx);
        if spans.is_none() {
            self.unpin_idle(block.piece(), cx);
        }
        spans
    }

    /// After a seek: cancels all requests that no viewer waits for, even read-ahead.
    ///
    /// Peers answer in order, so these blocks would delay the awaited ones. Most of them are
    /// requested again in the same step, behind those.
    pub(in crate::torrent) fn cancel_unawaited(&mut self, cx: &mut Context<'_>) {
        let wanted: std::collections::BTreeSet<PieceIndex> =
            self.fetch.wants().iter().filter(|want| want.awaited).map(|want| want.piece).collect();
        self.end_runs_outside(&wanted, cx);
        self.scheduler().cancel(|_, block| !wanted.contains(&block.piece()), cx.now);
    }

    /// Cancels requests that neither viewers nor the selection need any more.
    pub(in crate::torrent) fn cancel_unneeded(&mut self, cx: &mut Context<'_>) {
        let wanted: std::collections::BTreeSet<PieceIndex> =
            self.fetch.wants().iter().map(|want| want.piece).collect();
        self.end_unwanted_runs(&wanted, cx);
        let is_stray = |selection: &Availability, block: Block| {
            !wanted.contains(&block.piece()) && !selection.is_wanted(block.piece())
        };
        self.scheduler().cancel(is_stray, cx.now);
    }

    /// Cancels requests for good, because nobody may write to these pieces any more.
    pub(in crate::torrent) fn withdraw(
        &mut self,
        pieces: impl Iterator<Item = PieceIndex>,
        cx: &mut Context<'_>,
    ) {
        let pieces: std::collections::BTreeSet<PieceIndex> =
            pieces.filter(|&piece| self.ledger.pieces().has_armed(piece)).collect();
        self.end_runs_into(&pieces, cx);
        for (conn, block) in self.scheduler().withdraw(&pieces, cx.now) {
            cx.order(IoCommand::Disarm { conn, key: key_of(block) });
        }
        self.fetch.invalidate();
    }

    /// Handles `stored`: a block is on the disk.
    pub(crate) fn stored(&mut self, conn: ConnId, key: DivertKey, cx: &mut Context<'_>) {
        let Some(block) = block_of(key, &self.content.geometry) else { return };
        let came = self.swarm.block_came(conn, block, &self.content.geometry, cx.now);
        let Some(addr) = came else { return };
        self.block_came(block, conn.into(), addr.into(), cx);
        self.fill(conn, cx);
    }

    /// A block from a peer or web seed is on the disk.
    ///
    /// Other sources may no longer write it, and a complete piece is hashed.
    pub(in crate::torrent) fn block_came(
        &mut self,
        block: Block,
        source: Source,
        sender: Sender,
        cx: &mut Context<'_>,
    ) {
        let (_, length) = self.content.geometry.block_range(block);
        self.count(length, cx.now);
        match self.scheduler().store(block, source, sender, cx.now) {
            None => self.account.discard(u64::from(length)),
            Some(stored) => {
                for other in stored.disarm {
                    self.disarm(other, block, cx);
                }
                let is_judged = self.verify_block(block, cx);
                if stored.piece_is_full && !(is_judged && self.ledger.knows_blocks(block.piece())) {
                    self.verify(block.piece(), cx);
                }
            }
        }
    }

    /// Forbids a source to write a block that another source has stored.
    fn disarm(&mut self, source: Source, block: Block, cx: &mut Context<'_>) {
        match source {
            Source::Peer(conn) => cx.order(IoCommand::Disarm { conn, key: key_of(block) }),
            Source::WebSeed(seed) => {
                let ended = self.swarm.web_seeds_mut().end_runs_into(seed, block);
                self.runs_ended(ended, cx);
            }
        }
    }

    /// Handles `not_stored`: a block arrived and was discarded.
    pub(crate) fn not_stored(
        &mut self,
        conn: ConnId,
        key: DivertKey,
        length: u32,
        reason: NotStored,
        cx: &mut Context<'_>,
    ) {
        self.count(length, cx.now);
        self.account.discard(u64::from(length));
        match reason {
            // The block crossed with our cancellation, or nobody requested it. The former is no
            // fault.
            NotStored::Unarmed => {
                if let Some(block) = block_of(key, &self.content.geometry) {
                    self.swarm.block_came(conn, block, &self.content.geometry, cx.now);
                }
            }
            NotStored::Length => self.drop_peer(conn, "a block of the wrong length", cx),
            // The file gets another name or another inspection; the block is requested again.
            NotStored::Failed(error) if self.storage.can_work_around(&error) => {
                if let Some(block) = block_of(key, &self.content.geometry) {
                    self.swarm.block_came(conn, block, &self.content.geometry, cx.now);
                    self.take_back(conn, &[block], cx);
                }
            }
            NotStored::Failed(error) => self.fail_for(&error, cx),
        }
    }

    /// Frees blocks that will not arrive from this peer.
    pub(in crate::torrent) fn take_back(
        &mut self,
        conn: ConnId,
        blocks: &[Block],
        cx: &mut Context<'_>,
    ) {
        for &block in blocks {
            cx.order(IoCommand::Disarm { conn, key: key_of(block) });
        }
        self.scheduler().take_back(conn, blocks);
        self.fetch.invalidate();
    }

    /// Returns a piece that is no longer begun to the picker.
    pub(in crate::torrent) fn return_to_idle(&mut self, piece: PieceIndex) {
        self.scheduler().return_to_idle(piece);
    }

    fn count(&mut self, length: u32, now: Instant) {
        self.account.received(u64::from(length), now);
    }
}
