//! A peer that is asked for an info dictionary: its handshakes and the messages about metadata.
//!
//! It turns bytes and frames into [`Heard`] and gathers what is to be sent; what to ask for is
//! decided elsewhere. Everything else that a peer says is ignored: without the dictionary it has no
//! meaning.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::limits;
use crate::metainfo::Identity;
use crate::peer::extension::{self, ExtensionHandshake};
use crate::peer::handshake::{HANDSHAKE_LEN, Handshake};
use crate::peer::metadata::{self, MetadataMessage};
use crate::peer::pex::exchange::{Exchange, Nuisance};
use crate::peer::pex::{self, PexMessage};
use crate::peer::wire::{self, Message};
use crate::peer::{HANDSHAKE_TIMEOUT, PeerError};
use crate::time::Instant;

/// A peer that does not say in this time that it would give the dictionary makes room for others.
const OFFER_TIMEOUT: Duration = Duration::from_secs(20);
/// Something is sent at least this often.
const KEEP_ALIVE: Duration = Duration::from_secs(100);

/// What a peer did that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// It would give an info dictionary of this length.
    Offer(u32),
    /// A block.
    Data { block: u32, total: u32, data: &'a [u8] },
    /// A block that it will not give.
    Reject(u32),
    /// It has a DHT node at this UDP port (BEP 5).
    DhtNode(u16),
    /// It names others (BEP 11).
    Names(Vec<SocketAddr>),
}

#[derive(Debug)]
enum Stage {
    Connecting,
    Handshaking { since: Instant, received: Vec<u8> },
    Ready { since: Instant },
}

/// One peer.
#[derive(Debug)]
pub(super) struct MetadataPeer {
    addr: SocketAddr,
    stage: Stage,
    /// The id under which it wants messages about metadata.
    id: Option<u8>,
    offered: bool,
    /// What it tells of others; `None` where that is not wanted.
    exchange: Option<Exchange>,
    last_sent: Instant,
    out: Vec<u8>,
}

impl MetadataPeer {
    /// A peer that is being dialled.
    pub(super) fn dial(addr: SocketAddr, now: Instant) -> Self {
        Self {
            addr,
            stage: Stage::Connecting,
            id: None,
            offered: false,
            exchange: None,
            last_sent: now,
            out: Vec::new(),
        }
    }

    /// Whether it may tell of others.
    pub(super) fn let_exchange(&mut self, is_wanted: bool) {
        self.exchange = is_wanted.then(Exchange::default);
    }

