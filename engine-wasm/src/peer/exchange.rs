//! Peer exchange with one peer (BEP 11): its listen address, and the messages to it.

use std::net::SocketAddr;

use super::Peer;
use super::pex::Flags;
use super::pex::exchange::Peers;
use super::policy::Transport;
use super::wire::Message;
use crate::time::Instant;

impl Peer {
    /// Returns the address at which others can dial the peer, if it is known.
    ///
    /// This is the address that we dialled, or else the peer's own with the port that it announced.
    pub(crate) fn listens_at(&self) -> Option<SocketAddr> {
        if self.dialled {
            return Some(self.addr);
        }
        self.pex_state.port().map(|port| SocketAddr::new(self.addr.ip(), port))
    }

    /// Returns the flags to send about the peer, besides its address.
    pub fn flags(&self) -> Flags {
        let flags = Flags::default()
            .with(Flags::SEED, self.is_upload_only())
            .with(Flags::OUTGOING, self.dialled);
        // Holes are punched for uTP only.
        let (punches, over_utp) = (self.supports_holepunch(), self.transport() == Transport::Utp);
        flags.with(Flags::UTP, over_utp || punches).with(Flags::HOLEPUNCH, punches)
    }

    /// Returns whether a message may be sent now.
    pub(crate) fn wants_peers(&self, now: Instant) -> bool {
        self.is_ready() && self.pex_state.is_due(now)
    }

    /// Sends the peers that came and went, if it is time.
    pub(crate) fn send_peers(&mut self, peers: &Peers, now: Instant) {
        let itself = self.listens_at().unwrap_or(self.addr);
        if self.wants_peers(now)
            && let Some((id, message)) = self.pex_state.next_message(peers, itself, now)
        {
            self.send(&Message::Extended { id, payload: &message.encode() }, now);
        }
    }
}
