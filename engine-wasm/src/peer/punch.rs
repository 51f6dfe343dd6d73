//! The half of a peer that helps others to come together (BEP 55): where its datagrams come from,
//! and what it and we say of rendezvous.
//!
//! As its parent: it turns what comes into words and decides nothing but how often it is listened
//! to.

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

/// What a peer and we say of rendezvous.
#[derive(Debug)]
pub(super) struct Punching {
    /// What carries the connection.
    over: Transport,
    /// Whether somebody brought us together.
    punched: bool,
    /// The id under which it wants messages.
    id: Option<u8>,
    /// Whether we said that we understand them.
    offered: bool,
    /// Rendezvous that it may ask of us.
    rendezvous: Allowance,
    /// Those that it asked for beyond that.
    beyond: u32,
    /// Introductions to it.
    introductions: Allowance,
    /// Introductions by it that we did not ask for.
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

    /// Its handshake of extensions. A later one may leave the id out.
    pub(super) fn hear(&mut self, hello: &ExtensionHandshake) {
        self.id = hello.id(holepunch::EXTENSION).or(self.id);
    }

    /// In ours we say that we understand such messages, or we don't.
    pub(super) fn offer(&mut self, hello: &mut ExtensionHandshake, is_wanted: bool) {
        self.offered |= is_wanted;
        if self.offered {
            hello.messages.insert(holepunch::EXTENSION.to_owned(), holepunch::OUR_ID);
        }
    }
}

impl Peer {
    /// What carries its connection; TCP unless it is said.
    #[must_use]
    pub(crate) fn over(mut self, transport: Transport) -> Self {
        self.punching.over = transport;
        self
    }

    /// A third one brought us together.
    #[must_use]
    pub(crate) fn punched(mut self) -> Self {
        self.punching.punched = true;
        self
    }

    /// Whether a third one brought us together, and the dial is under way.
    pub(crate) fn is_being_punched(&self) -> bool {
        self.is_connecting() && self.punching.punched
    }

    /// What carries its connection.
    pub fn transport(&self) -> Transport {
        self.punching.over
    }

    /// Whether others who are told of this address mean it: where it can be dialled, or where it is
    /// connected from.
    pub(crate) fn is_at(&self, addr: SocketAddr) -> bool {
        self.addr == addr || self.listens_at() == Some(addr)
    }

    /// Where its datagrams come from, as far as is known. Over uTP that is seen, and no router
    /// between us can have it otherwise; else it is where it says that it listens: one port serves
    /// both transports in most clients.
    pub fn endpoint(&self) -> SocketAddr {
        match self.punching.over {
            Transport::Utp => self.addr,
            Transport::Tcp => self.listens_at().unwrap_or(self.addr),
        }
    }

    /// Whether it can bring others together, and be brought together with them.
    pub(crate) fn speaks_holepunch(&self) -> bool {
        self.is_ready() && self.punching.id.is_some()
    }

    /// Whether it would bring us together with whoever is at this address: it named it and said
    /// that it can be had so.
    pub(crate) fn introduces(&self, addr: SocketAddr) -> bool {
        let can = |flags: Flags| flags.has(Flags::HOLEPUNCH);
        self.speaks_holepunch() && self.punching.offered && self.talk.named(addr).is_some_and(can)
    }

    /// What it would be as the target of a rendezvous.
    pub(crate) fn as_target(&self, is_asker: bool) -> Target {
        Target { endpoint: self.endpoint(), speaks: self.speaks_holepunch(), is_asker }
    }

    /// Says something about a rendezvous, if it understands that.
    pub(crate) fn say_punch(&mut self, message: HolepunchMessage, now: Instant) {
        if let Some(id) = self.punching.id {
            self.say(&Message::Extended { id, payload: &message.encode() }, now);
        }
    }

    /// Tells it that somebody else is to be dialled, unless it had to hear that too often.
    pub(crate) fn introduce_to(&mut self, other: SocketAddr, now: Instant) -> bool {
        let may = self.punching.introductions.take(now);
        if may {
            self.say_punch(HolepunchMessage::Connect(other), now);
        }
        may
    }

    /// It says that somebody is to be dialled for whom we did not ask: whether that is to be
    /// believed.
    pub(crate) fn may_introduce_unasked(&mut self, now: Instant) -> bool {
        self.punching.unasked.take(now)
    }

    /// It speaks of a rendezvous. Who does not understand the answer is passed over (BEP 55), and
    /// so is what can't be read.
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
    fn only_who_speaks_it_is_heard_and_only_where_we_do() {
        let message = HolepunchMessage::Connect(addr("6.7.8.9:10"));
        assert_eq!(heard(&mut peer(true, true), message), Some(PeerEvent::Punch(message)));
        assert_eq!(heard(&mut peer(false, true), message), None);
        assert_eq!(heard(&mut peer(true, false), message), None);
        assert_eq!(peer(true, true).hear_punch(b"rubbish", Instant(0)).unwrap(), None);
    }

    #[test]
    fn what_we_offer_stays_offered() {
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
    fn who_asks_too_often_is_passed_over_and_then_a_nuisance() {
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
    fn where_datagrams_come_from_is_seen_over_utp_and_said_over_tcp() {
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
