//! The handshake that opens every connection (BEP 3): 68 bytes in each direction.
//!
//! Owns its layout and the reserved bits that we know. Invariant: parsing and encoding preserve
//! everything except unknown reserved bits.

use thiserror::Error;

use crate::metainfo::InfoHash;

/// Length of the handshake up to and including the info hash, in bytes.
pub(crate) const NAMED_LEN: usize = 48;
/// Length of a handshake, in bytes.
pub const HANDSHAKE_LEN: usize = 68;

/// The first bytes of every handshake.
pub const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";
/// Reserved byte and bit of the extension protocol (BEP 10).
const EXTENSIONS: (usize, u8) = (5, 0x10);
/// Reserved byte and bit of the fast extension (BEP 6).
const FAST: (usize, u8) = (7, 0x04);
/// Reserved byte and bit of the DHT (BEP 5).
const DHT: (usize, u8) = (7, 0x01);

/// Reserved byte and bit of v2 (BEP 52). A peer that was dialled with the v1 hash of a hybrid may
/// answer with the v2 hash.
const V2: (usize, u8) = (7, 0x10);

/// The error for bytes that are no handshake: encrypted, or another protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a BitTorrent handshake")]
pub struct NotAHandshake;

/// Whether the sender of this partial handshake uses or supports the given v2 hash.
pub(crate) fn goes_on_by(received: &[u8], v2: InfoHash) -> bool {
    let would = received.get(20 + V2.0).is_some_and(|reserved| reserved & V2.1 != 0);
    let calls = received.get(28..48).is_some_and(|called| *called == v2.0);
    would || calls
}

/// A handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The reserved bytes: supported extensions.
    pub reserved: [u8; 8],
    /// The torrent.
    pub info_hash: InfoHash,
    /// The sender's peer ID.
    pub peer_id: [u8; 20],
}

/// The info hash of a handshake, once enough bytes have arrived.
pub(crate) fn named_torrent(bytes: &[u8]) -> Option<InfoHash> {
    bytes.get(NAMED_LEN - 20..)?.first_chunk().copied().map(InfoHash)
}

impl Handshake {
    /// Creates our handshake: with the fast extension and the extension protocol, without the DHT.
    pub fn ours(info_hash: InfoHash, peer_id: [u8; 20]) -> Self {
        let mut reserved = [0; 8];
        for (byte, bit) in [EXTENSIONS, FAST] {
            reserved[byte] |= bit;
        }
        Self { reserved, info_hash, peer_id }
    }

    /// Sets the DHT bit in an encoded handshake; changes no other bytes.
    pub(crate) fn offer_dht(encoded: &mut [u8]) {
        if let Some(bytes) = encoded.first_chunk_mut::<HANDSHAKE_LEN>()
            && bytes.starts_with(PROTOCOL)
        {
            bytes[PROTOCOL.len() + DHT.0] |= DHT.1;
        }
    }

    /// Sets whether the sender knows the torrent's v2 hash.
    #[must_use]
    pub(crate) fn with_v2(mut self, knows: bool) -> Self {
        self.reserved[V2.0] |= if knows { V2.1 } else { 0 };
        self
    }

    /// Parses a handshake.
    ///
    /// # Errors
    /// When it does not begin with the protocol's name.
    pub fn parse(bytes: &[u8; HANDSHAKE_LEN]) -> Result<Self, NotAHandshake> {
        let rest = bytes.strip_prefix(PROTOCOL).ok_or(NotAHandshake)?;
        let (&reserved, rest) = rest.split_first_chunk().ok_or(NotAHandshake)?;
        let (&info_hash, rest) = rest.split_first_chunk().ok_or(NotAHandshake)?;
        let peer_id = rest.try_into().map_err(|_| NotAHandshake)?;
        Ok(Self { reserved, info_hash: InfoHash(info_hash), peer_id })
    }

    /// Encodes the handshake.
    pub fn encode(&self) -> [u8; HANDSHAKE_LEN] {
        let mut bytes = [0; HANDSHAKE_LEN];
        bytes[..20].copy_from_slice(PROTOCOL);
        bytes[20..28].copy_from_slice(&self.reserved);
        bytes[28..48].copy_from_slice(&self.info_hash.0);
        bytes[48..].copy_from_slice(&self.peer_id);
        bytes
    }

    /// Whether the sender supports the extension protocol (BEP 10).
    pub(crate) fn supports_extensions(&self) -> bool {
        self.has(EXTENSIONS)
    }

    /// Whether the sender supports the fast extension (BEP 6).
    pub(crate) fn supports_fast(&self) -> bool {
        self.has(FAST)
    }

    /// Whether the sender runs a DHT node (BEP 5).
    pub(crate) fn supports_dht(&self) -> bool {
        self.has(DHT)
    }

    /// Whether the sender supports the v2 hash (BEP 52).
    #[cfg(test)]
    pub(crate) fn supports_v2(&self) -> bool {
        self.has(V2)
    }

    fn has(&self, (byte, bit): (usize, u8)) -> bool {
        self.reserved[byte] & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn our_handshake_has_protocol_bits_hash_and_peer_id() {
        let ours = Handshake::ours(InfoHash([1; 20]), [2; 20]);
        let expected =
            [&b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x04"[..], &[1; 20], &[2; 20]].concat();
        assert_eq!(ours.encode(), *expected);
        assert_eq!(Handshake::parse(&ours.encode()), Ok(ours));
        assert!(
            ours.supports_extensions()
                && ours.supports_fast()
                && !ours.supports_dht()
                && !ours.supports_v2()
        );
        assert!(
            ours.with_v2(true).supports_v2()
                && ours.with_v2(true).supports_fast()
                && !ours.with_v2(false).supports_v2()
        );
    }

    #[test]
    fn a_v2_hash_or_bit_selects_the_v2_hash() {
        let ours = |hash| Handshake::ours(InfoHash([hash; 20]), [2; 20]);
        let goes_on = |hello: Handshake| goes_on_by(&hello.encode()[..48], InfoHash([9; 20]));
        assert!(goes_on(ours(1).with_v2(true)) && goes_on(ours(9)) && !goes_on(ours(1)));
        assert!(!goes_on_by(&[0xff; 20], InfoHash([9; 20])));
    }

    #[test]
    fn the_dht_bit_is_set_only_in_a_handshake() {
        let mut bytes = Handshake::ours(InfoHash([1; 20]), [2; 20]).encode();
        Handshake::offer_dht(&mut bytes);
        assert!(Handshake::parse(&bytes).unwrap().supports_dht());
        let mut other = [0; HANDSHAKE_LEN];
        Handshake::offer_dht(&mut other);
        assert_eq!(other, [0; HANDSHAKE_LEN]);
        Handshake::offer_dht(&mut other[..10]);
    }

    #[test]
    fn another_protocol_is_refused() {
        let mut bytes = Handshake::ours(InfoHash([1; 20]), [2; 20]).encode();
        bytes[19] = b'!';
        assert_eq!(Handshake::parse(&bytes), Err(NotAHandshake));
        assert_eq!(Handshake::parse(&[0; HANDSHAKE_LEN]), Err(NotAHandshake));
    }

    proptest! {
        #[test]
        fn parsing_and_encoding_round_trip(
            reserved: [u8; 8],
            info_hash: [u8; 20],
            peer_id: [u8; 20],
        ) {
            let handshake = Handshake { reserved, info_hash: InfoHash(info_hash), peer_id };
            prop_assert_eq!(Handshake::parse(&handshake.encode()), Ok(handshake));
        }
    }
}
