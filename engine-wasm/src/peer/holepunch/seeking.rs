//! Our requests for introductions: how often, to which relay, and which answers are expected.
//!
//! Knows relays by their connection ids and sends nothing. Invariant: each address is requested at
//! most [`MOST_TRIES`] times until a peer is reached there, each time from another relay if
//! possible; at most [`MAX_SOUGHT`] addresses are remembered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use shared_proto::ConnId;

use crate::time::Instant;

/// Maximum number of remembered addresses: more than fail before one may be requested again.
const MAX_SOUGHT: usize = 200;
/// Number of requests per address: a router opens at the first attempts or never.
const MOST_TRIES: usize = 3;
/// Minimum time between two requests for an address: the length of two dials.
const PAUSE: Duration = Duration::from_secs(30);
/// How long an answer to a request is accepted.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug)]
struct Sought {
    relay: ConnId,
    at: Instant,
    tries: usize,
    answered: bool,
}

/// All requests for introductions.
#[derive(Debug, Default)]
pub(crate) struct Seeking {
    sought: BTreeMap<SocketAddr, Sought>,
}

impl Seeking {
    /// Chooses the relay to ask for an address that can't be dialled. `None` if it is too early to
    /// ask, if no relay is known, or if enough were asked.
    ///
    /// The candidates are connected peers that know a peer at the address.
    pub(crate) fn ask(
        &mut self,
        addr: SocketAddr,
        relays: &[ConnId],
        now: Instant,
    ) -> Option<ConnId> {
        let known = self.sought.get(&addr);
        if known.is_some_and(|sought| now < sought.at + PAUSE) {
            return None;
        }
        self.ask_next(addr, relays, now)
    }

    /// A relay refused. Returns another relay to ask at once, if there is one.
    pub(crate) fn refused(
        &mut self,
        addr: SocketAddr,
        by: ConnId,
        relays: &[ConnId],
        now: Instant,
    ) -> Option<ConnId> {
        let sought =
            self.sought.get_mut(&addr).filter(|sought| sought.relay == by && !sought.answered)?;
        sought.answered = true;
        let others: Vec<ConnId> = relays.iter().copied().filter(|relay| *relay != by).collect();
        self.ask_next(addr, &others, now)
    }

    /// Returns whether a `connect` message answers a request of ours. Each request has one answer.
    ///
    /// The relay may know the peer's port better than we do.
    pub(crate) fn is_answer(&mut self, addr: SocketAddr, by: ConnId, now: Instant) -> bool {
        let is_asked = |(known, sought): &(&SocketAddr, &mut Sought)| {
            known.ip() == addr.ip()
                && sought.relay == by
                && !sought.answered
                && now < sought.at + PATIENCE
        };
        let Some((_, sought)) = self.sought.iter_mut().find(is_asked) else { return false };
        sought.answered = true;
        true
    }

    /// A peer at this address was reached.
    pub(crate) fn found(&mut self, addr: SocketAddr) {
        self.sought.retain(|known, _| known.ip() != addr.ip());
    }

    /// Forgets all requests, because all connections are gone.
    pub(crate) fn clear(&mut self) {
        self.sought.clear();
    }

    fn ask_next(&mut self, addr: SocketAddr, relays: &[ConnId], now: Instant) -> Option<ConnId> {
        let tries = self.sought.get(&addr).map_or(0, |sought| sought.tries);
        if tries >= MOST_TRIES || relays.is_empty() {
            return None;
        }
        if self.sought.len() >= MAX_SOUGHT && !self.sought.contains_key(&addr) {
            let eldest =
                self.sought.iter().min_by_key(|(_, sought)| sought.at).map(|(&addr, _)| addr);
            eldest.map(|addr| self.sought.remove(&addr));
        }
        let relay = relays[tries % relays.len()];
        self.sought.insert(addr, Sought { relay, at: now, tries: tries + 1, answered: false });
        Some(relay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(host: u16) -> SocketAddr {
        let [high, low] = host.to_be_bytes();
        SocketAddr::from(([203, 0, high, low], 6881))
    }

    fn at(seconds: u64) -> Instant {
        Instant(0) + Duration::from_secs(seconds)
    }

    fn relays(numbers: &[u64]) -> Vec<ConnId> {
        numbers.iter().copied().map(ConnId).collect()
    }

    /// Checks which relay is asked for one address at these seconds, with these candidates.
    fn check(numbers: &[u64], seconds: &[u64], expected: &[Option<u64>]) {
        let mut seeking = Seeking::default();
        let asked =
            seconds.iter().map(|&second| seeking.ask(addr(1), &relays(numbers), at(second)));
        let asked: Vec<Option<u64>> = asked.map(|relay| relay.map(|relay| relay.0)).collect();
        assert_eq!(asked, expected, "{numbers:?} at {seconds:?}");
    }

    #[test]
    fn an_address_is_requested_a_few_times_from_different_relays() {
        check(&[], &[0], &[None]);
        check(&[7], &[0, 29, 30, 60, 90, 9999], &[Some(7), None, Some(7), Some(7), None, None]);
        check(&[7, 8], &[0, 30, 60], &[Some(7), Some(8), Some(7)]);
    }

    #[test]
    fn after_a_refusal_another_relay_is_asked_at_once() {
        let mut seeking = Seeking::default();
        let both = relays(&[7, 8]);
        assert_eq!(seeking.refused(addr(1), ConnId(7), &both, at(0)), None, "it was not asked");
        seeking.ask(addr(1), &both, at(0));
        assert_eq!(
            seeking.refused(addr(1), ConnId(8), &both, at(1)),
            None,
            "another one was asked"
        );
        assert_eq!(seeking.refused(addr(1), ConnId(7), &both, at(1)), Some(ConnId(8)));
        assert_eq!(
            seeking.refused(addr(1), ConnId(8), &relays(&[8]), at(2)),
            None,
            "there is no other"
        );
        assert_eq!(seeking.refused(addr(1), ConnId(8), &both, at(2)), None, "once");
    }

    #[test]
    fn an_answer_counts_once_from_the_asked_relay_and_in_time() {
        let mut seeking = Seeking::default();
        seeking.ask(addr(1), &relays(&[7]), at(0));
        assert!(
            !seeking.is_answer(addr(2), ConnId(7), at(1))
                && !seeking.is_answer(addr(1), ConnId(8), at(1))
        );
        let elsewhere = SocketAddr::new(addr(1).ip(), 7);
        assert!(seeking.is_answer(elsewhere, ConnId(7), at(1)));
        assert!(!seeking.is_answer(addr(1), ConnId(7), at(1)));
        seeking.ask(addr(1), &relays(&[7]), at(40));
        assert!(!seeking.is_answer(addr(1), ConnId(7), at(55)));
    }

    #[test]
    fn a_reached_address_may_be_requested_again() {
        let mut seeking = Seeking::default();
        for second in [0, 30, 60] {
            seeking.ask(addr(1), &relays(&[7]), at(second));
        }
        seeking.found(SocketAddr::new(addr(1).ip(), 9));
        assert_eq!(seeking.ask(addr(1), &relays(&[7]), at(61)), Some(ConnId(7)));
    }

    #[test]
    fn the_number_of_addresses_is_bounded_and_the_oldest_is_dropped() {
        let mut seeking = Seeking::default();
        for host in 0..300 {
            assert!(seeking.ask(addr(host), &relays(&[7]), at(u64::from(host))).is_some());
        }
        assert_eq!(seeking.sought.len(), MAX_SOUGHT);
        assert!(seeking.sought.contains_key(&addr(299)) && !seeking.sought.contains_key(&addr(99)));
    }
}
