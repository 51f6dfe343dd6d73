//! The state of hole punching with one peer (BEP 55): what was negotiated, and the rate limits.

use super::allowance::Allowance;
use super::{EXTENSION, HolepunchMessage, OUR_ID};
use crate::limits;
use crate::peer::event::PeerError;
use crate::peer::extension::ExtensionHandshake;
use crate::peer::policy::Transport;
use crate::time::Instant;

/// The negotiated state and the remaining allowances of one connection.
#[derive(Debug)]
pub(in crate::peer) struct Punching {
    /// The transport of the connection.
    transport: Transport,
    /// Whether a relay introduced us.
    punched: bool,
    /// The message id that the peer assigned to the extension.
    id: Option<u8>,
    /// Whether we offered the extension.
    offered: bool,
    /// Rendezvous that the peer may still request.
    rendezvous: Allowance,
    /// Requests beyond that.
    beyond: u32,
    /// Introductions to the peer that are still allowed.
    introductions: Allowance,
    /// Unrequested introductions by the peer that are still allowed.
    unasked: Allowance,
}

impl Punching {
    /// Creates the state of a new TCP connection.
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

    /// Reads the peer's extension handshake. A later one may omit the id.
    pub(in crate::peer) fn read_handshake(&mut self, hello: &ExtensionHandshake) {
        self.id = hello.next_id(EXTENSION, self.id);
    }

    /// Offers the extension in our handshake. A first offer is never withdrawn.
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

    /// Marks the connection as punched with the help of a relay.
    pub(in crate::peer) fn set_punched(&mut self) {
        self.punched = true;
    }

    /// Returns whether a relay introduced us.
    pub(in crate::peer) fn is_punched(&self) -> bool {
        self.punched
    }

    /// Returns the message id that the peer assigned to the extension. `None` if the peer does not
    /// support it.
    pub(in crate::peer) fn id(&self) -> Option<u8> {
        self.id
    }

    /// Returns whether both ends support the extension.
    pub(in crate::peer) fn is_agreed(&self) -> bool {
        self.offered && self.id.is_some()
    }

    /// Takes one introduction to the peer from the allowance. Returns false if there were too many.
    pub(in crate::peer) fn take_introduction(&mut self, now: Instant) -> bool {
        self.introductions.take(now)
    }

    /// Takes one unrequested introduction from the allowance. Returns false if there were too many.
    pub(in crate::peer) fn take_unasked(&mut self, now: Instant) -> bool {
        self.unasked.take(now)
    }

    /// Handles a message. Malformed ones and requests beyond the allowance are ignored.
    ///
    /// # Errors
    /// [`PeerError::PunchFlood`] if the peer asks far too often.
    pub(in crate::peer) fn handle_message(
        &mut self,
        payload: &[u8],
        now: Instant,
    ) -> Result<Option<HolepunchMessage>, PeerError> {
        // A peer that could not understand the answer is ignored (BEP 55).
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

    fn punching(supports: bool, offered: bool) -> Punching {
        let mut punching = Punching::new(Instant(0));
        let mut hello = ExtensionHandshake::default();
        if supports {
            hello.messages.insert(EXTENSION.to_owned(), 9);
        }
        punching.read_handshake(&hello);
        punching.offer(&mut ExtensionHandshake::default(), offered);
        punching
    }

    #[test]
    fn messages_are_handled_only_if_both_ends_support_them() {
        let message = HolepunchMessage::Connect(addr("6.7.8.9:10"));
        let heard = |speaks, offered| {
            punching(speaks, offered).handle_message(&message.encode(), Instant(0)).unwrap()
        };
        assert_eq!(heard(true, true), Some(message));
        assert_eq!(heard(false, true), None);
        assert_eq!(heard(true, false), None);
        assert_eq!(punching(true, true).handle_message(b"rubbish", Instant(0)).unwrap(), None);
    }

    #[test]
    fn an_offer_is_not_withdrawn() {
        let mut punching = punching(true, false);
        for (is_wanted, expected) in [(false, None), (true, Some(OUR_ID)), (false, Some(OUR_ID))] {
            let mut hello = ExtensionHandshake::default();
            punching.offer(&mut hello, is_wanted);
            assert_eq!(hello.id(EXTENSION), expected);
        }
        punching.read_handshake(&ExtensionHandshake::default());
        assert_eq!(punching.id(), Some(9), "a later handshake may leave it out");
    }

    #[test]
    fn frequent_requests_are_ignored_and_then_end_the_connection() {
        let mut punching = punching(true, true);
        let payload = HolepunchMessage::Rendezvous(addr("6.7.8.9:10")).encode();
        let mut heard = 0;
        for _ in 0..limits::RENDEZVOUS.0 + limits::RENDEZVOUS_EXCESS {
            let message = punching.handle_message(&payload, Instant(0)).unwrap();
            heard += u32::from(message.is_some());
        }
        assert_eq!(heard, limits::RENDEZVOUS.0);
        assert!(punching.handle_message(&payload, Instant(0)).is_err());
        let later = Instant(0) + Duration::from_secs(3600);
        assert!(punching.handle_message(&payload, later).is_ok(), "patience pays");
    }
}
