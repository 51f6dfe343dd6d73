//! A tracker that names the peers it was given, to everybody; an open one names who announces, too.
//! How it talks is its front's affair.

mod http;
mod udp;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::Result;
use tokio::task::JoinHandle;

/// How a tracker talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// BEP 3, with the compact peers of BEP 23.
    Http,
    /// BEP 15.
    Udp,
}

/// A running tracker; dropping it stops it.
#[derive(Debug)]
pub struct Tracker {
    front: Front,
    address: SocketAddr,
    register: SharedRegister,
    answering: JoinHandle<()>,
}

impl Tracker {
    /// An HTTP tracker on a free port. It names nobody yet.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start() -> Result<Self> {
        Self::serve(Front::Http, Register::default()).await
    }

    /// One that also names everybody who announces, whatever the torrent.
    ///
    /// # Errors
    /// As [`Tracker::start`].
    pub async fn open(front: Front) -> Result<Self> {
        Self::serve(front, Register { is_open: true, ..Register::default() }).await
    }

    async fn serve(front: Front, register: Register) -> Result<Self> {
        let register = SharedRegister(Arc::new(Mutex::new(register)));
        let (address, answering) = match front {
            Front::Http => http::serve(register.clone()).await?,
            Front::Udp => udp::serve(register.clone()).await?,
        };
        Ok(Self { front, address, register, answering })
    }

    /// The announce URL.
    pub fn url(&self) -> String {
        let scheme = match self.front {
            Front::Http => "http",
            Front::Udp => "udp",
        };
        format!("{scheme}://{}/announce", self.address)
    }

    /// Names these peers from now on.
    pub fn name(&self, peers: impl IntoIterator<Item = SocketAddr>) {
        self.register.lock().given = peers.into_iter().collect();
    }

    /// How often somebody announced.
    pub fn announces(&self) -> u32 {
        self.register.lock().announces
    }

    /// Who announced to an open one, and did not leave since.
    pub fn announced(&self) -> Vec<SocketAddr> {
        self.register.lock().announced.iter().copied().collect()
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

/// The peers that a tracker names.
#[derive(Debug, Default)]
struct Register {
    given: Vec<SocketAddr>,
    announced: BTreeSet<SocketAddr>,
    announces: u32,
    /// Whether those who announce are named.
    is_open: bool,
}

/// The same register at a tracker and at its front.
#[derive(Clone, Debug)]
struct SharedRegister(Arc<Mutex<Register>>);

impl SharedRegister {
    fn lock(&self) -> MutexGuard<'_, Register> {
        self.0.lock().expect("nobody panics while holding it")
    }

    /// Somebody announces itself, or takes its leave; the others.
    fn announce(&self, who: SocketAddr, leaves: bool) -> Vec<SocketAddr> {
        let mut register = self.lock();
        register.announces += 1;
        if leaves {
            register.announced.remove(&who);
        } else if register.is_open && who.port() != 0 {
            register.announced.insert(who);
        }
        let others: BTreeSet<SocketAddr> =
            register.given.iter().chain(&register.announced).copied().collect();
        others.into_iter().filter(|other| *other != who || register.given.contains(other)).collect()
    }
}

/// IPv4 peers as trackers write them: four bytes of address, two of port.
fn compact(peers: &[SocketAddr]) -> Vec<u8> {
    let mut compact = Vec::new();
    for peer in peers {
        if let SocketAddr::V4(peer) = peer {
            compact.extend_from_slice(&peer.ip().octets());
            compact.extend_from_slice(&peer.port().to_be_bytes());
        }
    }
    compact
}
