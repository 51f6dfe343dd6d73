//! Peer exchange with one peer (BEP 11): its port, whether we agreed to it, and the messages in
//! both directions.
//!
//! It parses and builds messages. [`Exchange`] limits how often, and the torrent chooses which
//! peers to name.

use std::net::SocketAddr;

use super::exchange::{Exchange, Nuisance, Peers};
use super::{EXTENSION, Flags, OUR_ID, PexMessage};
use crate::peer::event::PeerError;
use crate::peer::extension::ExtensionHandshake;
use crate::time::Instant;

/// What one peer and we tell each other about other peers.
#[derive(Debug, Default)]
pub(in crate::peer) struct Talk {
    /// The port at which the peer says that it listens.
    port: Option<u16>,
    /// Whether we said that we understand such messages.
    offered: bool,
    exchange: Exchange,
}

impl Talk {
    /// Takes in the peer's extension handshake.
    pub(in crate::peer) fn hear(&mut self, hello: &ExtensionHandshake) {
        self.port = hello.port.or(self.port);
        self.exchange.hear_id(hello.id(EXTENSION));
    }

    /// Adds to our extension handshake that we understand such messages. What was offered once
    /// stays offered.
    pub(in crate::peer) fn offer(&mut self, hello: &mut ExtensionHandshake, is_wanted: bool) {
        self.offered |= is_wanted;
        if self.offered {
            hello.messages.insert(EXTENSION.to_owned(), OUR_ID);
        }
    }

    /// Returns the port at which the peer says that it listens.
    pub(in crate::peer) fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns what the peer said about a peer that it named.
    pub(in crate::peer) fn named(&self, addr: SocketAddr) -> Option<Flags> {
        self.exchange.named(addr)
    }

    /// Returns whether the peer may be told about others now.
    pub(in crate::peer) fn is_due(&self, now: Instant) -> bool {
        self.offered && self.exchange.is_due(now)
    }

    /// Returns which peers came and went, with the id of the message, if it is time for it.
    pub(in crate::peer) fn next_message(
        &mut self,
        peers: &Peers,
        itself: SocketAddr,
        now: Instant,
    ) -> Option<(u8, PexMessage)> {
        self.exchange.next_message(peers, itself, now)
    }

    /// Takes in a message of the peer at `from`, and returns the addresses that are worth a try.
    ///
    /// A message that we did not ask for is ignored.
    pub(in crate::peer) fn hear_peers(
        &mut self,
        payload: &[u8],
        from: SocketAddr,
        now: Instant,
    ) -> Result<Vec<SocketAddr>, PeerError> {
        if !self.offered {
            return Ok(Vec::new());
        }
        let message = PexMessage::parse(payload).map_err(|_| PeerError::Exchange)?;
        self.exchange.heard(&message, from, now).map_err(|Nuisance| PeerError::Flood)
    }
}
