//! A torrent and what it gives: introductions, slots, and blocks that go from the disk to a peer
//! without passing through here.
//!
//! Only verified pieces are given. Who gets a slot is the choker's to say, in which order a peer is
//! answered is its upload's; here both become commands.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use shared_proto::io::{OpError, OpOutput};
use shared_proto::{ConnId, IoCommand, OpId, Span};

use crate::arrivals::Named;
use crate::context::Context;
use crate::geometry::PieceIndex;
use crate::limits;
use crate::metainfo::Metainfo;
use crate::peer::allowed_fast::{SET_LENGTH, allowed_fast};
use crate::peer::give::Introduction;
use crate::peer::handshake::HANDSHAKE_LEN;
use crate::peer::upload::Request;
use crate::peer::wire::PIECE_ID;
use crate::peer::{Peer, PeerEvent};
use crate::pick::choker::{self, Contender, Mood};
use crate::pick::piece_map::{PieceMap, PieceState};
use crate::time::Instant;
use crate::torrent::Torrent;
use crate::torrent::ops::Op;
use crate::torrent::routes::exchange;
use crate::torrent::routes::punch;
use crate::torrent::storage::slot::Use;

/// Blocks of the info dictionary that a peer is given at once when it asks; the rest of its share
/// of a second follows with the tick.
const METADATA_AT_ONCE: usize = 8;

/// A peer that has wanted nothing for so long is let go when we want nothing either.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

impl Torrent {
    /// Somebody dialled us and named this torrent. False when it is to be turned away.
    pub(crate) fn accept(&mut self, conn: ConnId, named: &Named, cx: &mut Context<'_>) -> bool {
        let Named { addr, over, ref received, .. } = *named;
        if !self.is_running() || self.is_banned_host(addr) || !self.has_room_for_arrivals() {
            return false;
        }
        cx.shared.conns.insert(conn, self.content.meta.info_hash);
        let peer = Peer::accept(addr, received, self.content.meta.identity(), cx.peer_id, cx.now)
            .over(over);
        self.swarm.peers.insert(conn, peer);
        self.join_group(conn, cx);
        self.offer_dht(conn, cx);
        let rest = HANDSHAKE_LEN.saturating_sub(received.len());
        if rest > 0 {
            cx.order(IoCommand::TcpRaw {
                conn,
                bytes: u32::try_from(rest).expect("a handshake is short"),
            });
        } else {
            self.data(conn, &Bytes::new(), cx);
        }
        true
    }

    /// While something is wanted a third of the room is kept for those whom we choose to dial.
    fn has_room_for_arrivals(&self) -> bool {
        let arrivals = self.swarm.peers.values().filter(|peer| !peer.is_dialled()).count();
        let room = if !self.needs_peers() {
            self.swarm.max_connections
        } else {
            (self.swarm.max_connections * 2).div_ceil(3)
        };
        self.swarm.peers.len() < self.swarm.max_connections && arrivals < room
    }

    /// Whether somebody at this address was banned: the port of who dials us says nothing about who
    /// it is.
    fn is_banned_host(&self, addr: SocketAddr) -> bool {
        self.swarm.candidates.is_banned_host(addr.ip())
    }

    /// A handshake is done: the peer hears who we are, unless it is here already.
    pub(in crate::torrent) fn greet(&mut self, conn: ConnId, cx: &mut Context<'_>) {
        if let Some(one) = self.twin_of(conn, cx.peer_id) {
            self.drop_peer(one, "it is here twice", cx);
        }
        let us =
            introduction(self.ledger.pieces(), &self.content.meta, self.swarm.told_upload_only, cx);
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        peer.introduce(&us, cx.now);
        if peer.is_fast() && !self.ledger.pieces().have().is_clear() {
            let set = allowed_fast(
                peer.addr().ip(),
                self.content.meta.info_hash,
                self.content.geometry.piece_count(),
                SET_LENGTH,
            );
            let at_hand =
                |piece: &PieceIndex| self.ledger.pieces().state(*piece) == PieceState::Have;
            peer.allow(set.into_iter().filter(at_hand).collect(), cx.now);
        }
    }

    /// Which of two connections to one peer is to go. Both ends must come to the same answer: the
    /// one that the lower name dialled stays.
    fn twin_of(&self, conn: ConnId, our_id: [u8; 20]) -> Option<ConnId> {
        let peer = self.swarm.peers.get(&conn)?;
        let id = peer.id()?;
        let is_twin =
            |other: &Peer| other.id() == Some(id) && other.addr().ip() == peer.addr().ip();
        let (&other, twin) =
            self.swarm.peers.iter().find(|(other, twin)| **other != conn && is_twin(twin))?;
        let newer_stays =
            peer.is_dialled() != twin.is_dialled() && peer.is_dialled() == (our_id < id);
        Some(if newer_stays { other } else { conn })
    }

