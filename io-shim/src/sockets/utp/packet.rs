//! Numbers of uTP's packets (BEP 29).

use std::time::Duration;

/// Shortest datagram: a header without extensions (BEP 29).
pub(super) const HEADER: usize = 20;
/// Version of the protocol.
pub(super) const VERSION: u8 = 1;
// Types of packets.
pub(super) const DATA: u8 = 0;
pub(super) const FIN: u8 = 1;
pub(super) const STATE: u8 = 2;
pub(super) const RESET: u8 = 3;
pub(super) const SYN: u8 = 4;
/// A connection ends after this time without a packet. It is longer than any protocol's keep-alive.
/// A peer that owes an acknowledgement is given up much sooner, by retransmissions.
pub(super) const SILENCE: Duration = Duration::from_secs(180);
