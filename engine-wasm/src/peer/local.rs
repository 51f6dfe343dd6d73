//! Our end of every connection: what peers learn about us, and how to dial.
//!
//! Also how an open connection begins.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::policy::ConnectionPolicy;
use crate::addresses::Families;

/// Our properties that peers learn, and the ways in which we may dial.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local {
    /// Our peer ID.
    pub(crate) peer_id: [u8; 20],
    /// Our own addresses as others see them, with our public port.
    pub(crate) own: [Option<SocketAddr>; 2],
    /// The port at which others reach us.
    pub(crate) port: Option<u16>,
    /// Whether we run a DHT node.
    pub(crate) has_dht_node: bool,
    /// The UDP port at which our DHT node answers queries.
    pub(crate) dht_port: Option<u16>,
    /// The allowed ways to connect.
    pub(crate) policy: ConnectionPolicy,
    /// The families over which uTP can dial.
    pub(crate) utp: Families,
    /// Whether any socket supports uTP.
    pub(crate) has_utp: bool,
    /// Whether dialling has to wait until the sockets are open.
    pub(crate) awaits_sockets: bool,
    /// Whether peer exchange is allowed (BEP 11).
    pub(crate) pex: bool,
    /// Shortest time between two peer exchange messages to a peer.
    pub(crate) pex_interval: Duration,
}

/// How a newly opened connection begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// With the handshake: read this many bytes.
    Plain(usize),
    /// With an encrypted handshake that carries ours.
    Encrypted(Option<Bytes>),
}

impl Local {
    /// The ways by which an address can be dialled now.
    pub(crate) fn policy_for(&self, addr: SocketAddr) -> ConnectionPolicy {
        ConnectionPolicy { utp: self.policy.utp && self.utp.include(addr), ..self.policy }
    }

    /// Whether hole punching can work.
    ///
    /// It needs uTP, because a router admits replies to a datagram, but no TCP connection from
    /// another address.
    pub(crate) fn can_punch(&self) -> bool {
        self.pex && self.policy.utp && self.has_utp
    }
}
