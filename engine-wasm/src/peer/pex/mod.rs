//! The messages of peer exchange (BEP 11, `ut_pex`).
//!
//! Owns their form and its bounds; `exchange` decides what is sent to and accepted from one peer,
//! and the torrent decides which peers are worth naming. Invariant: a message has at most
//! [`MAX_FIRST`] added and as many dropped peers, whatever a peer sends.

pub(crate) mod exchange;
pub(super) mod state;

use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use crate::addresses::{compact_v4, compact_v6};
use crate::metainfo::bencode::{self, BencodeError, Value};
use crate::metainfo::encode::Dict;

/// The extension's name in extension handshakes.
pub const EXTENSION: &str = "ut_pex";
/// The message id that we assign to the extension.
pub(crate) const OUR_ID: u8 = 2;
/// Maximum number of added peers in a message, and of dropped peers (BEP 11). Both families count
/// together.
pub(crate) const MAX_NAMED: usize = 50;
/// The same for the first message to a peer, which may be longer.
pub const MAX_FIRST: usize = 100;

/// The flags of a peer (BEP 11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// Is a seed: uploads only.
    pub(crate) const SEED: Self = Self(0x02);
    /// Supports uTP.
    pub(crate) const UTP: Self = Self(0x04);
    /// Supports hole punching (BEP 55).
    pub(crate) const HOLEPUNCH: Self = Self(0x08);
    /// Was reached at this address.
    pub(crate) const OUTGOING: Self = Self(0x10);

    /// Adds these flags if `is_so`.
    #[must_use]
    pub fn with(self, other: Self, is_so: bool) -> Self {
        if is_so { Self(self.0 | other.0) } else { self }
    }

    /// Whether all these bits are set.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// One message: the changes since the previous one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PexMessage {
    /// Added peers with their flags.
    pub added: Vec<(SocketAddr, Flags)>,
    /// Dropped peers.
    pub dropped: Vec<SocketAddr>,
}

/// Why a payload is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PexError {
    /// The payload is not bencoded.
    #[error("a peer exchange message can't be read: {0}")]
    Bencode(#[from] BencodeError),
    /// The payload is not a dictionary.
    #[error("a peer exchange message is not a dictionary")]
    NotADictionary,
}

impl PexMessage {
    /// Parses a payload.
    ///
    /// Fields of the wrong type count as absent; an incomplete address and everything beyond
    /// [`MAX_FIRST`] are ignored.
    ///
    /// # Errors
    /// [`PexError`]: the peer does not speak the extension.
    pub fn parse(payload: &[u8]) -> Result<Self, PexError> {
        let document = bencode::parse_prefix(payload)?;
        let root = document.root();
        if root.dict().is_none() {
            return Err(PexError::NotADictionary);
        }
        let field = |key: &str| root.get(key).and_then(Value::bytes).unwrap_or_default();
        let flagged =
            |flags: &str, at: usize| Flags(field(flags).get(at).copied().unwrap_or_default());
        let v4 =
            compact_v4(field("added")).enumerate().map(|(at, addr)| (addr, flagged("added.f", at)));
        let v6 = compact_v6(field("added6"))
            .enumerate()
            .map(|(at, addr)| (addr, flagged("added6.f", at)));
        Ok(Self {
            added: v4.chain(v6).take(MAX_FIRST).collect(),
            dropped: compact_v4(field("dropped"))
                .chain(compact_v6(field("dropped6")))
                .take(MAX_FIRST)
                .collect(),
        })
    }

    /// Encodes the payload. Empty fields are omitted, except those that every reader expects.
    pub fn encode(&self) -> Vec<u8> {
        let of = |v6: bool| move |addr: &SocketAddr| addr.is_ipv6() == v6;
        let mut dict = Dict::new();
        for (v6, added, flags, dropped) in
            [(false, "added", "added.f", "dropped"), (true, "added6", "added6.f", "dropped6")]
        {
            let came: Vec<&(SocketAddr, Flags)> =
                self.added.iter().filter(|(addr, _)| of(v6)(addr)).collect();
            let went: Vec<SocketAddr> = self.dropped.iter().copied().filter(of(v6)).collect();
            if !v6 || !came.is_empty() {
                dict = dict.bytes(added, compact(came.iter().map(|(addr, _)| *addr)));
                dict =
                    dict.bytes(flags, came.iter().map(|(_, flags)| flags.0).collect::<Vec<u8>>());
            }
            if !v6 || !went.is_empty() {
                dict = dict.bytes(dropped, compact(went.into_iter()));
            }
        }
        dict.encode()
    }

