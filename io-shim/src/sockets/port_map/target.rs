//! What is asked of a router, with which timeouts.

use std::time::Duration;

/// Timeouts and intervals of port mapping.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Wait for the first answer to a datagram. It doubles with each of two repetitions.
    pub first_wait: Duration,
    /// How long to search for a router with UPnP.
    pub search: Duration,
    /// The lifetime to ask for.
    pub lease: Duration,
    /// The shortest time before the router is asked again.
    pub least: Duration,
    /// When to ask again after an error.
    pub retry: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_millis(250),
            search: Duration::from_secs(3),
            lease: Duration::from_secs(3_600),
            least: Duration::from_secs(30),
            retry: Duration::from_secs(300),
        }
    }
}

/// The protocol of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

/// A local port, wanted as an external one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(crate) transport: Transport,
    pub(crate) port: u16,
}
