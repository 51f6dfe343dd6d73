//! Our address as others see it (BEP 42): each answer says, and what many say is believed.
//!
//! Invariant: each machine has one voice, and at most [`VOICES`] are heard at once.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use crate::addresses::{is_local, machine};

/// Voices heard at once, the latest.
const VOICES: usize = 32;
/// So many must agree, and be more than half.
const ENOUGH: usize = 8;

/// What was said.
#[derive(Clone, Debug, Default)]
pub(super) struct Votes {
    /// Who said what, the oldest first.
    voices: VecDeque<(IpAddr, IpAddr)>,
}

impl Votes {
    /// Somebody says where we are. Local addresses say nothing, and whoever is in the local network
    /// sees no other.
    pub(super) fn hear(&mut self, from: SocketAddr, seen_as: SocketAddr) {
        if is_local(from.ip()) || is_local(seen_as.ip()) || from.is_ipv4() != seen_as.is_ipv4() {
            return;
        }
        let from = machine(from.ip());
        self.voices.retain(|(voice, _)| *voice != from);
        self.voices.push_back((from, seen_as.ip()));
        if self.voices.len() > VOICES {
            self.voices.pop_front();
        }
    }

    /// What enough say.
    pub(super) fn result(&self) -> Option<IpAddr> {
        let mut counts = BTreeMap::new();
        self.voices.iter().for_each(|(_, ip)| *counts.entry(*ip).or_insert(0) += 1);
        let (ip, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        (count >= ENOUGH && 2 * count > self.voices.len()).then_some(ip)
    }

    /// Asks anew.
    pub(super) fn clear(&mut self) {
        self.voices.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Voters by their last byte, each with the last byte of what it says.
    fn check(votes: impl IntoIterator<Item = (u8, u8)>, expected: Option<u8>) {
        let mut result = Votes::default();
        for (from, seen) in votes {
            result.hear(
                SocketAddr::from(([1, 1, 1, from], 1)),
                SocketAddr::from(([2, 2, 2, seen], 1)),
            );
        }
        assert_eq!(result.result(), expected.map(|seen| IpAddr::from([2, 2, 2, seen])));
    }

    #[test]
    fn many_are_believed_and_few_are_not() {
        check((1..=7).map(|from| (from, 1)), None);
        check((1..=8).map(|from| (from, 1)), Some(1));
        check((1..=16).map(|from| (from, from % 2)), None);
        check((1..=100).map(|from| (from, u8::from(from > 60))), Some(1));
    }

    #[test]
    fn a_machine_has_one_voice() {
        check((1..=40).map(|_| (1, 1)), None);
    }

    #[test]
    fn the_local_network_has_none() {
        let mut votes = Votes::default();
        for from in 1..=20 {
            votes
                .hear(SocketAddr::from(([10, 0, 0, from], 1)), SocketAddr::from(([2, 2, 2, 2], 1)));
            votes
                .hear(SocketAddr::from(([1, 1, 1, from], 1)), SocketAddr::from(([10, 0, 0, 1], 1)));
        }
        assert_eq!(votes.result(), None);
    }
}
