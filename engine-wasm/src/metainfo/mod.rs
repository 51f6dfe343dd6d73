//! The metadata of torrents: `.torrent` files, magnet links and info hashes.
//!
//! [`bencode`] and [`encode`] read and write the syntax, [`torrent`] reads `.torrent` files,
//! [`magnet`] reads magnet links, [`merkle`] computes hash trees (BEP 52), and [`sanitise`] turns
//! names into safe file names.

pub mod bencode;
pub mod encode;
pub mod magnet;
pub mod merkle;
pub(crate) mod sanitise;
#[cfg(test)]
pub(crate) mod testing;
pub mod torrent;

use std::fmt;
use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

pub use magnet::{Magnet, MagnetError};
pub use torrent::{File, Metainfo, MetainfoError, Version};

/// A torrent's 20-byte identifier.
///
/// The SHA-1 of the info dictionary (BEP 3), or the first 20 bytes of its SHA-256 for a torrent
/// that is known by its v2 hash only (BEP 52).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHash(pub [u8; 20]);

impl fmt::Display for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InfoHash({self})")
    }
}

/// The error for a text that is not 40 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an info hash is 40 hex digits")]
pub struct BadInfoHash;

impl FromStr for InfoHash {
    type Err = BadInfoHash;

    fn from_str(text: &str) -> Result<Self, BadInfoHash> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(BadInfoHash)
    }
}

/// The SHA-256 of a torrent's info dictionary (BEP 52).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHashV2(pub merkle::Hash);

impl InfoHashV2 {
    /// Returns the first 20 bytes, which handshakes, trackers and the DHT use (BEP 52).
    pub(crate) fn truncated(&self) -> InfoHash {
        InfoHash(*self.0.first_chunk().expect("32 bytes are more than 20"))
    }
}

impl fmt::Display for InfoHashV2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for InfoHashV2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InfoHashV2({self})")
    }
}

/// The known hashes of one torrent. One of them is the key that the engine uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The hash by which the engine identifies the torrent.
    pub key: InfoHash,
    /// The v2 hash, if it is known.
    pub v2: Option<InfoHashV2>,
}

impl Identity {
    /// Returns whether this info dictionary has all of these hashes.
    pub(crate) fn is_hash_of(&self, info: &[u8]) -> bool {
        let v2 = self.v2.map(|v2| (v2, InfoHashV2(Sha256::digest(info).into())));
        let is_keyed = match v2 {
            Some((v2, _)) if v2.truncated() == self.key => true,
            _ => *Sha1::digest(info) == self.key.0,
        };
        is_keyed && v2.is_none_or(|(named, is)| named == is)
    }

    /// Returns whether a handshake with this hash is for this torrent.
    ///
    /// A peer may answer with the truncated v2 hash of a hybrid (BEP 52).
    pub fn matches(&self, info_hash: InfoHash) -> bool {
        self.key == info_hash || self.v2.is_some_and(|v2| v2.truncated() == info_hash)
    }
}

impl From<InfoHash> for Identity {
    fn from(key: InfoHash) -> Self {
        Self { key, v2: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_matches_only_if_all_known_hashes_match() {
        let info = b"d4:name1:xe";
        let (v1, v2) =
            (InfoHash(Sha1::digest(info).into()), InfoHashV2(Sha256::digest(info).into()));
        let other = InfoHashV2([1; 32]);
        for (key, v2, expected) in [
            (v1, None, true),
            (v1, Some(v2), true),
            (v1, Some(other), false),
            (v2.truncated(), Some(v2), true),
            (v2.truncated(), None, false),
            (other.truncated(), Some(other), false),
            (other.truncated(), Some(v2), false),
        ] {
            assert_eq!(Identity { key, v2 }.is_hash_of(info), expected, "{key} {v2:?}");
        }
        let hybrid = Identity { key: v1, v2: Some(v2) };
        assert!(
            hybrid.matches(v1)
                && hybrid.matches(v2.truncated())
                && !hybrid.matches(other.truncated())
        );
        assert!(!Identity::from(v1).matches(v2.truncated()));
    }

    #[test]
    fn an_info_hash_is_written_and_read_as_40_hex_digits() {
        let hash = InfoHash(std::array::from_fn(|at| u8::try_from(at * 13).unwrap()));
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(hash.to_string().to_uppercase().parse(), Ok(hash));
        for bad in ["", "00", &"g".repeat(40), &"0".repeat(41), &"é".repeat(20)] {
            assert_eq!(bad.parse::<InfoHash>(), Err(BadInfoHash), "{bad}");
        }
    }
}
