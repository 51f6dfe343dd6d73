//! Determines our public IP address from what other nodes report (BEP 42).
//!
//! Invariant: each machine has one vote, and at most [`MAX_VOTES`] votes count at once.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use crate::addresses::{is_local, machine};

/// Number of votes that count at once: the latest.
const MAX_VOTES: usize = 32;
/// Number of votes that must agree; they must also be the majority.
const QUORUM: usize = 8;

/// The votes.
#[derive(Clone, Debug, Default)]
pub(super) struct Votes {
    /// Voter and reported address, the oldest first.
    votes: VecDeque<(IpAddr, IpAddr)>,
}

impl Votes {
    /// Counts a vote. Votes for local addresses and from local nodes are ignored.
    pub(super) fn add(&mut self, from: SocketAddr, seen_as: SocketAddr) {
        if is_local(from.ip()) || is_local(seen_as.ip()) || from.is_ipv4() != seen_as.is_ipv4() {
            return;
        }
        let from = machine(from.ip());
        self.votes.retain(|(voter, _)| *voter != from);
        self.votes.push_back((from, seen_as.ip()));
        if self.votes.len() > MAX_VOTES {
            self.votes.pop_front();
        }
    }

    /// Returns the address that enough votes agree on.
    pub(super) fn result(&self) -> Option<IpAddr> {
        let mut counts = BTreeMap::new();
        self.votes.iter().for_each(|(_, ip)| *counts.entry(*ip).or_insert(0) += 1);
        let (ip, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        (count >= QUORUM && 2 * count > self.votes.len()).then_some(ip)
    }

    /// Removes all votes.
    pub(super) fn clear(&mut self) {
        self.votes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the result of these votes: last byte of the voter, last byte of the reported address.
    fn check(votes: impl IntoIterator<Item = (u8, u8)>, expected: Option<u8>) {
        let mut result = Votes::default();
        for (from, seen) in votes {
            result.add(
                SocketAddr::from(([1, 1, 1, from], 1)),
                SocketAddr::from(([2, 2, 2, seen], 1)),
            );
        }
        assert_eq!(result.result(), expected.map(|seen| IpAddr::from([2, 2, 2, seen])));
    }

    #[test]
    fn many_votes_count_and_few_do_not() {
        check((1..=7).map(|from| (from, 1)), None);
        check((1..=8).map(|from| (from, 1)), Some(1));
        check((1..=16).map(|from| (from, from % 2)), None);
        check((1..=100).map(|from| (from, u8::from(from > 60))), Some(1));
    }

    #[test]
    fn a_machine_has_one_vote() {
        check((1..=40).map(|_| (1, 1)), None);
    }

    #[test]
    fn local_addresses_have_no_vote() {
        let mut votes = Votes::default();
        for from in 1..=20 {
            votes.add(SocketAddr::from(([10, 0, 0, from], 1)), SocketAddr::from(([2, 2, 2, 2], 1)));
            votes.add(SocketAddr::from(([1, 1, 1, from], 1)), SocketAddr::from(([10, 0, 0, 1], 1)));
        }
        assert_eq!(votes.result(), None);
    }
}
