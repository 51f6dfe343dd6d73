//! What the DHT reports about searches.

use std::net::SocketAddr;

use shared_proto::io::Family;

use crate::metainfo::InfoHash;

/// An event of the DHT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Peers of a torrent. One search returns no peer twice.
    Peers {
        /// The torrent.
        info_hash: InfoHash,
        /// The peers' addresses.
        peers: Vec<SocketAddr>,
    },
    /// A search ended in one of the two networks.
    Searched {
        /// The torrent.
        info_hash: InfoHash,
        /// The network.
        family: Family,
        /// The number of peers that it found.
        peers: usize,
    },
}
