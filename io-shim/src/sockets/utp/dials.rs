//! Unanswered SYNs (BEP 29), so that each can be repeated exactly, or reset.
//!
//! librqbit-utp 0.7 sends one SYN, and dialling again opens a connection with another number. A
//! slow peer would then take all of them for connections of one peer, of which some clients accept
//! only one; it would wait on the first, which this side has abandoned. Identifies connections by
//! their datagrams only. Invariant: only addresses that are being dialled are remembered.

use std::{collections::HashMap, net::SocketAddr};

use super::packet::{HEADER, RESET, STATE, SYN, VERSION};
use parking_lot::{Mutex, MutexGuard};

/// A SYN, or the reset of one.
pub(super) type Syn = [u8; HEADER];

/// All addresses that are being dialled.
#[derive(Default)]
pub(super) struct Dials(Mutex<HashMap<SocketAddr, Dialled>>);

#[derive(Default)]
struct Dialled {
    dials: usize,
    unanswered: Vec<Syn>,
}

impl Dials {
    /// An address is being dialled.
    pub(super) fn begin(&self, addr: SocketAddr) {
        self.lock().entry(addr).or_default().dials += 1;
    }

    /// Looks at an outgoing datagram.
    pub(super) fn sent(&self, to: SocketAddr, datagram: &[u8]) {
        if let Some(&syn) = datagram.first_chunk::<HEADER>().filter(|syn| syn[0] >> 4 == SYN)
            && let Some(dialled) = self.lock().get_mut(&to)
        {
            dialled.unanswered.push(syn);
        }
    }

    /// Looks at a received datagram.
    pub(super) fn heard(&self, from: SocketAddr, datagram: &[u8]) {
        if let Some(answer) =
            datagram.first_chunk::<HEADER>().filter(|answer| answer[0] >> 4 == STATE)
            && let Some(dialled) = self.lock().get_mut(&from)
        {
            // It has the SYN's number and acknowledges its segment.
            dialled
                .unanswered
                .retain(|syn| syn[2..4] != answer[2..4] || syn[16..18] != answer[18..20]);
        }
    }

    /// The SYNs to an address that may be repeated.
    pub(super) fn unanswered(&self, addr: SocketAddr) -> Vec<Syn> {
        self.lock().get(&addr).map(|dialled| dialled.unanswered.clone()).unwrap_or_default()
    }

    /// Ends one dial of an address. After the last one, returns the resets of its unanswered SYNs.
    pub(super) fn end(&self, addr: SocketAddr) -> Vec<Syn> {
        let mut known = self.lock();
        let Some(dialled) = known.get_mut(&addr) else { return Vec::new() };
        dialled.dials -= 1;
        if dialled.dials > 0 {
            return Vec::new();
        }
        known
            .remove(&addr)
            .into_iter()
            .flat_map(|dialled| dialled.unanswered)
            .map(reset_of)
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Dialled>> {
        self.0.lock()
    }
}

/// The peer expects the number above the SYN's.
fn reset_of(syn: Syn) -> Syn {
    let mut reset = [0; HEADER];
    reset[0] = RESET << 4 | VERSION;
    reset[2..4]
        .copy_from_slice(&u16::from_be_bytes([syn[2], syn[3]]).wrapping_add(1).to_be_bytes());
    reset[16..18].copy_from_slice(&syn[16..18]);
    reset
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// A datagram with this type, number, segment and acknowledgement.
    fn datagram(kind: u8, id: u16, seq: u16, ack: u16) -> Syn {
        let mut datagram = [0; HEADER];
        datagram[0] = kind << 4 | VERSION;
        for (at, number) in [(2, id), (16, seq), (18, ack)] {
            datagram[at..at + 2].copy_from_slice(&number.to_be_bytes());
        }
        datagram
    }

    #[test]
    fn a_call_is_repeated_as_it_was_until_it_is_answered() {
        let dials = Dials::default();
        let syn = datagram(SYN, 0xffff, 7, 0);
        dials.begin(addr(1));
        dials.sent(addr(1), &syn);
        for other in
            [datagram(STATE, 0xffff, 1, 8), datagram(STATE, 3, 1, 7), datagram(0, 0xffff, 1, 7)]
        {
            dials.heard(addr(1), &other);
            assert_eq!(dials.unanswered(addr(1)), [syn]);
        }
        dials.heard(addr(2), &datagram(STATE, 0xffff, 1, 7));
        assert_eq!(dials.unanswered(addr(1)), [syn], "an answer from another address");
        dials.heard(addr(1), &datagram(STATE, 0xffff, 1, 7));
        assert_eq!(dials.unanswered(addr(1)), [] as [Syn; 0]);
        assert_eq!(dials.end(addr(1)), [] as [Syn; 0], "there is nothing to take back");
    }

    #[test]
    fn what_was_not_answered_is_taken_back_with_the_last_dial() {
        let dials = Dials::default();
        dials.begin(addr(1));
        dials.begin(addr(1));
        dials.sent(addr(1), &datagram(SYN, 0xffff, 7, 0));
        assert_eq!(dials.end(addr(1)), [] as [Syn; 0]);
        assert_eq!(dials.end(addr(1)), [datagram(RESET, 0, 7, 0)]);
        assert_eq!(dials.end(addr(1)), [] as [Syn; 0]);
    }

    #[test]
    fn only_calls_are_remembered_and_only_while_somebody_dials() {
        let dials = Dials::default();
        dials.sent(addr(1), &datagram(SYN, 1, 7, 0));
        dials.begin(addr(1));
        dials.sent(addr(1), &datagram(STATE, 1, 7, 0));
        dials.sent(addr(1), &[0x41; 7]);
        assert_eq!(dials.unanswered(addr(1)), [] as [Syn; 0]);
        dials.end(addr(1));
        assert!(dials.lock().is_empty());
    }
}
