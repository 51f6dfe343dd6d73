//! The queue of incoming connections that wait for their Diffie–Hellman exchange.
//!
//! An exchange is the most expensive answer to a few bytes of a stranger. Invariant: at most
//! [`limits::EXCHANGES`] begin in each period, in the order in which they were requested.

use std::collections::VecDeque;

use shared_proto::ConnId;

use crate::limits;
use crate::time::Instant;

/// Who may begin an exchange, and when.
#[derive(Debug, Default)]
pub(super) struct Turns {
    waiting: VecDeque<ConnId>,
    /// Exchanges begun in the current period, and its start.
    begun: u32,
    since: Instant,
}

impl Turns {
    /// Returns whether a connection may begin its exchange now; otherwise it waits.
    pub(super) fn request(&mut self, conn: ConnId, now: Instant) -> bool {
        let may_begin = self.waiting.is_empty() && self.begin(now);
        if !may_begin && !self.waiting.contains(&conn) {
            self.waiting.push_back(conn);
        }
        may_begin
    }

    /// Takes the next connection that may begin its exchange now.
    pub(super) fn next(&mut self, now: Instant) -> Option<ConnId> {
        if self.waiting.is_empty() || !self.begin(now) {
            return None;
        }
        self.waiting.pop_front()
    }

    /// Removes a connection.
    pub(super) fn leave(&mut self, conn: ConnId) {
        self.waiting.retain(|other| *other != conn);
    }

    /// Removes all connections.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Returns when the first waiting connection may begin.
    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        let (_, period) = limits::EXCHANGES;
        (!self.waiting.is_empty()).then_some(self.since + period)
    }

    fn begin(&mut self, now: Instant) -> bool {
        let (most, period) = limits::EXCHANGES;
        if now.saturating_since(self.since) >= period {
            (self.begun, self.since) = (0, now);
        }
        let may_begin = self.begun < most;
        self.begun += u32::from(may_begin);
        may_begin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchanges_begin_in_order_and_a_few_in_each_period() {
        let (most, period) = limits::EXCHANGES;
        let (most, now) = (u64::from(most), Instant(0) + 2 * period);
        let mut turns = Turns::default();
        assert!((0..most).all(|conn| turns.request(ConnId(conn), now)));
        assert_eq!(turns.next_wakeup(), None);
        assert!((most..3 * most).all(|conn| !turns.request(ConnId(conn), now)));
        assert_eq!((turns.next_wakeup(), turns.next(now)), (Some(now + period), None));
        turns.leave(ConnId(most + 1));
        let mut all = Vec::new();
        for periods in 1..4 {
            let now = now + periods * period;
            all.push(std::iter::from_fn(|| turns.next(now)).map(|conn| conn.0).collect::<Vec<_>>());
        }
        let queued = [most].into_iter().chain(most + 2..3 * most).collect::<Vec<_>>();
        assert_eq!(all[0].len() as u64, most);
        assert_eq!((all.concat(), all[2].len()), (queued, 0));
        assert_eq!(turns.next_wakeup(), None);
    }

    #[test]
    fn a_late_request_does_not_overtake() {
        let (most, period) = limits::EXCHANGES;
        let mut turns = Turns::default();
        let begun = |turns: &mut Turns, conn: u32, at| turns.request(ConnId(conn.into()), at);
        let now = Instant(0) + period;
        assert!((0..most).all(|conn| begun(&mut turns, conn, now)));
        assert!(!begun(&mut turns, most, now) && !begun(&mut turns, most + 1, now + period));
        assert_eq!(turns.next(now + period), Some(ConnId(most.into())));
    }
}
