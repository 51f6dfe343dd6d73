//! Hole punching with one peer (BEP 55): what it and we agreed on, and how often either may speak
//! of a rendezvous.

use super::allowance::Allowance;
use super::{EXTENSION, HolepunchMessage, OUR_ID};
use crate::limits;
use crate::peer::event::PeerError;
use crate::peer::extension::ExtensionHandshake;
use crate::peer::way::Transport;
use crate::time::Instant;

/// What one peer and we agreed on, and what either may still ask.
#[derive(Debug)]
pub(in crate::peer) struct Punching {
    /// The transport of the connection.
    transport: Transport,
    /// Whether a third peer introduced us.
    punched: bool,
    /// The id under which the peer wants messages.
    id: Option<u8>,
    /// Whether we said that we understand them.
    offered: bool,
    /// Rendezvous that the peer may ask for.
    rendezvous: Allowance,
    /// Rendezvous that the peer asked for beyond that.
    beyond: u32,
    /// Introductions to the peer.
    introductions: Allowance,
    /// Introductions by the peer that we did not ask for.
    unasked: Allowance,
}

impl Punching {
    /// Creates the state of a TCP connection on which nothing was said.
    pub(in crate::peer) fn new(now: Instant) -> Self {
        Self {
            transport: Transport::Tcp,
            punched: false,
            id: None,
            offered: false,
            rendezvous: Allowance::new(limits::RENDEZVOUS, now),
            beyond: 0,
            introductions: Allowance::new(limits::INTRODUCTIONS, now),
            unasked: Allowance::new(limits::UNSOLICITED_DIALS, now),
        }
    }

    /// Takes in the peer's extension handshake. A later one may leave the id out.
    pub(in crate::peer) fn hear(&mut self, hello: &ExtensionHandshake) {
        self.id = hello.id(EXTENSION).or(self.id);
    }

    /// Adds to our extension handshake that we understand such messages. What was offered once
    /// stays offered.
    pub(in crate::peer) fn offer(&mut self, hello: &mut ExtensionHandshake, is_wanted: bool) {
        self.offered |= is_wanted;
        if self.offered {
            hello.messages.insert(EXTENSION.to_owned(), OUR_ID);
        }
    }

    /// Sets the transport of the connection.
    pub(in crate::peer) fn set_transport(&mut self, transport: Transport) {
        self.transport = transport;
    }

    /// Returns the transport of the connection.
    pub(in crate::peer) fn transport(&self) -> Transport {
        self.transport
    }

    /// Notes that a third peer introduced us.
    pub(in crate::peer) fn set_punched(&mut self) {
        self.punched = true;
    }

    /// Returns whether a third peer introduced us.
    pub(in crate::peer) fn is_punched(&self) -> bool {
        self.punched
    }

    /// Returns the id under which the peer wants messages, if it understands them.
    pub(in crate::peer) fn id(&self) -> Option<u8> {
        self.id
    }

    /// Returns whether both sides understand such messages.
    pub(in crate::peer) fn is_agreed(&self) -> bool {
        self.offered && self.id.is_some()
    }

    /// Uses up one introduction to the peer. Returns false if there were too many.
    pub(in crate::peer) fn take_introduction(&mut self, now: Instant) -> bool {
        self.introductions.take(now)
    }

    /// Uses up one introduction that we did not ask for. Returns false if there were too many.
    pub(in crate::peer) fn take_unasked(&mut self, now: Instant) -> bool {
        self.unasked.take(now)
    }

    /// Takes in a message. One that can't be read, or asks too often, is ignored.
    ///
    /// # Errors
    /// [`PeerError::PunchFlood`] if the peer asks far too often.
    pub(in crate::peer) fn hear_message(
        &mut self,
        payload: &[u8],
        now: Instant,
    ) -> Result<Option<HolepunchMessage>, PeerError> {
        // BEP 55: a peer that does not understand the answer is ignored.
        if !self.is_agreed() {
            return Ok(None);
        }
        let Ok(message) = HolepunchMessage::parse(payload) else { return Ok(None) };
        if matches!(message, HolepunchMessage::Rendezvous(_)) && !self.rendezvous.take(now) {
            self.beyond += 1;
            let is_flood = self.beyond > limits::RENDEZVOUS_EXCESS;
            return if is_flood { Err(PeerError::PunchFlood) } else { Ok(None) };
        }
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn punching(speaks: bool, offered: bool) -> Punching {
        let mut punching = Punching::new(Instant(0));
        let mut hello = ExtensionHandshake::default();
        if speaks {
            hello.messages.insert(EXTENSION.to_owned(), 9);
        }
        punching.hear(&hello);
        punching.offer(&mut ExtensionHandshake::default(), offered);
        punching
    }

    #[test]
    fn only_a_peer_that_speaks_it_is_heard_and_only_where_we_do() {
        let message = HolepunchMessage::Connect(addr("6.7.8.9:10"));
        let heard = |speaks, offered| {
            punching(speaks, offered).hear_message(&message.encode(), Instant(0)).unwrap()
        };
        assert_eq!(heard(true, true), Some(message));
        assert_eq!(heard(false, true), None);
        assert_eq!(heard(true, false), None);
        assert_eq!(punching(true, true).hear_message(b"rubbish", Instant(0)).unwrap(), None);
    }

    #[test]
    fn what_we_offer_stays_offered() {
        let mut punching = punching(true, false);
        for (is_wanted, expected) in [(false, None), (true, Some(OUR_ID)), (false, Some(OUR_ID))] {
            let mut hello = ExtensionHandshake::default();
            punching.offer(&mut hello, is_wanted);
            assert_eq!(hello.id(EXTENSION), expected);
        }
        punching.hear(&ExtensionHandshake::default());
        assert_eq!(punching.id(), Some(9), "a later handshake may leave it out");
    }

    #[test]
    fn a_peer_that_asks_too_often_is_ignored_and_then_a_nuisance() {
        let mut punching = punching(true, true);
        let payload = HolepunchMessage::Rendezvous(addr("6.7.8.9:10")).encode();
        let mut heard = 0;
        for _ in 0..limits::RENDEZVOUS.0 + limits::RENDEZVOUS_EXCESS {
            let message = punching.hear_message(&payload, Instant(0)).unwrap();
            heard += u32::from(message.is_some());
        }
        assert_eq!(heard, limits::RENDEZVOUS.0);
        assert!(punching.hear_message(&payload, Instant(0)).is_err());
        let later = Instant(0) + Duration::from_secs(3600);
        assert!(punching.hear_message(&payload, later).is_ok(), "patience pays");
    }
}
