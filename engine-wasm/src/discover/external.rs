//! Our own address as others see it: what trackers say (BEP 24), one vote each.
//!
//! Owns the votes and their bound. A single stranger may lie, so what most of the last ones said
//! counts; it is used for nothing but an order among peers (BEP 40) and for what others compute
//! about us.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Votes kept of each family.
const VOTES: usize = 16;

/// What others say about where we are.
#[derive(Debug, Default)]
pub(crate) struct External {
    v4: VecDeque<Ipv4Addr>,
    v6: VecDeque<Ipv6Addr>,
}

impl External {
    /// Somebody says that this is our address. One that nobody on the internet can have is passed
    /// over.
    pub(crate) fn hear(&mut self, address: IpAddr) {
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

    /// Our IPv4 address, as most say.
    pub(crate) fn v4(&self) -> Option<Ipv4Addr> {
        most(&self.v4)
    }

    /// Our IPv6 address, as most say.
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

/// The one with most votes; among equals the one that was heard last.
fn most<T: Copy + PartialEq>(votes: &VecDeque<T>) -> Option<T> {
    votes.iter().max_by_key(|vote| votes.iter().filter(|other| other == vote).count()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_most_of_the_last_ones_say_counts() {
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
            external.hear(address.parse().unwrap());
        }
        assert_eq!(external.v4(), Some(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(external.v6(), Some("2001:db8::1".parse().unwrap()));
        (0..VOTES).for_each(|_| external.hear("192.0.2.9".parse().unwrap()));
        assert_eq!(external.v4(), Some(Ipv4Addr::new(192, 0, 2, 9)));
        assert_eq!(external.v4.len(), VOTES);
    }
}
