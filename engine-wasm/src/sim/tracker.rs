//! A simulated UDP tracker (BEP 15), which can lose datagrams.

use std::collections::BTreeSet;
use std::net::SocketAddr;

/// A UDP tracker.
#[derive(Debug, Default)]
pub(super) struct UdpTracker {
    /// The peers that it returns, filtered by address family.
    pub(super) peers: Vec<SocketAddr>,
    /// Number of datagrams to lose first.
    pub(super) loses: u32,
    /// Whether every answer has a wrong transaction id.
    pub(super) lies: bool,
    /// The received events in order: 0 none, 1 completed, 2 started, 3 stopped.
    pub(super) events: Vec<u32>,
    /// The announced ports, in order.
    pub(super) ports: Vec<u16>,
    /// Scraped torrents.
    pub(super) scrapes: u32,
    /// Received options (BEP 41).
    pub(super) options: BTreeSet<Vec<u8>>,
    pub(super) connections: u64,
}

impl UdpTracker {
    pub(super) fn naming(peers: &[SocketAddr]) -> Self {
        Self { peers: peers.to_vec(), ..Self::default() }
    }

    /// Returns the answer to a datagram.
    pub(super) fn receive(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        if self.loses > 0 {
            self.loses -= 1;
            return None;
        }
        let word = |at: usize| u32::from_be_bytes(data[at..at + 4].try_into().expect("four bytes"));
        let connection = u64::from(word(0)) << 32 | u64::from(word(4));
        let (action, transaction) = (word(8), word(12) ^ u32::from(self.lies));
        let mut answer = [action.to_be_bytes(), transaction.to_be_bytes()].concat();
        if action == 0 {
            assert_eq!((connection, data.len()), (0x0417_2710_1980, 16), "the protocol's number");
            self.connections += 1;
            answer.extend((self.connections << 8).to_be_bytes());
            return Some(answer);
        }
        assert_eq!(connection, self.connections << 8, "what was agreed on");
        let numbers: [u32; 3] = if action == 1 { [60, 7, 9] } else { [9, 1, 7] };
        answer.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        if action == 1 {
            self.events.push(word(80));
            self.ports.push(u16::from_be_bytes([data[96], data[97]]));
            self.options.insert(data[98..].to_vec());
            for peer in &self.peers {
                match peer.ip() {
                    std::net::IpAddr::V4(ip) => answer.extend(ip.octets()),
                    std::net::IpAddr::V6(ip) => answer.extend(ip.octets()),
                }
                answer.extend(peer.port().to_be_bytes());
            }
        } else {
            self.scrapes += 1;
        }
        Some(answer)
    }
}
