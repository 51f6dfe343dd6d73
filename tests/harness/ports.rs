//! Ports for programs that can neither choose one nor tell which they took.
//!
//! A port that the system chose and that was given back may go to the next program that asks. So
//! these lie below the range from which systems choose (Linux: 32768 and up), and no port is
//! reserved twice in one process.

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};

/// The first of the ports that are reserved.
const FIRST: u32 = 10_240;
/// How many there are.
const COUNT: u32 = 20_000;

/// A port of 127.0.0.1 at which nobody listens, neither on TCP nor on UDP.
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
        // Held until the end, unless another test was quicker.
        let _held = TcpListener::bind(("127.0.0.1", busy));
        let others: Vec<u16> = (0..10).map(|_| reserve().unwrap()).collect();
        assert!(!others.contains(&first) && !others.contains(&busy), "{first} {busy} {others:?}");
    }
}
