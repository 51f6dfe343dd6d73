//! Peer exchange with one peer (BEP 11): its listen address, and the messages in both directions.
//!
//! It parses and builds messages, and decides nothing. [`Exchange`] limits how often, and the
//! torrent chooses which peers to name.

use std::net::SocketAddr;

use super::extension::ExtensionHandshake;
use super::way::Transport;
use super::wire::Message;
use super::{Peer, PeerError, PeerEvent};
use crate::peer::pex::exchange::{Exchange, Nuisance, Peers};
use crate::peer::pex::{self, Flags, PexMessage};
use crate::time::Instant;

/// The state of peer exchange on one connection.
#[derive(Debug, Default)]
pub(super) struct Talk {
    /// The port at which the peer listens, according to its handshake.
    port: Option<u16>,
    /// Whether we offered the extension.
    offered: bool,
    exchange: Exchange,
}

impl Talk {
    /// Handles the peer's extension handshake.
    pub(super) fn hear(&mut self, hello: &ExtensionHandshake) {
        self.port = hello.port.or(self.port);
        self.exchange.hear_id(hello.id(pex::EXTENSION));
    }

    /// The flags that the peer gave for another peer that it named.
    pub(super) fn named(&self, addr: SocketAddr) -> Option<Flags> {
        self.exchange.named(addr)
    }

    /// Offers the extension in our handshake, or withdraws it.
    pub(super) fn offer(&mut self, hello: &mut ExtensionHandshake, is_wanted: bool) {
        self.offered |= is_wanted;
        if self.offered {
            hello.messages.insert(pex::EXTENSION.to_owned(), pex::OUR_ID);
        }
    }
}

impl Peer {
    /// The address at which others can dial the peer, if known.
    ///
    /// This is the address that we dialled, or else the peer's own with the port that it announced.
    pub(crate) fn listens_at(&self) -> Option<SocketAddr> {
        match self.talk.port {
            _ if self.dialled => Some(self.addr),
            port => port.map(|port| SocketAddr::new(self.addr.ip(), port)),
        }
    }

    /// The flags to send about this peer, besides its address.
    pub fn flags(&self) -> Flags {
        let flags = Flags::default()
            .with(Flags::SEED, self.is_upload_only())
            .with(Flags::OUTGOING, self.dialled);
        // Holes are punched for uTP only.
        let (punches, over_utp) = (self.speaks_holepunch(), self.transport() == Transport::Utp);
        flags.with(Flags::UTP, over_utp || punches).with(Flags::HOLEPUNCH, punches)
    }

    /// Whether it may receive a peer exchange message now.
    pub(crate) fn wants_peers(&self, now: Instant) -> bool {
        self.is_ready() && self.talk.offered && self.talk.exchange.is_due(now)
    }

    /// Sends the peers that came and went, if it is time.
    pub(crate) fn tell_peers(&mut self, peers: &Peers, now: Instant) {
        let itself = self.listens_at().unwrap_or(self.addr);
        if self.wants_peers(now)
            && let Some((id, message)) = self.talk.exchange.next_message(peers, itself, now)
        {
            self.say(&Message::Extended { id, payload: &message.encode() }, now);
        }
    }

    /// Handles the peers that it names; ignores what we did not ask for.
    pub(super) fn hear_peers(
        &mut self,
        payload: &[u8],
        now: Instant,
    ) -> Result<Option<PeerEvent>, PeerError> {
        if !self.talk.offered {
            return Ok(None);
        }
        let message = PexMessage::parse(payload).map_err(|_| PeerError::Exchange)?;
        let named = self.talk.exchange.heard(&message, self.addr, now);
        let named = named.map_err(|Nuisance| PeerError::Flood)?;
        Ok((!named.is_empty()).then_some(PeerEvent::Names(named)))
    }
}
