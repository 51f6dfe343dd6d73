//! Whom we asked for an introduction to whom: how often, how soon again, and which answers were
//! asked for.
//!
//! Knows relays by the numbers of their connections and sends nothing. Invariant: an address is
//! asked for at most [`MOST_TRIES`] times before somebody was reached there, each time at another
//! relay if there is one, and at most [`MAX_SOUGHT`] addresses are remembered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use shared_proto::ConnId;

use crate::time::Instant;

/// Addresses remembered: more than fail in the time in which one is asked for again.
const MAX_SOUGHT: usize = 200;
/// Times that an address is asked for: routers that can be opened so are opened at once, and other
/// ones never.
const MOST_TRIES: usize = 3;
/// Least time between two of them: so long a dial lasts, there and back.
const PAUSE: Duration = Duration::from_secs(30);
/// How long an answer counts as one.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug)]
struct Sought {
    relay: ConnId,
    at: Instant,
    tries: usize,
    answered: bool,
}

/// All that we asked for.
#[derive(Debug, Default)]
pub(crate) struct Seeking {
    sought: BTreeMap<SocketAddr, Sought>,
}

impl Seeking {
    /// An address can't be dialled, and these connected peers know who is there: which of them is
    /// to be asked, if it is time.
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

    /// A relay refused. Another one is asked at once, if there is one.
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

    /// A relay says that we are to connect to this address: whether we asked it to, once. It may
    /// know the port better than we do.
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

    /// Somebody was reached there.
    pub(crate) fn found(&mut self, addr: SocketAddr) {
        self.sought.retain(|known, _| known.ip() != addr.ip());
    }

    /// Nobody is connected any more.
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

    /// Who is asked for one address at these seconds, when so many could be.
    fn check(numbers: &[u64], seconds: &[u64], expected: &[Option<u64>]) {
        let mut seeking = Seeking::default();
        let asked =
            seconds.iter().map(|&second| seeking.ask(addr(1), &relays(numbers), at(second)));
        let asked: Vec<Option<u64>> = asked.map(|relay| relay.map(|relay| relay.0)).collect();
        assert_eq!(asked, expected, "{numbers:?} at {seconds:?}");
    }

    #[test]
    fn an_address_is_asked_for_some_times_of_one_after_the_other() {
        check(&[], &[0], &[None]);
        check(&[7], &[0, 29, 30, 60, 90, 9999], &[Some(7), None, Some(7), Some(7), None, None]);
        check(&[7, 8], &[0, 30, 60], &[Some(7), Some(8), Some(7)]);
    }

    #[test]
    fn when_one_refuses_another_is_asked_at_once() {
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
    fn an_answer_counts_once_from_the_one_who_was_asked_and_not_for_long() {
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
    fn who_was_reached_may_be_asked_for_anew() {
        let mut seeking = Seeking::default();
        for second in [0, 30, 60] {
            seeking.ask(addr(1), &relays(&[7]), at(second));
        }
        seeking.found(SocketAddr::new(addr(1).ip(), 9));
        assert_eq!(seeking.ask(addr(1), &relays(&[7]), at(61)), Some(ConnId(7)));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_eldest_gives_way() {
        let mut seeking = Seeking::default();
        for host in 0..300 {
            assert!(seeking.ask(addr(host), &relays(&[7]), at(u64::from(host))).is_some());
        }
        assert_eq!(seeking.sought.len(), MAX_SOUGHT);
        assert!(seeking.sought.contains_key(&addr(299)) && !seeking.sought.contains_key(&addr(99)));
    }
}