    /// What a peer says that is about giving. True when it was.
    pub(in crate::torrent) fn heard_of_giving(
        &mut self,
        conn: ConnId,
        event: &PeerEvent,
        cx: &mut Context<'_>,
    ) -> bool {
        match *event {
            PeerEvent::Interest => self.choose(cx),
            PeerEvent::Asks(request) => self.asked(conn, request, cx),
            PeerEvent::TakesBack(request) => {
                if let Some(peer) = self.swarm.peers.get_mut(&conn) {
                    peer.handle_cancel(request, cx.now);
                }
            }
            PeerEvent::AsksMetadata(block) => {
                let size = u32::try_from(self.content.meta.info.len()).ok();
                if let Some(peer) = self.swarm.peers.get_mut(&conn) {
                    peer.handle_metadata_request(block, size, cx.now);
                    peer.give_metadata(&self.content.meta.info, METADATA_AT_ONCE, cx.now);
                }
            }
            _ => return false,
        }
        true
    }

    fn asked(&mut self, conn: ConnId, request: Request, cx: &mut Context<'_>) {
        let can_give = self.can_give(request);
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        match peer.handle_request(request, can_give, cx.now) {
            Ok(()) => self.serve(conn, cx),
            Err(error) => self.drop_peer(conn, &error.to_string(), cx),
        }
    }

    fn can_give(&self, request: Request) -> bool {
        self.is_running()
            && request.is_valid(&self.content.geometry)
            && self.ledger.pieces().state(PieceIndex(request.piece)) == PieceState::Have
    }

    /// Sends a peer what is next for it, as long as there is room on its line.
    pub(in crate::torrent) fn serve(&mut self, conn: ConnId, cx: &mut Context<'_>) {
        while let Some(request) =
            self.swarm.peers.get_mut(&conn).and_then(|peer| peer.upload_mut().next_to_send(cx.now))
        {
            // It may have been lost since it was asked for.
            let can_give = self.can_give(request);
            let piece = PieceIndex(request.piece);
            let spans = if can_give {
                self.spans(piece, request.begin, request.length, Use::Read, cx)
            } else {
                None
            };
            let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
            let Some(spans) = spans else {
                peer.upload_mut().sent(request.length, false, cx.now);
                peer.refuse(request, cx.now);
                continue;
            };
            // What was said before goes first.
            if let Some(data) = peer.take_out() {
                cx.order(IoCommand::TcpSend { conn, data });
            }
            self.send(conn, request, spans, cx);
        }
    }

