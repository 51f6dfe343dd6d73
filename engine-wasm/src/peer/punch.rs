//! Hole punching with one peer (BEP 55): its datagram address, and messages about rendezvous.

use std::net::SocketAddr;

use super::Peer;
use super::holepunch::HolepunchMessage;
use super::holepunch::relay::Target;
use super::pex::Flags;
use super::policy::Transport;
use super::wire::Message;
use crate::time::Instant;

impl Peer {
    /// Sets the transport of the connection; the default is TCP.
    #[must_use]
    pub(crate) fn over(mut self, transport: Transport) -> Self {
        self.punching.set_transport(transport);
        self
    }

    /// Marks the connection as punched with the help of a relay.
    #[must_use]
    pub(crate) fn punched(mut self) -> Self {
        self.punching.set_punched();
        self
    }

    /// Returns whether the peer is being dialled with the help of a relay.
    pub(crate) fn is_being_punched(&self) -> bool {
        self.is_connecting() && self.punching.is_punched()
    }

    /// Returns the transport of the connection.
    pub fn transport(&self) -> Transport {
        self.punching.transport()
    }

    /// Returns whether an address is the peer's. It can be dialled there, or is connected from
    /// there.
    pub(crate) fn is_at(&self, addr: SocketAddr) -> bool {
        self.addr == addr || self.listens_at() == Some(addr)
    }

    /// Returns the source address of the peer's datagrams, as far as it is known.
    ///
    /// Over uTP it is the address of the connection. Over TCP it is the address at which the peer
    /// listens, because most clients use one port for both transports.
    pub fn endpoint(&self) -> SocketAddr {
        match self.transport() {
            Transport::Utp => self.addr,
            Transport::Tcp => self.listens_at().unwrap_or(self.addr),
        }
    }

    /// Returns whether the peer can introduce others, and be introduced to them.
    pub(crate) fn supports_holepunch(&self) -> bool {
        self.is_ready() && self.punching.id().is_some()
    }

    /// Returns whether the peer would introduce us to the peer at an address.
    ///
    /// It must have named that peer and flagged it for hole punching.
    pub(crate) fn introduces(&self, addr: SocketAddr) -> bool {
        let can = |flags: Flags| flags.has(Flags::HOLEPUNCH);
        self.is_ready() && self.punching.is_agreed() && self.pex_state.named(addr).is_some_and(can)
    }

    /// Describes the peer as the target of a rendezvous.
    pub(crate) fn as_target(&self, is_asker: bool) -> Target {
        Target { endpoint: self.endpoint(), supports: self.supports_holepunch(), is_asker }
    }

    /// Sends a message about a rendezvous, if the peer supports the extension.
    pub(crate) fn send_punch(&mut self, message: HolepunchMessage, now: Instant) {
        if let Some(id) = self.punching.id() {
            self.send(&Message::Extended { id, payload: &message.encode() }, now);
        }
    }

    /// Tells the peer to dial another. Returns false if it was told that too often.
    pub(crate) fn introduce_to(&mut self, other: SocketAddr, now: Instant) -> bool {
        let may = self.punching.take_introduction(now);
        if may {
            self.send_punch(HolepunchMessage::Connect(other), now);
        }
        may
    }

    /// Returns whether to accept an introduction by the peer that we did not request.
    pub(crate) fn may_introduce_unasked(&mut self, now: Instant) -> bool {
        self.punching.take_unasked(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::extension::ExtensionHandshake;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_datagram_address_is_seen_over_utp_and_announced_over_tcp() {
        let check = |over: Transport, port: Option<u16>, expected: &str| {
            let mut peer = Peer::dial(addr("1.2.3.4:50000"), Instant(0)).over(over);
            peer.dialled = false;
            peer.pex_state
                .read_handshake(&ExtensionHandshake { port, ..ExtensionHandshake::default() });
            assert_eq!(peer.endpoint(), addr(expected));
            assert!(
                peer.is_at(addr("1.2.3.4:50000"))
                    && peer.is_at(addr("1.2.3.4:6881")) == port.is_some()
            );
        };
        check(Transport::Utp, Some(6881), "1.2.3.4:50000");
        check(Transport::Tcp, Some(6881), "1.2.3.4:6881");
        check(Transport::Tcp, None, "1.2.3.4:50000");
    }
}
