//! What a `.torrent` file says: bencoding in ([`bencode`]) and out ([`encode`]), the fields
//! ([`torrent`]), links to torrents ([`magnet`]), hash trees ([`merkle`]), and names that are safe
//! to write to a disk ([`sanitise`]).

pub mod bencode;
pub mod encode;
pub mod magnet;
pub mod merkle;
pub mod sanitise;
#[cfg(test)]
pub(crate) mod testing;
pub mod torrent;

use std::fmt;
use std::str::FromStr;

use sha1::{Digest as _, Sha1};
use sha2::Sha256;

pub use magnet::{Magnet, MagnetError};
pub use torrent::{File, Metainfo, MetainfoError, Version};

/// A torrent's name in the world: the SHA-1 of its info dictionary (BEP 3), or the first 20 bytes
/// of the SHA-256 where it is known by that alone (BEP 52).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHash(pub [u8; 20]);

impl fmt::Display for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InfoHash({self})")
    }
}

/// A text that is not 40 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an info hash is 40 hex digits")]
pub struct BadInfoHash;

impl FromStr for InfoHash {
    type Err = BadInfoHash;

    fn from_str(text: &str) -> Result<Self, BadInfoHash> {
        let digits: Option<Vec<u8>> = text.bytes().map(hex_digit).collect();
        let digits = digits.filter(|digits| digits.len() == 40).ok_or(BadInfoHash)?;
        Ok(Self(std::array::from_fn(|at| digits[2 * at] << 4 | digits[2 * at + 1])))
    }
}

/// The SHA-256 of a torrent's info dictionary (BEP 52).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHashV2(pub merkle::Hash);

impl InfoHashV2 {
    /// What stands for it where there are 20 bytes: in handshakes, at trackers and in the DHT.
    pub fn truncated(&self) -> InfoHash {
        InfoHash(*self.0.first_chunk().expect("32 bytes have 20"))
    }
}

impl fmt::Display for InfoHashV2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for InfoHashV2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InfoHashV2({self})")
    }
}

/// All that is known of a torrent's name: at least one of its two hashes, and under which of them
/// it is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The one that it is known by.
    pub key: InfoHash,
    /// The SHA-256, if that is known.
    pub v2: Option<InfoHashV2>,
}

impl Identity {
    /// Whether this is the info dictionary of that name.
    pub fn names(&self, info: &[u8]) -> bool {
        let v2 = self.v2.map(|v2| (v2, InfoHashV2(Sha256::digest(info).into())));
        let is_keyed = match v2 {
            Some((v2, _)) if v2.truncated() == self.key => true,
            _ => *Sha1::digest(info) == self.key.0,
        };
        is_keyed && v2.is_none_or(|(named, is)| named == is)
    }

    /// Whether a handshake with this hash is one for this torrent: a peer may answer with the hash
    /// of v2 (BEP 52).
    pub fn answers_to(&self, info_hash: InfoHash) -> bool {
        self.key == info_hash || self.v2.is_some_and(|v2| v2.truncated() == info_hash)
    }
}

impl From<InfoHash> for Identity {
    fn from(key: InfoHash) -> Self {
        Self { key, v2: None }
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_a_dictionary_when_all_of_its_hashes_are() {
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
            assert_eq!(Identity { key, v2 }.names(info), expected, "{key} {v2:?}");
        }
        let hybrid = Identity { key: v1, v2: Some(v2) };
        assert!(
            hybrid.answers_to(v1)
                && hybrid.answers_to(v2.truncated())
                && !hybrid.answers_to(other.truncated())
        );
        assert!(!Identity::from(v1).answers_to(v2.truncated()));
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