    fn send(&mut self, conn: ConnId, request: Request, spans: Vec<Span>, cx: &mut Context<'_>) {
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
            // Padding lies at the end of a piece and nowhere on the disk (BEP 47).
            cx.order(IoCommand::TcpSend { conn, data: Bytes::from(vec![0; padding as usize]) });
        }
    }

    /// A block is on its way, or came to nothing.
    pub(in crate::torrent) fn gave(
        &mut self,
        conn: ConnId,
        length: u32,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        if result.is_ok() {
            self.swarm.giving.uploaded += u64::from(length);
            self.swarm.giving.rate.add(u64::from(length), cx.now);
            self.note_given(cx.now);
        }
        if let Some(peer) = self.swarm.peers.get_mut(&conn) {
            peer.upload_mut().sent(length, result.is_ok(), cx.now);
            self.serve(conn, cx);
        }
    }

    /// Nothing more is heard of what a peer was being sent.
    pub(in crate::torrent) fn forget_gifts(&mut self, conn: ConnId, cx: &mut Context<'_>) {
        let is_its = |op: &Op| matches!(op, Op::Give(to, _) if *to == conn);
        let gone: Vec<OpId> =
            self.ops.iter().filter(|(_, op)| is_its(op)).map(|(&id, _)| id).collect();
        for op in gone {
            self.ops.remove(&op);
            cx.shared.ops.remove(&op);
        }
    }

    /// A piece is verified: everybody hears it.
    pub(in crate::torrent) fn tell_have(&mut self, piece: PieceIndex, now: Instant) {
        self.swarm.peers.values_mut().for_each(|peer| peer.tell_have(piece, now));
    }

    /// Gives the slots away.
    pub(in crate::torrent) fn choose(&mut self, cx: &mut Context<'_>) {
        if !self.is_running() {
            return;
        }
        let contenders: Vec<Contender> = self
            .swarm
            .peers
            .iter()
            .filter(|(_, peer)| peer.is_ready())
            .map(|(&conn, peer)| Contender {
                conn,
                interested: peer.upload().is_interested(),
                snubs: !self.is_done() && peer.is_snubbing(),
                received: peer.received_bytes(),
                given: peer.upload().given(),
            })
            .collect();
        let mood = if self.is_done() { Mood::Giving } else { Mood::Trading };
        let slots = choker::slots(self.upload_limit(cx));
        let chosen = if self.gives_slots() {
            self.swarm.giving.choker.choose(mood, slots, &contenders, cx.rng, cx.now)
        } else {
            BTreeSet::new()
        };
        for contender in contenders {
            if let Some(peer) = self.swarm.peers.get_mut(&contender.conn) {
                peer.set_choked(!chosen.contains(&contender.conn), cx.now);
            }
        }
    }

    /// Once a tick: slots, descriptions, and what interests us.
    pub(in crate::torrent) fn tend_giving(&mut self, cx: &mut Context<'_>) {
        if cx.now.saturating_since(self.swarm.giving.tended) < Duration::from_secs(1) {
            return;
        }
        self.swarm.giving.tended = cx.now;
        self.choose(cx);
        let have = self.ledger.pieces().have();
        let unneeded =
            if self.fetch.wants().is_empty() { self.ledger.pieces().unneeded() } else { have };
        for peer in self.swarm.peers.values_mut() {
            peer.give_metadata(&self.content.meta.info, limits::METADATA_PER_SECOND, cx.now);
            if peer.pieces().is_some_and(|theirs| !theirs.has_any_missing_in(unneeded)) {
                peer.set_interested(false, cx.now);
            }
        }
        self.part_from_idlers(cx);
    }

    /// Lets those go who have nothing to ask of us, when we have nothing to ask of them.
    pub(in crate::torrent) fn part_from_seeds(&mut self, cx: &mut Context<'_>) {
        if self.needs_peers() {
            return;
        }
        let seeds: Vec<ConnId> = self
            .swarm
            .peers
            .iter()
            .filter(|(_, peer)| peer.is_upload_only())
            .map(|(&conn, _)| conn)
            .collect();
        for conn in seeds {
            if let Some(peer) = self.swarm.peers.get(&conn) {
                self.swarm.candidates.has_everything(peer.addr(), cx.now);
            }
            self.drop_peer(conn, "both of us have everything", cx);
        }
    }

    /// Lets those go who have long wanted nothing of us, when we want nothing of anybody: others
    /// may.
    fn part_from_idlers(&mut self, cx: &mut Context<'_>) {
        if self.needs_peers() {
            return;
        }
        let idle = |peer: &Peer| {
            peer.is_ready()
                && peer
                    .upload()
                    .idle_since()
                    .is_some_and(|since| cx.now.saturating_since(since) > IDLE_TIMEOUT)
        };
        let idlers: Vec<ConnId> =
            self.swarm.peers.iter().filter(|(_, peer)| idle(peer)).map(|(&conn, _)| conn).collect();
        for conn in idlers {
            self.drop_peer(conn, "neither of us wants anything", cx);
        }
    }

    /// Everybody hears again which extensions we speak.
    pub(in crate::torrent) fn say_extensions_again(&mut self, cx: &mut Context<'_>) {
        let us =
            introduction(self.ledger.pieces(), &self.content.meta, self.swarm.told_upload_only, cx);
        self.swarm.peers.values_mut().for_each(|peer| peer.say_extensions(&us, cx.now));
    }

    /// Everybody hears it when we want nothing more, and when a viewer wants something after all:
    /// peers that want nothing either would leave us (BEP 21).
    pub(in crate::torrent) fn tell_upload_only(&mut self, cx: &mut Context<'_>) {
        self.note_viewers(cx.now);
        let upload_only = self.is_done() && !self.needs_peers();
        if std::mem::replace(&mut self.swarm.told_upload_only, upload_only) != upload_only {
            if upload_only {
                self.part_from_seeds(cx);
            }
            self.say_extensions_again(cx);
            if !upload_only {
                self.refresh_all_interest(cx.now);
                self.next_tick = cx.now;
            }
        }
    }
}

fn introduction<'a>(
    pieces: &'a PieceMap,
    meta: &Metainfo,
    upload_only: bool,
    cx: &Context<'_>,
) -> Introduction<'a> {
    let metadata_size =
        u32::try_from(meta.info.len()).ok().filter(|size| (1..=limits::METADATA).contains(size));
    let (exchanges_peers, punches) = (exchange::is_wanted(meta, cx), punch::is_wanted(meta, cx));
    let port = cx.shared.net.public_port();
    Introduction { have: pieces.have(), metadata_size, port, upload_only, exchanges_peers, punches }
}

/// Everything of a `piece` message but its payload (BEP 3).
fn block_head(Request { piece, begin, length }: Request) -> Bytes {
    let mut head = Vec::with_capacity(13);
    head.extend_from_slice(&(9 + length).to_be_bytes());
    head.push(PIECE_ID);
    head.extend_from_slice(&piece.to_be_bytes());
    head.extend_from_slice(&begin.to_be_bytes());
    Bytes::from(head)
}
