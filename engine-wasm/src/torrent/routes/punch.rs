//! A torrent and hole punching (BEP 55), in all three parts: it asks for introductions, is
//! introduced, and introduces its peers to each other.
//!
//! Who is dialled at a stranger's word is bounded as what peers name is, and more tightly: so many
//! at once, so many for each peer that says so, and nobody in our own network unless the one who
//! says so is in it. A private torrent takes no part, since it hears of peers from its trackers
//! alone (BEP 27), and neither does one that hears of none from peers. It takes uTP: what a TCP
//! connection opens in a router, no datagram passes.

use std::net::SocketAddr;

use shared_proto::{ConnId, IoCommand};

use crate::context::Context;
use crate::limits;
use crate::metainfo::Metainfo;
use crate::peer::Peer;
use crate::peer::holepunch::{HolepunchMessage, relay};
use crate::peer::way::Transport;
use crate::torrent::Torrent;
use crate::torrent::routes::exchange;

/// Whether we take part in it.
pub(in crate::torrent) fn is_wanted(meta: &Metainfo, cx: &Context<'_>) -> bool {
    exchange::is_wanted(meta, cx) && cx.shared.ways.utp && cx.shared.net.speaks_utp()
}

impl Torrent {
    /// Nothing listens at an address for us to reach: whoever named it may bring us together.
    pub(in crate::torrent) fn seek_introduction(&mut self, addr: SocketAddr, cx: &Context<'_>) {
        if !self.can_be_punched(addr, cx) {
            return;
        }
        let relays = self.introducers(addr);
        if let Some(relay) = self.swarm.seeking.ask(addr, &relays, cx.now) {
            self.ask_for_rendezvous(relay, addr, cx);
        }
    }

    /// A peer speaks of a rendezvous.
    pub(in crate::torrent) fn heard_of_punching(
        &mut self,
        conn: ConnId,
        message: HolepunchMessage,
        cx: &mut Context<'_>,
    ) {
        match message {
            HolepunchMessage::Rendezvous(addr) => self.introduce(conn, addr, cx),
            HolepunchMessage::Connect(addr) => self.introduced(conn, addr, cx),
            HolepunchMessage::Error(addr, refusal) => {
                tracing::debug!(peer = %addr, ?refusal, "no introduction");
                let relays = self.introducers(addr);
                if let Some(relay) = self.swarm.seeking.refused(addr, conn, &relays, cx.now) {
                    self.ask_for_rendezvous(relay, addr, cx);
                }
            }
        }
    }

    fn ask_for_rendezvous(&mut self, relay: ConnId, addr: SocketAddr, cx: &Context<'_>) {
        if let Some(peer) = self.swarm.peers.get_mut(&relay) {
            tracing::debug!(peer = %addr, relay = %peer.addr(), "asks for an introduction");
            peer.say_punch(HolepunchMessage::Rendezvous(addr), cx.now);
        }
    }

    /// Those connected who would bring us together with whoever is at an address.
    fn introducers(&self, addr: SocketAddr) -> Vec<ConnId> {
        self.swarm
            .peers
            .iter()
            .filter(|(_, peer)| peer.introduces(addr))
            .map(|(&conn, _)| conn)
            .collect()
    }

    /// Somebody wants to be brought together with somebody else.
    fn introduce(&mut self, asker: ConnId, addr: SocketAddr, cx: &Context<'_>) {
        let Some(endpoint) = self.swarm.peers.get(&asker).map(Peer::endpoint) else { return };
        // Somebody may be here twice for a moment, and may have named its port or not.
        let ready = || self.swarm.peers.iter().filter(|(_, peer)| peer.is_ready());
        let exactly = ready().find(|(_, peer)| peer.addr() == addr);
        let target = exactly.or_else(|| ready().find(|(_, peer)| peer.is_at(addr)));
        let target = target.map(|(&conn, peer)| (conn, peer.as_target(conn == asker)));
        let judged =
            relay::judge(addr, endpoint, cx.own_addresses(), target.map(|(_, target)| target));
        let (answer, is_told) = match (judged, target) {
            (Ok(target), Some((conn, _))) => {
                let other = self.swarm.peers.get_mut(&conn);
                let is_told = other.is_some_and(|peer| peer.introduce_to(endpoint, cx.now));
                (HolepunchMessage::Connect(target.endpoint), is_told)
            }
            (Err(refusal), _) => (HolepunchMessage::Error(addr, refusal), true),
            (Ok(_), None) => return,
        };
        if let Some(asker) = self.swarm.peers.get_mut(&asker).filter(|_| is_told) {
            asker.say_punch(answer, cx.now);
        }
    }

    /// Somebody else is to be dialled, and dials us at this moment.
    fn introduced(&mut self, by: ConnId, addr: SocketAddr, cx: &mut Context<'_>) {
        let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
        let is_answer = self.swarm.seeking.is_answer(addr, by, cx.now);
        let Some(peer) = self.swarm.peers.get_mut(&by) else { return };
        let is_fit = relay::is_believed(peer.addr().ip(), addr);
        if !is_fit
            || !(is_answer || peer.may_introduce_unasked(cx.now))
            || !self.can_be_punched(addr, cx)
        {
            return;
        }
        self.punch(addr, cx);
    }

    /// Whether an address may be dialled as half of a rendezvous at all: nobody is here from there,
    /// and it is not ours.
    fn can_be_punched(&self, addr: SocketAddr, cx: &Context<'_>) -> bool {
        let is_here = |peer: &Peer| !peer.is_connecting() && peer.is_at(addr);
        self.is_running()
            && is_wanted(&self.content.meta, cx)
            && cx.ways_to(addr).utp
            && !cx.own_addresses().contains(&Some(addr))
            && !self.swarm.candidates.is_banned_host(addr.ip())
            && !self.swarm.peers.values().any(is_here)
    }

    fn punch(&mut self, addr: SocketAddr, cx: &mut Context<'_>) {
        let dialled =
            self.swarm.peers.iter().find(|(_, peer)| peer.is_connecting() && peer.addr() == addr);
        match dialled.map(|(&conn, peer)| (conn, peer.transport())) {
            // It sends what is to be sent already.
            Some((_, Transport::Utp)) => return,
            Some((conn, Transport::Tcp)) => {
                self.swarm.peers.remove(&conn);
                cx.shared.conns.remove(&conn);
                cx.order(IoCommand::TcpClose { conn });
                self.swarm.candidates.released(addr);
            }
            None => {}
        }
        let under_way = self.swarm.peers.values().filter(|peer| peer.is_being_punched()).count();
        if self.swarm.peers.len() >= self.swarm.max_connections
            || under_way >= limits::PUNCHES_PER_TORRENT
        {
            return;
        }
        let Some(way) = self.swarm.candidates.punch(addr, cx.ways_to(addr), cx.now) else { return };
        tracing::debug!(peer = %addr, "dials together with it");
        self.dial_by(addr, way, false, Peer::punched, cx);
    }
}
