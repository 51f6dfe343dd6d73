//! Our own address as trackers report it (BEP 24), one vote each.
//!
//! Owns the votes and their bound. A single tracker may lie, so the majority of the latest votes
//! counts. The result only orders peers (BEP 40) and predicts the order that peers compute about
//! us.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Votes kept for each address family.
const VOTES: usize = 16;

/// The votes about our own addresses.
#[derive(Debug, Default)]
pub(crate) struct External {
    v4: VecDeque<Ipv4Addr>,
    v6: VecDeque<Ipv6Addr>,
}

impl External {
    /// Adds a vote for this address; ignores addresses that can't exist on the internet.
    pub(crate) fn add_vote(&mut self, address: IpAddr) {
        match address.to_canonical() {
            IpAddr::V4(v4) if !v4.is_unspecified() && !v4.is_loopback() && !v4.is_multicast() => {
                push(&mut self.v4, v4)
            }
            IpAddr::V6(v6) if !v6.is_unspecified() && !v6.is_loopback() && !v6.is_multicast() => {
                push(&mut self.v6, v6)
            }
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
    }

    /// Our IPv4 address, according to most votes.
    pub(crate) fn v4(&self) -> Option<Ipv4Addr> {
        most(&self.v4)
    }

    /// Our IPv6 address, according to most votes.
    pub(crate) fn v6(&self) -> Option<Ipv6Addr> {
        most(&self.v6)
    }
}

fn push<T>(votes: &mut VecDeque<T>, vote: T) {
    if votes.len() >= VOTES {
        votes.pop_front();
    }
    votes.push_back(vote);
}

/// The address with most votes; among equals the one that was voted for last.
fn most<T: Copy + PartialEq>(votes: &VecDeque<T>) -> Option<T> {
    votes.iter().max_by_key(|vote| votes.iter().filter(|other| other == vote).count()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_majority_of_the_latest_votes_counts() {
        let mut external = External::default();
        assert_eq!((external.v4(), external.v6()), (None, None));
        for address in [
            "192.0.2.1",
            "192.0.2.2",
            "::ffff:192.0.2.1",
            "127.0.0.1",
            "0.0.0.0",
            "2001:db8::1",
            "::1",
        ] {
            external.add_vote(address.parse().unwrap());
        }
        assert_eq!(external.v4(), Some(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(external.v6(), Some("2001:db8::1".parse().unwrap()));
        (0..VOTES).for_each(|_| external.add_vote("192.0.2.9".parse().unwrap()));
        assert_eq!(external.v4(), Some(Ipv4Addr::new(192, 0, 2, 9)));
        assert_eq!(external.v4.len(), VOTES);
    }
}
