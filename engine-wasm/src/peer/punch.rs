//! Hole punching with one peer (BEP 55): its datagram address, and the messages in both directions.
//!
//! Like its parent module, it decides nothing, except how often messages are handled.

use std::net::SocketAddr;

use super::extension::ExtensionHandshake;
use super::way::Transport;
use super::wire::Message;
use super::{Peer, PeerError, PeerEvent};
use crate::limits;
use crate::peer::holepunch::allowance::Allowance;
use crate::peer::holepunch::relay::Target;
use crate::peer::holepunch::{self, HolepunchMessage};
use crate::peer::pex::Flags;
use crate::time::Instant;

/// The state of hole punching on one connection.
#[derive(Debug)]
pub(super) struct Punching {
    /// The transport of the connection.
    over: Transport,
    /// Whether the connection was punched with the help of a relay.
    punched: bool,
    /// The message id that the peer assigned to the extension.
    id: Option<u8>,
    /// Whether we offered the extension.
    offered: bool,
    /// Rendezvous that the peer may still request from us.
    rendezvous: Allowance,
    /// Requests beyond that.
    beyond: u32,
    /// Introductions to the peer that are still allowed.
    introductions: Allowance,
    /// Unrequested introductions by the peer that are still allowed.
    unasked: Allowance,
}

impl Punching {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            over: Transport::Tcp,
            punched: false,
            id: None,
            offered: false,
            rendezvous: Allowance::new(limits::RENDEZVOUS, now),
            beyond: 0,
            introductions: Allowance::new(limits::INTRODUCTIONS, now),
            unasked: Allowance::new(limits::UNSOLICITED_DIALS, now),
        }
    }

    /// Handles the peer's extension handshake. A later one may omit the id.
    pub(super) fn hear(&mut self, hello: &ExtensionHandshake) {
        self.id = hello.id(holepunch::EXTENSION).or(self.id);
    }

    /// Offers the extension in our handshake, or withdraws it.
    pub(super) fn offer(&mut self, hello: &mut ExtensionHandshake, is_wanted: bool) {
        self.offered |= is_wanted;
        if self.offered {
            hello.messages.insert(holepunch::EXTENSION.to_owned(), holepunch::OUR_ID);
        }
    }
}

impl Peer {
    /// Sets the transport of the connection; the default is TCP.
    #[must_use]
    pub(crate) fn over(mut self, transport: Transport) -> Self {
        self.punching.over = transport;
        self
    }

    /// Marks the connection as punched with the help of a relay.
    #[must_use]
    pub(crate) fn punched(mut self) -> Self {
        self.punching.punched = true;
        self
    }

    /// Whether the connection is being dialled with the help of a relay.
    pub(crate) fn is_being_punched(&self) -> bool {
        self.is_connecting() && self.punching.punched
    }

    /// The transport of the connection.
    pub fn transport(&self) -> Transport {
        self.punching.over
    }

    /// Whether others mean this peer by this address: it can be dialled there, or is connected from
    /// there.
    pub(crate) fn is_at(&self, addr: SocketAddr) -> bool {
        self.addr == addr || self.listens_at() == Some(addr)
    }

    /// The source address of its datagrams, as far as is known.
    ///
    /// Over uTP it is the address of the connection. Over TCP it is the address at which the peer
    /// listens, because most clients use one port for both transports.
    pub fn endpoint(&self) -> SocketAddr {
        match self.punching.over {
            Transport::Utp => self.addr,
            Transport::Tcp => self.listens_at().unwrap_or(self.addr),
        }
    }

    /// Whether it supports hole punching.
    pub(crate) fn speaks_holepunch(&self) -> bool {
        self.is_ready() && self.punching.id.is_some()
    }

    /// Whether it could introduce us to this address: it named the address and flagged it for hole
    /// punching.
    pub(crate) fn introduces(&self, addr: SocketAddr) -> bool {
        let can = |flags: Flags| flags.has(Flags::HOLEPUNCH);
        self.speaks_holepunch() && self.punching.offered && self.talk.named(addr).is_some_and(can)
    }

    /// Describes it as the target of a rendezvous.
    pub(crate) fn as_target(&self, is_asker: bool) -> Target {
        Target { endpoint: self.endpoint(), speaks: self.speaks_holepunch(), is_asker }
    }

    /// Sends a message about a rendezvous, if it supports the extension.
    pub(crate) fn say_punch(&mut self, message: HolepunchMessage, now: Instant) {
        if let Some(id) = self.punching.id {
            self.say(&Message::Extended { id, payload: &message.encode() }, now);
        }
    }

