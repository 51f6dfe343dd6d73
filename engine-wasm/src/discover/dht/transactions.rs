//! Outstanding queries: matches responses to queries and detects late ones.
//!
//! Invariant: a response counts only if it comes from the queried address with the query's
//! transaction ID, which is random; at most [`MAX_PENDING`] queries are outstanding.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use rand::{Rng, RngExt};

use super::node_id::NodeId;
use crate::time::Instant;

/// Most outstanding queries of one network.
pub(crate) const MAX_PENDING: usize = 512;
/// A query without a response for this long is slow. The search continues without it.
pub(crate) const SLOW_AFTER: Duration = Duration::from_secs(2);
/// A query without a response for this long is lost.
pub(crate) const LOST_AFTER: Duration = Duration::from_secs(8);

/// The purpose of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Check that a node is alive.
    Ping,
    /// The search with this number.
    Search(u64),
    /// Announce us to a node.
    Announce,
}

/// An outstanding query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    /// The queried address.
    pub(crate) to: SocketAddr,
    /// The node ID that is expected there.
    pub(crate) expected: Option<NodeId>,
    /// The purpose.
    pub(crate) purpose: Purpose,
    sent: Instant,
    slow: bool,
}

impl Pending {
    fn deadline(&self) -> Instant {
        self.sent + if self.slow { LOST_AFTER } else { SLOW_AFTER }
    }
}

/// A query that has exceeded a time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    /// The query may still be answered.
    Slow(Pending),
    /// The query was removed.
    Lost(Pending),
}

/// The outstanding queries of one network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transactions {
    pending: BTreeMap<u16, Pending>,
    deadlines: BTreeSet<(Instant, u16)>,
}

impl Transactions {
    /// Returns whether another query may be sent.
    pub(crate) fn has_room(&self) -> bool {
        self.pending.len() < MAX_PENDING
    }

    /// Returns the number of outstanding queries for a purpose.
    pub(crate) fn count(&self, purpose: Purpose) -> usize {
        self.pending.values().filter(|pending| pending.purpose == purpose).count()
    }

    /// Returns whether this address has an outstanding query.
    pub(crate) fn is_asking(&self, addr: SocketAddr) -> bool {
        self.pending.values().any(|pending| pending.to == addr)
    }

    /// Adds a query and returns its transaction ID; `None` if there is no room.
    pub(crate) fn begin(
        &mut self,
        to: SocketAddr,
        expected: Option<NodeId>,
        purpose: Purpose,
        rng: &mut impl Rng,
        now: Instant,
    ) -> Option<[u8; 2]> {
        if !self.has_room() {
            return None;
        }
        let number = std::iter::repeat_with(|| rng.random::<u16>())
            .find(|number| !self.pending.contains_key(number))?;
        let pending = Pending { to, expected, purpose, sent: now, slow: false };
        self.deadlines.insert((pending.deadline(), number));
        self.pending.insert(number, pending);
        Some(number.to_be_bytes())
    }

    /// Removes and returns the query that a response belongs to, if there is one.
    pub(crate) fn end(&mut self, from: SocketAddr, number: &[u8]) -> Option<Pending> {
        let number = u16::from_be_bytes(number.try_into().ok()?);
        self.pending.get(&number).filter(|pending| pending.to == from)?;
        let pending = self.pending.remove(&number)?;
        self.deadlines.remove(&(pending.deadline(), number));
        Some(pending)
    }

    /// Returns the next late query.
    pub(crate) fn poll_late(&mut self, now: Instant) -> Option<Late> {
        let &(deadline, number) =
            self.deadlines.first().filter(|(deadline, _)| *deadline <= now)?;
        self.deadlines.remove(&(deadline, number));
        let pending = self.pending.get_mut(&number).expect("each deadline belongs to a query");
        if pending.slow {
            return self.pending.remove(&number).map(Late::Lost);
        }
        pending.slow = true;
        self.deadlines.insert((pending.deadline(), number));
        Some(Late::Slow(*pending))
    }

    /// Returns when the next query becomes late.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Removes all queries.
    pub(crate) fn clear(&mut self) {
        self.pending.clear();
        self.deadlines.clear();
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    fn at(seconds: u64) -> Instant {
        Instant(0) + Duration::from_secs(seconds)
    }

    fn begin(transactions: &mut Transactions, seed: u64, port: u16) -> Option<[u8; 2]> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        transactions.begin(addr(port), None, Purpose::Ping, &mut rng, at(0))
    }

    #[test]
    fn only_the_queried_address_may_answer_and_only_once() {
        let mut transactions = Transactions::default();
        let number = begin(&mut transactions, 1, 1).unwrap();
        assert_eq!(transactions.end(addr(2), &number), None);
        assert_eq!(transactions.end(addr(1), b"xyz"), None);
        assert_eq!(transactions.end(addr(1), &[number[0], !number[1]]), None);
        assert_eq!(transactions.end(addr(1), &number).map(|pending| pending.to), Some(addr(1)));
        assert_eq!(transactions.end(addr(1), &number), None);
        assert_eq!(transactions.next_deadline(), None);
    }

    #[test]
    fn a_query_becomes_slow_and_then_lost() {
        let mut transactions = Transactions::default();
        let number = begin(&mut transactions, 1, 1).unwrap();
        assert_eq!(transactions.next_deadline(), Some(at(2)));
        assert_eq!(transactions.poll_late(at(1)), None);
        assert!(matches!(transactions.poll_late(at(2)), Some(Late::Slow(_))));
        assert_eq!((transactions.poll_late(at(7)), transactions.is_asking(addr(1))), (None, true));
        assert!(matches!(transactions.poll_late(at(8)), Some(Late::Lost(_))));
        assert_eq!(transactions.end(addr(1), &number), None);
    }

    #[test]
    fn transaction_ids_differ_and_are_limited() {
        let mut transactions = Transactions::default();
        let first = begin(&mut transactions, 1, 1);
        assert_ne!(
            first,
            begin(&mut transactions, 1, 2),
            "the same random value yields another number"
        );
        let more = (0..).take_while(|seed| begin(&mut transactions, *seed, 3).is_some()).count();
        assert_eq!(more, MAX_PENDING - 2);
    }
}
