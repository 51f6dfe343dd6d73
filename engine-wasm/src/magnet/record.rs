//! What is written down about a magnet link, so that any engine that comes after can go on with it.

use std::net::SocketAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Pending, Status};
use crate::context::Context;
use crate::limits;
use crate::metainfo::{InfoHash, Magnet};

/// Where the links lie in the daemon's state.
pub(crate) const PREFIX: &str = "magnet/";
/// The form of the record; another one is not read.
const VERSION: u8 = 1;

/// Takes a link out of the daemon's state.
pub(crate) fn forget(info_hash: InfoHash, cx: &mut Context<'_>) {
    cx.write(key(info_hash), None);
}

/// Key of a link.
fn key(info_hash: InfoHash) -> String {
    format!("{PREFIX}{info_hash}")
}

/// What is written about a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The link.
    pub(crate) link: Magnet,
    /// When it was added.
    pub(crate) added: u64,
    /// Whether a person stopped it.
    pub(crate) paused: bool,
    /// Peers to begin with.
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
    /// The record as bytes.
    pub(crate) fn encode(&self) -> Bytes {
        let wire = Wire {
            version: VERSION,
            uri: self.link.to_string(),
            added: self.added,
            paused: self.paused,
            peers: self.peers.clone(),
        };
        Bytes::from(postcard::to_stdvec(&wire).expect("a record has a postcard form"))
    }

    /// A record from bytes, `None` when it is not one of this version.
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

impl Pending {
    /// Writes the link down.
    pub(crate) fn save(&self, cx: &mut Context<'_>) {
        let record = Record {
            link: self.link.clone(),
            added: self.added,
            paused: *self.aside.as_ref().unwrap_or(&self.status) == Status::Paused,
            peers: self.swarm.worth_keeping(limits::KEPT_PEERS),
        };
        let (key, value) = (key(self.link.info_hash), record.encode());
        cx.write(key, Some(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_and_rubbish_is_not() {
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