    /// Tells it to dial another peer, unless it was told too often.
    pub(crate) fn introduce_to(&mut self, other: SocketAddr, now: Instant) -> bool {
        let may = self.punching.introductions.take(now);
        if may {
            self.say_punch(HolepunchMessage::Connect(other), now);
        }
        may
    }

    /// Whether to accept an introduction by it that we did not request.
    pub(crate) fn may_introduce_unasked(&mut self, now: Instant) -> bool {
        self.punching.unasked.take(now)
    }

    /// Handles a message about a rendezvous.
    ///
    /// Ignores peers that could not understand the answer (BEP 55), and malformed messages.
    pub(super) fn hear_punch(
        &mut self,
        payload: &[u8],
        now: Instant,
    ) -> Result<Option<PeerEvent>, PeerError> {
        let punching = &mut self.punching;
        if !punching.offered || punching.id.is_none() {
            return Ok(None);
        }
        let Ok(message) = HolepunchMessage::parse(payload) else { return Ok(None) };
        if matches!(message, HolepunchMessage::Rendezvous(_)) && !punching.rendezvous.take(now) {
            punching.beyond += 1;
            return if punching.beyond > limits::RENDEZVOUS_EXCESS {
                Err(PeerError::PunchFlood)
            } else {
                Ok(None)
            };
        }
        Ok(Some(PeerEvent::Punch(message)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn wanted() -> ExtensionHandshake {
        let mut hello = ExtensionHandshake::default();
        hello.messages.insert(holepunch::EXTENSION.to_owned(), 9);
        hello
    }

    fn peer(speaks: bool, offered: bool) -> Peer {
        let mut peer = Peer::dial(addr("1.2.3.4:5"), Instant(0));
        peer.punching.hear(&if speaks { wanted() } else { ExtensionHandshake::default() });
        peer.punching.offer(&mut ExtensionHandshake::default(), offered);
        peer
    }

    fn heard(peer: &mut Peer, message: HolepunchMessage) -> Option<PeerEvent> {
        peer.hear_punch(&message.encode(), Instant(0)).unwrap()
    }

    #[test]
    fn messages_are_handled_only_if_both_ends_support_them() {
        let message = HolepunchMessage::Connect(addr("6.7.8.9:10"));
        assert_eq!(heard(&mut peer(true, true), message), Some(PeerEvent::Punch(message)));
        assert_eq!(heard(&mut peer(false, true), message), None);
        assert_eq!(heard(&mut peer(true, false), message), None);
        assert_eq!(peer(true, true).hear_punch(b"rubbish", Instant(0)).unwrap(), None);
    }

    #[test]
    fn an_offer_is_not_withdrawn() {
        let mut peer = peer(true, false);
        for (is_wanted, expected) in
            [(false, None), (true, Some(holepunch::OUR_ID)), (false, Some(holepunch::OUR_ID))]
        {
            let mut hello = ExtensionHandshake::default();
            peer.punching.offer(&mut hello, is_wanted);
            assert_eq!(hello.id(holepunch::EXTENSION), expected);
        }
        peer.punching.hear(&ExtensionHandshake::default());
        peer.say_punch(HolepunchMessage::Rendezvous(addr("6.7.8.9:10")), Instant(0));
        assert_eq!(
            peer.take_out().unwrap()[..6],
            [0, 0, 0, 14, 20, 9],
            "a later handshake may leave it out"
        );
    }

    #[test]
    fn frequent_requests_are_ignored_and_then_end_the_connection() {
        let mut peer = peer(true, true);
        let payload = HolepunchMessage::Rendezvous(addr("6.7.8.9:10")).encode();
        let mut said = 0;
        for _ in 0..limits::RENDEZVOUS.0 + limits::RENDEZVOUS_EXCESS {
            said += u32::from(peer.hear_punch(&payload, Instant(0)).unwrap().is_some());
        }
        assert_eq!(said, limits::RENDEZVOUS.0);
        assert!(peer.hear_punch(&payload, Instant(0)).is_err());
        assert!(
            peer.hear_punch(&payload, Instant(0) + Duration::from_secs(3600)).is_ok(),
            "patience pays"
        );
    }

    #[test]
    fn the_datagram_address_is_seen_over_utp_and_announced_over_tcp() {
        let check = |over: Transport, port: Option<u16>, expected: &str| {
            let mut peer = Peer::dial(addr("1.2.3.4:50000"), Instant(0)).over(over);
            peer.dialled = false;
            peer.talk.hear(&ExtensionHandshake { port, ..ExtensionHandshake::default() });
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
