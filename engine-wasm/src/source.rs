//! Where blocks come from: what is asked for a block, and what answers for its bytes.
//!
//! A connection ends, and a web seed's request too; the sender that they stand for remains. So a
//! block is asked of a [`Source`], and a wrong one is blamed on a [`Sender`].

use std::net::SocketAddr;

use shared_proto::ConnId;

/// A web seed of a torrent, numbered in the order in which the torrent named them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebSeedId(pub u32);

/// A host of web seeds of a torrent. All web seeds of one host answer for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebHostId(pub u32);

/// What a block can be asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The peer of a connection.
    Peer(ConnId),
    /// A web seed.
    WebSeed(WebSeedId),
}

/// What answers for the bytes of a block.
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