    /// Where it is.
    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.stage, Stage::Connecting)
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Ready { .. })
    }

    /// The connection is open: our handshake goes out, and says whether we have a DHT node.
    pub(super) fn connected(
        &mut self,
        identity: Identity,
        peer_id: [u8; 20],
        now: Instant,
        has_node: bool,
    ) {
        self.stage = Stage::Handshaking { since: now, received: Vec::new() };
        let mut ours =
            Handshake::ours(identity.key, peer_id).with_v2(identity.v2.is_some()).encode();
        if has_node {
            Handshake::offer_dht(&mut ours);
        }
        self.out.extend_from_slice(&ours);
        self.last_sent = now;
    }

    /// Raw bytes: the handshake, or a part of it. True when it is done.
    ///
    /// # Errors
    /// [`PeerError`]: drop the peer.
    pub(super) fn handle_data(
        &mut self,
        data: &[u8],
        identity: Identity,
        peer_id: [u8; 20],
        now: Instant,
    ) -> Result<bool, PeerError> {
        let Stage::Handshaking { received, .. } = &mut self.stage else {
            return Err(PeerError::OutOfTurn);
        };
        received.extend_from_slice(data);
        let Some(bytes) = received.first_chunk::<HANDSHAKE_LEN>() else { return Ok(false) };
        let theirs = Handshake::parse(bytes).map_err(|_| PeerError::Handshake)?;
        if !identity.answers_to(theirs.info_hash) {
            return Err(PeerError::WrongTorrent);
        }
        if theirs.peer_id == peer_id {
            return Err(PeerError::Ourselves);
        }
        if !theirs.supports_extensions() {
            return Err(PeerError::NoMetadata);
        }
        self.stage = Stage::Ready { since: now };
        if theirs.supports_fast() {
            self.say(&Message::HaveNone, now);
        }
        let mut hello = ExtensionHandshake::ours(limits::MAX_REQQ);
        hello.messages.insert(metadata::EXTENSION.to_owned(), metadata::OUR_ID);
        if self.exchange.is_some() {
            hello.messages.insert(pex::EXTENSION.to_owned(), pex::OUR_ID);
        }
        self.say(&Message::Extended { id: extension::HANDSHAKE_ID, payload: &hello.encode() }, now);
        Ok(true)
    }

    /// A frame.
    ///
    /// # Errors
    /// [`PeerError`]: drop the peer.
    pub(super) fn handle_frame<'f>(
        &mut self,
        frame: &'f [u8],
        now: Instant,
    ) -> Result<Option<Heard<'f>>, PeerError> {
        if !self.is_ready() {
            return Err(PeerError::OutOfTurn);
        }
        match Message::parse(frame)? {
            Message::Extended { id: extension::HANDSHAKE_ID, payload } => self.extensions(payload),
            Message::Port(port) => Ok(Some(Heard::DhtNode(port))),
            Message::Extended { id: pex::OUR_ID, payload } => self.names(payload, now),
            Message::Extended { id: metadata::OUR_ID, payload } => {
                Ok(match MetadataMessage::parse(payload).map_err(|_| PeerError::Metadata)? {
                    MetadataMessage::Data { block, total, data } => {
                        Some(Heard::Data { block, total, data })
                    }
                    MetadataMessage::Reject { block } => Some(Heard::Reject(block)),
                    MetadataMessage::Request { block } => {
                        self.refuse(block, now);
                        None
                    }
                    MetadataMessage::Unknown => None,
                })
            }
            _ => Ok(None),
        }
    }

    /// Asks for a block.
    pub(super) fn ask(&mut self, block: u32, now: Instant) {
        self.say_metadata(MetadataMessage::Request { block }, now);
    }

    /// Whether it has taken too long to become of use.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        match &self.stage {
            // The daemon sees to it that a dial ends.
            Stage::Connecting => false,
            Stage::Handshaking { since, .. } => now.saturating_since(*since) > HANDSHAKE_TIMEOUT,
            Stage::Ready { since } => !self.offered && now.saturating_since(*since) > OFFER_TIMEOUT,
        }
    }

    /// Keeps the connection alive.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.is_ready() && now.saturating_since(self.last_sent) > KEEP_ALIVE {
            self.out.extend_from_slice(&wire::KEEP_ALIVE);
            self.last_sent = now;
        }
    }

    /// What is to be sent now, all messages together.
    pub(super) fn take_out(&mut self) -> Option<Bytes> {
        (!self.out.is_empty()).then(|| Bytes::from(std::mem::take(&mut self.out)))
    }

    fn names<'f>(&mut self, payload: &[u8], now: Instant) -> Result<Option<Heard<'f>>, PeerError> {
        let Some(exchange) = &mut self.exchange else { return Ok(None) };
        let message = PexMessage::parse(payload).map_err(|_| PeerError::Exchange)?;
        let named =
            exchange.heard(&message, self.addr, now).map_err(|Nuisance| PeerError::Flood)?;
        Ok((!named.is_empty()).then_some(Heard::Names(named)))
    }

    /// Which extensions it speaks. One that lacks the dictionary itself may say so again when it
    /// has it.
    fn extensions<'f>(&mut self, payload: &[u8]) -> Result<Option<Heard<'f>>, PeerError> {
        let hello = ExtensionHandshake::parse(payload).map_err(|_| PeerError::Metadata)?;
        self.id = hello.id(metadata::EXTENSION).or(self.id);
        if self.id.is_none() {
            return Err(PeerError::NoMetadata);
        }
        let size = hello.metadata_size.filter(|&size| size <= limits::METADATA);
        self.offered |= size.is_some();
        Ok(size.map(Heard::Offer))
    }

    /// We have nothing to give: that is what BEP 9 has rejects for.
    fn refuse(&mut self, block: u32, now: Instant) {
        self.say_metadata(MetadataMessage::Reject { block }, now);
    }

    fn say_metadata(&mut self, message: MetadataMessage<'_>, now: Instant) {
        if let Some(id) = self.id {
            self.say(&Message::Extended { id, payload: &message.encode() }, now);
        }
    }

    fn say(&mut self, message: &Message<'_>, now: Instant) {
        message.encode(&mut self.out);
        self.last_sent = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::metainfo::InfoHash;

    const HASH: InfoHash = InfoHash([1; 20]);
    const US: [u8; 20] = [2; 20];
    const THEY: [u8; 20] = [3; 20];

    fn frame(message: Message<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        message.encode(&mut out);
        out.split_off(4)
    }

    fn extended(id: u8, payload: &[u8]) -> Vec<u8> {
        frame(Message::Extended { id, payload })
    }

    fn sent(peer: &mut MetadataPeer) -> Vec<u8> {
        peer.take_out().map(|data| data.to_vec()).unwrap_or_default()
    }

    fn ready() -> MetadataPeer {
        let mut peer = MetadataPeer::dial(SocketAddr::from(([1, 2, 3, 4], 5)), Instant(0));
        peer.connected(HASH.into(), US, Instant(0), false);
        assert_eq!(sent(&mut peer), Handshake::ours(HASH, US).encode());
        let hello = Handshake::ours(HASH, THEY).encode();
        assert!(!peer.handle_data(&hello[..60], HASH.into(), US, Instant(0)).unwrap());
        assert!(peer.handle_data(&hello[60..], HASH.into(), US, Instant(0)).unwrap());
        peer
    }

    fn check_refused(hello: Handshake, expected: &str) {
        let mut peer = MetadataPeer::dial(SocketAddr::from(([1, 2, 3, 4], 5)), Instant(0));
        peer.connected(HASH.into(), US, Instant(0), false);
        let error = peer.handle_data(&hello.encode(), HASH.into(), US, Instant(0)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn we_say_that_we_have_nothing_and_that_we_understand_metadata() {
        let hello = sent(&mut ready());
        let text = String::from_utf8_lossy(&hello);
        assert!(
            hello.starts_with(&[0, 0, 0, 1, 15]) && text.contains("d1:md11:ut_metadatai1ee"),
            "{text}"
        );
    }

    #[test]
    fn a_peer_offers_is_asked_gives_and_rejects() {
        let mut peer = ready();
        sent(&mut peer);
        let hello = extended(0, b"d1:md11:ut_metadatai7ee13:metadata_sizei31235ee");
        assert_eq!(peer.handle_frame(&hello, Instant(0)).unwrap(), Some(Heard::Offer(31235)));
        peer.ask(1, Instant(0));
        assert_eq!(sent(&mut peer)[4..], extended(7, b"d8:msg_typei0e5:piecei1ee"));
        let data = extended(1, b"d8:msg_typei1e5:piecei1e10:total_sizei31235eexyz");
        let heard = Some(Heard::Data { block: 1, total: 31235, data: b"xyz" });
        assert_eq!(peer.handle_frame(&data, Instant(0)).unwrap(), heard);
        let reject = extended(1, b"d8:msg_typei2e5:piecei1ee");
        assert_eq!(peer.handle_frame(&reject, Instant(0)).unwrap(), Some(Heard::Reject(1)));
    }

    #[test]
    fn who_asks_us_is_refused_politely() {
        let mut peer = ready();
        peer.handle_frame(&extended(0, b"d1:md11:ut_metadatai9eee"), Instant(0)).unwrap();
        sent(&mut peer);
        peer.handle_frame(&extended(1, b"d8:msg_typei0e5:piecei4ee"), Instant(0)).unwrap();
        assert_eq!(sent(&mut peer)[4..], extended(9, b"d8:msg_typei2e5:piecei4ee"));
    }

    #[test]
    fn a_peer_without_the_dictionary_is_waited_for_but_not_for_long() {
        let mut peer = ready();
        assert_eq!(
            peer.handle_frame(&extended(0, b"d1:md11:ut_metadatai7eee"), Instant(0)).unwrap(),
            None
        );
        assert!(!peer.is_idle(Instant(20_000_000)) && peer.is_idle(Instant(21_000_000)));
        peer.handle_frame(&extended(0, b"d1:md11:ut_metadatai7ee13:metadata_sizei9ee"), Instant(0))
            .unwrap();
        assert!(!peer.is_idle(Instant(999_000_000)));
    }

    #[test]
    fn a_dht_node_is_offered_and_heard_of() {
        let mut peer = MetadataPeer::dial(SocketAddr::from(([1, 2, 3, 4], 5)), Instant(0));
        peer.connected(HASH.into(), US, Instant(0), true);
        let hello: [u8; HANDSHAKE_LEN] = sent(&mut peer).try_into().unwrap();
        assert!(Handshake::parse(&hello).unwrap().supports_dht());
        assert_eq!(
            ready().handle_frame(&frame(Message::Port(7)), Instant(0)).unwrap(),
            Some(Heard::DhtNode(7))
        );
    }

    #[test]
    fn who_names_others_is_heard_where_that_is_wanted() {
        let naming = extended(pex::OUR_ID, b"d5:added6:\x01\x02\x03\x04\0\x05e");
        let mut peer = ready();
        assert_eq!(peer.handle_frame(&naming, Instant(0)).unwrap(), None, "it was not wanted");
        peer.let_exchange(true);
        let named = Heard::Names(vec![SocketAddr::from(([1, 2, 3, 4], 5))]);
        assert_eq!(peer.handle_frame(&naming, Instant(0)).unwrap(), Some(named));
        assert!(peer.handle_frame(&extended(pex::OUR_ID, b"rubbish"), Instant(0)).is_err());
    }

    #[test]
    fn peers_of_no_use_are_told_apart() {
        check_refused(
            Handshake { info_hash: InfoHash([9; 20]), ..Handshake::ours(HASH, THEY) },
            "the peer answers for another torrent",
        );
        check_refused(Handshake::ours(HASH, US), "connected to ourselves");
        check_refused(
            Handshake { reserved: [0; 8], ..Handshake::ours(HASH, THEY) },
            "the peer can't give metadata",
        );
        assert!(ready().handle_frame(&extended(0, b"d1:mdee"), Instant(0)).is_err());
        assert!(ready().handle_frame(&extended(0, b"rubbish"), Instant(0)).is_err());
        assert!(
            ready().handle_frame(&extended(1, b"d8:msg_typei1e5:piecei0ee"), Instant(0)).is_err()
        );
    }

    #[test]
    fn what_has_no_meaning_yet_is_ignored_and_an_offer_out_of_bounds_is_none() {
        let mut peer = ready();
        for message in
            [Message::HaveAll, Message::Bitfield(b"anything"), Message::Have(9), Message::Unchoke]
        {
            assert_eq!(peer.handle_frame(&frame(message), Instant(0)).unwrap(), None);
        }
        let hello = format!("d1:md11:ut_metadatai7ee13:metadata_sizei{}ee", limits::METADATA + 1);
        assert_eq!(peer.handle_frame(&extended(0, hello.as_bytes()), Instant(0)).unwrap(), None);
    }
}
