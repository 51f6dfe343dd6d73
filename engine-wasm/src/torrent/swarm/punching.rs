//! Hole punching (BEP 55) in all three roles: asking for introductions, being introduced, and
//! introducing others.
//!
//! Dials that a peer causes are bounded: at once, per peer, and never into our local network unless
//! the relay is in it. A private torrent takes no part, because only its trackers may name peers
//! (BEP 27). Hole punching needs uTP, because a router admits no datagram for a TCP connection.

use std::net::SocketAddr;

use shared_proto::ConnId;

use super::outcomes::{Dial, Introduced};
use super::state::Swarm;
use crate::limits;
use crate::peer::Peer;
use crate::peer::holepunch::{HolepunchMessage, relay};
use crate::peer::local::Local;
use crate::peer::policy::Transport;
use crate::time::Instant;

impl Swarm {
    /// Whether this swarm takes part in hole punching.
    pub(super) fn punches(&self, local: &Local) -> bool {
        local.can_punch() && !self.private
    }

    /// An address can't be reached: asks a peer that named it for an introduction.
    pub(super) fn seek_introduction(&mut self, addr: SocketAddr, local: &Local, now: Instant) {
        if !self.can_be_punched(addr, local) {
            return;
        }
        let relays = self.introducers(addr);
        if let Some(relay) = self.seeking.ask(addr, &relays, now) {
            self.ask_for_rendezvous(relay, addr, now);
        }
    }

    /// Handles a message about a rendezvous.
    pub(in crate::torrent) fn handle_punch(
        &mut self,
        conn: ConnId,
        message: HolepunchMessage,
        is_running: bool,
        local: &Local,
        now: Instant,
    ) -> Introduced {
        match message {
            HolepunchMessage::Rendezvous(addr) => self.introduce(conn, addr, local, now),
            HolepunchMessage::Connect(addr) if is_running => {
                return self.introduced(conn, addr, local, now);
            }
            HolepunchMessage::Connect(_) => {}
            HolepunchMessage::Error(addr, refusal) => {
                tracing::debug!(peer = %addr, ?refusal, "introduction refused");
                let relays = self.introducers(addr);
                if let Some(relay) = self.seeking.refused(addr, conn, &relays, now) {
                    self.ask_for_rendezvous(relay, addr, now);
                }
            }
        }
        Introduced::default()
    }

    fn ask_for_rendezvous(&mut self, relay: ConnId, addr: SocketAddr, now: Instant) {
        if let Some(peer) = self.peers.get_mut(&relay) {
            tracing::debug!(peer = %addr, relay = %peer.addr(), "asking for an introduction");
            peer.send_punch(HolepunchMessage::Rendezvous(addr), now);
        }
    }

    /// Connected peers that could introduce us to this address.
    fn introducers(&self, addr: SocketAddr) -> Vec<ConnId> {
        let introduces = |(&conn, peer): (&ConnId, &Peer)| peer.introduces(addr).then_some(conn);
        self.peers.iter().filter_map(introduces).collect()
    }

    /// A peer asks for an introduction to this address.
    fn introduce(&mut self, asker: ConnId, addr: SocketAddr, local: &Local, now: Instant) {
        let Some(endpoint) = self.peers.get(&asker).map(Peer::endpoint) else { return };
        // A peer may be connected twice for a moment, and may or may not have announced its port.
        let ready = || self.peers.iter().filter(|(_, peer)| peer.is_ready());
        let exactly = ready().find(|(_, peer)| peer.addr() == addr);
        let target = exactly.or_else(|| ready().find(|(_, peer)| peer.is_at(addr)));
        let target = target.map(|(&conn, peer)| (conn, peer.as_target(conn == asker)));
        let judged = relay::judge(addr, endpoint, local.own, target.map(|(_, target)| target));
        let (answer, is_told) = match (judged, target) {
            (Ok(target), Some((conn, _))) => {
                let other = self.peers.get_mut(&conn);
                let is_told = other.is_some_and(|peer| peer.introduce_to(endpoint, now));
                (HolepunchMessage::Connect(target.endpoint), is_told)
            }
            (Err(refusal), _) => (HolepunchMessage::Error(addr, refusal), true),
            (Ok(_), None) => return,
        };
        if let Some(asker) = self.peers.get_mut(&asker).filter(|_| is_told) {
            asker.send_punch(answer, now);
        }
    }

    /// A relay says that another peer dials us at this moment.
    fn introduced(
        &mut self,
        by: ConnId,
        addr: SocketAddr,
        local: &Local,
        now: Instant,
    ) -> Introduced {
        let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
        let is_answer = self.seeking.is_answer(addr, by, now);
        let Some(peer) = self.peers.get_mut(&by) else { return Introduced::default() };
        let is_fit = relay::is_believed(peer.addr().ip(), addr);
        if !is_fit
            || !(is_answer || peer.may_introduce_unasked(now))
            || !self.can_be_punched(addr, local)
        {
            return Introduced::default();
        }
        self.punch(addr, local, now)
    }

    /// Whether an address may be dialled for a rendezvous: not ours, not banned, and not connected.
    fn can_be_punched(&self, addr: SocketAddr, local: &Local) -> bool {
        let is_here = |peer: &Peer| !peer.is_connecting() && peer.is_at(addr);
        self.punches(local)
            && local.policy_for(addr).utp
            && !local.own.contains(&Some(addr))
            && !self.candidates.is_banned_host(addr.ip())
            && !self.peers.values().any(is_here)
    }

    fn punch(&mut self, addr: SocketAddr, local: &Local, now: Instant) -> Introduced {
        let mut introduced = Introduced::default();
        let dialled =
            self.peers.iter().find(|(_, peer)| peer.is_connecting() && peer.addr() == addr);
        match dialled.map(|(&conn, peer)| (conn, peer.transport())) {
            // The dial over uTP sends the needed packets already.
            Some((_, Transport::Utp)) => return introduced,
            Some((conn, Transport::Tcp)) => {
                self.peers.remove(&conn);
                self.candidates.released(addr);
                introduced.gives_way = Some(conn);
            }
            None => {}
        }
        let under_way = self.peers.values().filter(|peer| peer.is_being_punched()).count();
        if self.peers.len() >= self.most || under_way >= limits::PUNCHES_PER_TORRENT {
            return introduced;
        }
        if let Some(method) = self.candidates.punch(addr, local.policy_for(addr), now) {
            tracing::debug!(peer = %addr, "punching a hole");
            introduced.dial = Some(Dial { addr, method, has_other: false, is_punched: true });
        }
        introduced
    }
}