    /// Whether the message has no changes.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.dropped.is_empty()
    }
}

fn compact(addrs: impl Iterator<Item = SocketAddr>) -> Vec<u8> {
    let mut out = Vec::new();
    for addr in addrs {
        match addr.ip() {
            IpAddr::V4(ip) => out.extend(ip.octets()),
            IpAddr::V6(ip) => out.extend(ip.octets()),
        }
        out.extend(addr.port().to_be_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn check(payload: &[u8], added: &[(&str, u8)], dropped: &[&str]) {
        let message = PexMessage {
            added: added.iter().map(|&(text, flags)| (addr(text), Flags(flags))).collect(),
            dropped: dropped.iter().map(|text| addr(text)).collect(),
        };
        assert_eq!(PexMessage::parse(payload), Ok(message), "{}", String::from_utf8_lossy(payload));
    }

    #[test]
    fn a_message_of_libtorrent_is_parsed() {
        let payload = b"d5:added12:\x01\x02\x03\x04\x1a\xe1\x05\x06\x07\x08\x00\x50\
            7:added.f2:\x12\x01\
            6:added618:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1\
            8:added6.f1:\x04\
            7:dropped6:\x09\x08\x07\x06\x00\x01\
            8:dropped60:e";
        let added = [("1.2.3.4:6881", 0x12), ("5.6.7.8:80", 1), ("[2001:db8::1]:6881", 4)];
        check(payload, &added, &["9.8.7.6:1"]);
        assert!(Flags(0x12).has(Flags::SEED) && !Flags(0x12).has(Flags::UTP));
    }

    #[test]
    fn flags_may_be_missing_and_incomplete_addresses_are_ignored() {
        check(b"d5:added8:\x01\x02\x03\x04\x1a\xe1\x05\x06e", &[("1.2.3.4:6881", 0)], &[]);
        check(b"d5:addedi7e7:droppedlee", &[], &[]);
        check(b"detrailing", &[], &[]);
        assert_eq!(PexMessage::parse(b"le"), Err(PexError::NotADictionary));
        assert!(matches!(PexMessage::parse(b"d5:added9:"), Err(PexError::Bencode(_))));
    }

    #[test]
    fn an_empty_message_has_the_fields_that_readers_expect() {
        assert_eq!(PexMessage::default().encode(), b"d5:added0:7:added.f0:7:dropped0:e");
        assert!(PexMessage::default().is_empty());
    }

    #[test]
    fn a_flood_of_addresses_is_truncated() {
        let many: Vec<u8> = (0..60_000).map(|byte: u32| byte.to_be_bytes()[3]).collect();
        let payload = Dict::new()
            .bytes("added", &many)
            .bytes("added6", &many)
            .bytes("dropped", &many)
            .encode();
        let message = PexMessage::parse(&payload).unwrap();
        assert_eq!((message.added.len(), message.dropped.len()), (MAX_FIRST, MAX_FIRST));
    }

    fn address() -> impl Strategy<Value = SocketAddr> {
        let v4 = any::<([u8; 4], u16)>().prop_map(SocketAddr::from);
        prop_oneof![v4, any::<([u8; 16], u16)>().prop_map(SocketAddr::from)]
    }

    proptest! {
        #[test]
        fn messages_round_trip(
            added in prop::collection::vec((address(), any::<u8>()), 0..MAX_NAMED),
            dropped in prop::collection::vec(address(), 0..MAX_NAMED),
        ) {
            let added: Vec<_> =
                added.into_iter().map(|(addr, flags)| (addr, Flags(flags))).collect();
            let mut message = PexMessage { added, dropped };
            let read = PexMessage::parse(&message.encode()).unwrap();
            // The encoding separates the families.
            message.added.sort_by_key(|(addr, _)| addr.is_ipv6());
            message.dropped.sort_by_key(SocketAddr::is_ipv6);
            prop_assert_eq!(read, message);
        }

        #[test]
        fn no_payload_panics(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            cut in any::<prop::sample::Index>(),
        ) {
            let _ = PexMessage::parse(&bytes);
            let mut real =
                PexMessage { added: vec![(addr("1.2.3.4:5"), Flags(1))], dropped: Vec::new() }
                    .encode();
            real.truncate(cut.index(real.len()));
            let _ = PexMessage::parse(&real);
        }
    }
}
