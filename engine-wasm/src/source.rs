//! The origins of blocks: the source of a request, and the sender responsible for the bytes.
//!
//! Connections and web-seed requests end, but the sender behind them remains. So a block is
//! requested from a [`Source`], and wrong bytes are blamed on a [`Sender`].

use std::net::SocketAddr;

use shared_proto::ConnId;

/// A web seed of a torrent, numbered in the order of the torrent's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebSeedId(pub u32);

/// A host of web seeds of a torrent. All web seeds of one host share the blame for wrong data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebHostId(pub u32);

/// The source from which a block can be requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The peer of a connection.
    Peer(ConnId),
    /// A web seed.
    WebSeed(WebSeedId),
}

/// The sender responsible for the bytes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sender {
    /// The peer at an address.
    Peer(SocketAddr),
    /// A host of web seeds.
    WebHost(WebHostId),
}

impl From<ConnId> for Source {
    fn from(conn: ConnId) -> Self {
        Self::Peer(conn)
    }
}

impl From<SocketAddr> for Sender {
    fn from(addr: SocketAddr) -> Self {
        Self::Peer(addr)
    }
}
