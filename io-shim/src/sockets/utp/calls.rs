//! Calls for connections (SYN, BEP 29) that nobody has answered, so that each can be repeated as it
//! was, or taken back.
//!
//! librqbit-utp 0.7 calls once, and dialling again through it opens a connection of another number.
//! Whoever was only slow to answer would hold all of them for the same peer's, of whom some clients
//! let in one, and wait on the first, which nobody speaks on. Knows no connection but by its
//! datagrams. Invariant: only what is being dialled is remembered.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{HEADER, RESET, STATE, SYN, VERSION};

/// A datagram that calls, or takes a call back.
pub(super) type Call = [u8; HEADER];

/// All that are under way.
#[derive(Default)]
pub(super) struct Calls(Mutex<HashMap<SocketAddr, Dialled>>);

#[derive(Default)]
struct Dialled {
    dials: usize,
    unanswered: Vec<Call>,
}

impl Calls {
    /// An address is being dialled.
    pub(super) fn begin(&self, addr: SocketAddr) {
        self.lock().entry(addr).or_default().dials += 1;
    }

    /// A datagram of ours goes out.
    pub(super) fn sent(&self, to: SocketAddr, datagram: &[u8]) {
        if let Some(&call) = datagram.first_chunk::<HEADER>().filter(|call| call[0] >> 4 == SYN)
            && let Some(dialled) = self.lock().get_mut(&to)
        {
            dialled.unanswered.push(call);
        }
    }

    /// A datagram came.
    pub(super) fn heard(&self, from: SocketAddr, datagram: &[u8]) {
        if let Some(answer) =
            datagram.first_chunk::<HEADER>().filter(|answer| answer[0] >> 4 == STATE)
            && let Some(dialled) = self.lock().get_mut(&from)
        {
            // It bears the call's number, and acknowledges its segment.
            dialled
                .unanswered
                .retain(|call| call[2..4] != answer[2..4] || call[16..18] != answer[18..20]);
        }
    }

    /// What may be repeated for an address.
    pub(super) fn unanswered(&self, addr: SocketAddr) -> Vec<Call> {
        self.lock().get(&addr).map(|dialled| dialled.unanswered.clone()).unwrap_or_default()
    }

    /// An address is dialled no more, as often as it was. What takes the calls back that are left.
    pub(super) fn end(&self, addr: SocketAddr) -> Vec<Call> {
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
            .map(taking_back)
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Dialled>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever was called hears by the number above the call's.
fn taking_back(call: Call) -> Call {
    let mut reset = [0; HEADER];
    reset[0] = RESET << 4 | VERSION;
    reset[2..4]
        .copy_from_slice(&u16::from_be_bytes([call[2], call[3]]).wrapping_add(1).to_be_bytes());
    reset[16..18].copy_from_slice(&call[16..18]);
    reset
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// By its type, number, segment and what it acknowledges.
    fn datagram(kind: u8, id: u16, seq: u16, ack: u16) -> Call {
        let mut datagram = [0; HEADER];
        datagram[0] = kind << 4 | VERSION;
        for (at, number) in [(2, id), (16, seq), (18, ack)] {
            datagram[at..at + 2].copy_from_slice(&number.to_be_bytes());
        }
        datagram
    }

    #[test]
    fn a_call_is_repeated_as_it_was_until_it_is_answered() {
        let calls = Calls::default();
        let call = datagram(SYN, 0xffff, 7, 0);
        calls.begin(addr(1));
        calls.sent(addr(1), &call);
        for other in
            [datagram(STATE, 0xffff, 1, 8), datagram(STATE, 3, 1, 7), datagram(0, 0xffff, 1, 7)]
        {
            calls.heard(addr(1), &other);
            assert_eq!(calls.unanswered(addr(1)), [call]);
        }
        calls.heard(addr(2), &datagram(STATE, 0xffff, 1, 7));
        assert_eq!(calls.unanswered(addr(1)), [call], "an answer of somebody else's");
        calls.heard(addr(1), &datagram(STATE, 0xffff, 1, 7));
        assert_eq!(calls.unanswered(addr(1)), [] as [Call; 0]);
        assert_eq!(calls.end(addr(1)), [] as [Call; 0], "there is nothing to take back");
    }

    #[test]
    fn what_was_not_answered_is_taken_back_with_the_last_dial() {
        let calls = Calls::default();
        calls.begin(addr(1));
        calls.begin(addr(1));
        calls.sent(addr(1), &datagram(SYN, 0xffff, 7, 0));
        assert_eq!(calls.end(addr(1)), [] as [Call; 0]);
        assert_eq!(calls.end(addr(1)), [datagram(RESET, 0, 7, 0)]);
        assert_eq!(calls.end(addr(1)), [] as [Call; 0]);
    }

    #[test]
    fn only_calls_are_remembered_and_only_while_somebody_dials() {
        let calls = Calls::default();
        calls.sent(addr(1), &datagram(SYN, 1, 7, 0));
        calls.begin(addr(1));
        calls.sent(addr(1), &datagram(STATE, 1, 7, 0));
        calls.sent(addr(1), &[0x41; 7]);
        assert_eq!(calls.unanswered(addr(1)), [] as [Call; 0]);
        calls.end(addr(1));
        assert!(calls.lock().is_empty());
    }
}
