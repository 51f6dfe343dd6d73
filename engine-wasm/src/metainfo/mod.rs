//! What a `.torrent` file says: bencoding in ([`bencode`]) and out ([`encode`]), the fields ([`torrent`]), links to
//! torrents ([`magnet`]), and names that are safe to write to a disk ([`sanitise`]).

pub mod bencode;
pub mod encode;
pub mod magnet;
pub mod sanitise;
#[cfg(test)]
pub(crate) mod testing;
pub mod torrent;

use std::fmt;
use std::str::FromStr;

pub use magnet::{Magnet, MagnetError};
pub use torrent::{File, Metainfo, MetainfoError};

/// The SHA-1 of a torrent's info dictionary: its name in the world (BEP 3).
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
    fn an_info_hash_is_written_and_read_as_40_hex_digits() {
        let hash = InfoHash(std::array::from_fn(|at| u8::try_from(at * 13).unwrap()));
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(hash.to_string().to_uppercase().parse(), Ok(hash));
        for bad in ["", "00", &"g".repeat(40), &"0".repeat(41), &"é".repeat(20)] {
            assert_eq!(bad.parse::<InfoHash>(), Err(BadInfoHash), "{bad}");
        }
    }
}
