//! A tracker that names the peers that a test gives it.
//!
//! An open tracker also names the peers that announce themselves. Its [`Front`] is the protocol.

mod http;
mod register;
mod udp;

use std::net::SocketAddr;

use anyhow::Result;
use tokio::task::JoinHandle;

use register::{Register, SharedRegister};

/// The protocol of a tracker.
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
    /// Starts an HTTP tracker on a free port. It names no peer yet.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start() -> Result<Self> {
        Self::serve(Front::Http, Register::default()).await
    }

    /// Starts a tracker that also names every peer that announces, for any torrent.
    ///
    /// # Errors
    /// As [`Tracker::start`].
    pub async fn open(front: Front) -> Result<Self> {
        Self::serve(front, Register { is_open: true, ..Register::default() }).await
    }

    async fn serve(front: Front, register: Register) -> Result<Self> {
        let register = SharedRegister::new(register);
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

    /// How many announces came.
    pub fn announces(&self) -> u32 {
        self.register.lock().announces
    }

    /// The peers that announced themselves to an open tracker and did not leave.
    pub fn announced(&self) -> Vec<SocketAddr> {
        self.register.lock().announced.iter().copied().collect()
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.answering.abort();
    }
}
