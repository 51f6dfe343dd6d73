//! The stored record of a magnet link, from which a later engine continues.

use std::net::SocketAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::metainfo::{InfoHash, Magnet};

/// Prefix of the records' keys in the daemon's state store.
pub(crate) const PREFIX: &str = "magnet/";
/// Version of the record's format; other versions are not read.
const VERSION: u8 = 1;

/// Deletes the record of a link.
pub(crate) fn forget(info_hash: InfoHash, cx: &mut Context<'_>) {
    cx.write(key(info_hash), None);
}

/// The key of a link's record.
fn key(info_hash: InfoHash) -> String {
    format!("{PREFIX}{info_hash}")
}

/// The stored state of a magnet link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The link.
    pub(crate) link: Magnet,
    /// The number of its addition, which orders torrents.
    pub(crate) added: u64,
    /// Whether the user paused it.
    pub(crate) paused: bool,
    /// Peers to dial first.
    pub(crate) peers: Vec<SocketAddr>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    version: u8,
    uri: String,
    added: u64,
    paused: bool,
    peers: Vec<SocketAddr>,
}

impl Record {
    /// Encodes the record.
    fn encode(&self) -> Bytes {
        let wire = Wire {
            version: VERSION,
            uri: self.link.to_string(),
            added: self.added,
            paused: self.paused,
            peers: self.peers.clone(),
        };
        Bytes::from(postcard::to_stdvec(&wire).expect("a record has a postcard form"))
    }

    /// Stores the record.
    pub(crate) fn save(&self, cx: &mut Context<'_>) {
        cx.write(key(self.link.info_hash), Some(self.encode()));
    }

    /// Decodes a record; `None` if it is not of this version.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let wire: Wire = postcard::from_bytes(bytes).ok()?;
        let link = Magnet::parse(&wire.uri).ok()?;
        (wire.version == VERSION).then_some(Self {
            link,
            added: wire.added,
            paused: wire.paused,
            peers: wire.peers,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_round_trips_and_garbage_is_refused() {
        let link =
            format!("magnet:?xt=urn:btih:{}&dn=Name&tr=http://t/a&x.pe=1.2.3.4:5", "ab".repeat(20));
        let link = Magnet::parse(&link).unwrap();
        let record = Record {
            link,
            added: 7,
            paused: true,
            peers: vec![SocketAddr::from(([1, 2, 3, 4], 5))],
        };
        let bytes = record.encode();
        assert_eq!(Record::decode(&bytes), Some(record));
        (0..bytes.len()).for_each(|length| {
            assert_eq!(Record::decode(&bytes[..length]), None, "cut to {length}")
        });
        assert_eq!(Record::decode(&[&[VERSION + 1], &bytes[1..]].concat()), None);
    }
}
