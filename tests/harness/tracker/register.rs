//! The peers that a tracker knows, and how it writes their addresses.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

/// The peers that a tracker names.
#[derive(Debug, Default)]
pub(super) struct Register {
    /// Peers that the test gave; every answer names them.
    pub(super) given: Vec<SocketAddr>,
    /// Peers that announced themselves to an open tracker and did not leave.
    pub(super) announced: BTreeSet<SocketAddr>,
    /// How many announces came.
    pub(super) announces: u32,
    /// Whether answers name peers that announced themselves.
    pub(super) is_open: bool,
}

/// One register, shared by a tracker and its protocol.
#[derive(Clone, Debug)]
pub(super) struct SharedRegister(Arc<Mutex<Register>>);

impl SharedRegister {
    pub(super) fn new(register: Register) -> Self {
        Self(Arc::new(Mutex::new(register)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Register> {
        self.0.lock().expect("nobody panics while holding it")
    }

    /// Notes that a peer announces itself, or leaves, and returns the other peers.
    pub(super) fn announce(&self, peer: SocketAddr, leaves: bool) -> Vec<SocketAddr> {
        let mut register = self.lock();
        register.announces += 1;
        if leaves {
            register.announced.remove(&peer);
        } else if register.is_open && peer.port() != 0 {
            register.announced.insert(peer);
        }
        let known: BTreeSet<SocketAddr> =
            register.given.iter().chain(&register.announced).copied().collect();
        let is_named = |other: &SocketAddr| *other != peer || register.given.contains(other);
        known.into_iter().filter(is_named).collect()
    }
}

/// IPv4 peers in compact form: four bytes of address, two of port (BEP 23).
pub(super) fn compact(peers: &[SocketAddr]) -> Vec<u8> {
    let mut compact = Vec::new();
    for peer in peers {
        if let SocketAddr::V4(peer) = peer {
            compact.extend_from_slice(&peer.ip().octets());
            compact.extend_from_slice(&peer.port().to_be_bytes());
        }
    }
    compact
}
