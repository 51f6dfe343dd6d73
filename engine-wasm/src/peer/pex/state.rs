//! The state of peer exchange with one peer (BEP 11): what was negotiated, and its messages.
//!
//! It parses and builds messages. [`Exchange`] limits how often, and the torrent chooses which
//! peers to name.

use std::net::SocketAddr;
use std::time::Duration;

use super::exchange::{Exchange, Nuisance, Peers};
use super::{EXTENSION, Flags, OUR_ID, PexMessage};
use crate::peer::event::PeerError;
use crate::peer::extension::ExtensionHandshake;
use crate::time::Instant;

/// The state of peer exchange on one connection.
#[derive(Debug, Default)]
pub(in crate::peer) struct PexState {
    /// The port at which the peer listens, according to its handshake.
    port: Option<u16>,
    /// Whether we offered the extension.
    offered: bool,
    exchange: Exchange,
}

impl PexState {
    /// Reads the peer's extension handshake.
    pub(in crate::peer) fn read_handshake(&mut self, hello: &ExtensionHandshake) {
        self.port = hello.port.or(self.port);
        self.exchange.set_id(hello.next_id(EXTENSION, self.exchange.id()));
    }

    /// Offers the extension in our handshake. A first offer is never withdrawn.
    ///
    /// `interval` is the shortest time between two messages.
    pub(in crate::peer) fn offer(
        &mut self,
        hello: &mut ExtensionHandshake,
        is_wanted: bool,
        interval: Duration,
    ) {
        self.offered |= is_wanted;
        self.exchange.set_interval(interval);
        if self.offered {
            hello.messages.insert(EXTENSION.to_owned(), OUR_ID);
        }
    }

    /// Returns the port at which the peer listens, according to its handshake.
    pub(in crate::peer) fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns the flags of a peer that this peer named.
    pub(in crate::peer) fn named(&self, addr: SocketAddr) -> Option<Flags> {
        self.exchange.named(addr)
    }

    /// Returns whether a message may be sent now.
    pub(in crate::peer) fn is_due(&self, now: Instant) -> bool {
        self.offered && self.exchange.is_due(now)
    }

    /// Returns the next message with its id, if it is time for one.
    pub(in crate::peer) fn next_message(
        &mut self,
        peers: &Peers,
        itself: SocketAddr,
        now: Instant,
    ) -> Option<(u8, PexMessage)> {
        self.exchange.next_message(peers, itself, now)
    }

    /// Handles a message of the peer at `from`; returns the addresses worth dialling.
    ///
    /// A message without our offer is ignored.
    pub(in crate::peer) fn handle_peers(
        &mut self,
        payload: &[u8],
        from: SocketAddr,
        now: Instant,
    ) -> Result<Vec<SocketAddr>, PeerError> {
        if !self.offered {
            return Ok(Vec::new());
        }
        let message = PexMessage::parse(payload).map_err(|_| PeerError::Exchange)?;
        self.exchange.handle_message(&message, from, now).map_err(|Nuisance| PeerError::Flood)
    }
}
