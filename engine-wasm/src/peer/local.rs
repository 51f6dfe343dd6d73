//! Our end of a connection: what peers are told of us, which ways are open, and how a connection
//! begins.

use std::net::SocketAddr;

use bytes::Bytes;

use super::way::Ways;
use crate::addresses::Families;

/// What every peer is told of us, and the ways in which we may dial.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local {
    /// Our name in handshakes.
    pub(crate) peer_id: [u8; 20],
    /// Our addresses as others see them, with the port at which we are reached.
    pub(crate) own: [Option<SocketAddr>; 2],
    /// The port at which others reach us.
    pub(crate) port: Option<u16>,
    /// Whether we run a DHT node.
    pub(crate) has_dht_node: bool,
    /// The UDP port at which our DHT node answers others.
    pub(crate) dht_port: Option<u16>,
    /// The ways to a peer that the settings allow.
    pub(crate) ways: Ways,
    /// The families over which uTP can dial.
    pub(crate) utp: Families,
    /// Whether any socket speaks uTP.
    pub(crate) has_utp: bool,
    /// Whether nobody can be dialled before the sockets are open.
    pub(crate) awaits_sockets: bool,
    /// Whether peers may name peers (BEP 11).
    pub(crate) pex: bool,
}

/// How a connection that is open begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// With the handshake: read this many bytes.
    Plain(usize),
    /// With an encrypted handshake that carries ours.
    Encrypted(Option<Bytes>),
}

impl Local {
    /// The ways by which an address may be dialled now.
    pub(crate) fn ways_to(&self, addr: SocketAddr) -> Ways {
        Ways { utp: self.ways.utp && self.utp.include(addr), ..self.ways }
    }

    /// Whether hole punching can work: it needs uTP, because a router lets in what answers a
    /// datagram, and not what answers a TCP connection to somebody else.
    pub(crate) fn can_punch(&self) -> bool {
        self.pex && self.ways.utp && self.has_utp
    }
}
