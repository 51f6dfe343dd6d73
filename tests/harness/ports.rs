//! Ports for programs that can't choose a free port and report it.
//!
//! The system may give a released port to the next program that asks for any port. So reserved
//! ports lie below the range from which systems choose (Linux: 32768 and up), and one process
//! reserves no port twice.

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};

/// The first port of the range.
const FIRST: u32 = 10_240;
/// How many ports the range has.
const COUNT: u32 = 20_000;

/// Reserves a port of 127.0.0.1 that is free on TCP and UDP.
///
/// # Errors
/// Every port is taken.
pub fn reserve() -> Result<u16> {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    // Processes that run side by side begin at different ports.
    let begin = std::process::id().wrapping_mul(197);
    let mut ports = (0..COUNT).map(|_| {
        let turn = begin.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        u16::try_from(FIRST + turn % COUNT).expect("below 65536")
    });
    let is_free = |port: &u16| {
        TcpListener::bind(("127.0.0.1", *port)).is_ok()
            && UdpSocket::bind(("127.0.0.1", *port)).is_ok()
    };
    ports.find(is_free).context("a free port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_reserved_twice_or_while_it_is_in_use() {
        let first = reserve().unwrap();
        let next = u32::from(first) - FIRST + 1;
        let busy = u16::try_from(FIRST + next % COUNT).unwrap();
        // Stays bound until the end; binding fails if another test has the port.
        let _held = TcpListener::bind(("127.0.0.1", busy));
        let others: Vec<u16> = (0..10).map(|_| reserve().unwrap()).collect();
        assert!(!others.contains(&first) && !others.contains(&busy), "{first} {busy} {others:?}");
    }
}
