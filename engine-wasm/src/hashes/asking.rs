//! Decides which peer to ask for which hashes of a torrent's trees.
//!
//! This module owns the outstanding requests and the recent refusals. It verifies nothing and sends
//! nothing. Invariant: at most one peer has a given request at a time, and no peer has more than
//! [`limits::HASH_REQUESTS`] requests. Requests are repeated without end: a peer that refused is
//! asked again after [`FORGIVE_AFTER`], other peers at once.

use std::collections::BTreeMap;
use std::time::Duration;

use shared_proto::ConnId;

use super::request::HashRequest;
use crate::limits;
use crate::time::Instant;

/// A request without an answer for this long counts as refused.
const LATE_AFTER: Duration = Duration::from_secs(5);
/// A refusal is forgotten after this time. The peer may have received the hashes meanwhile.
const FORGIVE_AFTER: Duration = Duration::from_secs(60);

/// The outstanding hash requests of one torrent.
#[derive(Debug, Default)]
pub(crate) struct Asking {
    underway: BTreeMap<HashRequest, (ConnId, Instant)>,
    refused: BTreeMap<(ConnId, HashRequest), Instant>,
}

impl Asking {
    /// Assigns needed requests to peers, and returns the new assignments.
    ///
    /// Earlier needs and earlier peers come first.
    pub(crate) fn plan(
        &mut self,
        needs: impl Iterator<Item = HashRequest>,
        peers: &[ConnId],
        now: Instant,
    ) -> Vec<(ConnId, HashRequest)> {
        self.expire(now);
        let mut room: Vec<(ConnId, usize)> =
            peers.iter().map(|&conn| (conn, self.room(conn))).collect();
        let mut plan = Vec::new();
        for need in needs {
            if room.iter().all(|(_, room)| *room == 0) {
                break;
            }
            if self.underway.contains_key(&need) {
                continue;
            }
            let willing = room
                .iter_mut()
                .find(|(conn, room)| *room > 0 && !self.refused.contains_key(&(*conn, need)));
            if let Some((conn, room)) = willing {
                *room -= 1;
                self.underway.insert(need, (*conn, now));
                plan.push((*conn, need));
            }
        }
        plan
    }

    /// Handles an answer. Returns false if this peer was not asked.
    pub(crate) fn answered(&mut self, conn: ConnId, request: &HashRequest) -> bool {
        let is_asked = self.underway.get(request).is_some_and(|(asked, _)| *asked == conn);
        if is_asked {
            self.underway.remove(request);
        }
        is_asked
    }

    /// Handles a reject: the peer will not answer.
    pub(crate) fn rejected(&mut self, conn: ConnId, request: &HashRequest, now: Instant) {
        if self.answered(conn, request) {
            self.refuse(conn, *request, now);
        }
    }

    /// Handles a closed connection.
    pub(crate) fn leave(&mut self, conn: ConnId) {
        self.underway.retain(|_, (asked, _)| *asked != conn);
        self.refused.retain(|(refused, _), _| *refused != conn);
    }

    fn expire(&mut self, now: Instant) {
        let is_late = |at: Instant| now.saturating_since(at) >= LATE_AFTER;
        let late: Vec<(ConnId, HashRequest)> = self
            .underway
            .iter()
            .filter(|(_, (_, at))| is_late(*at))
            .map(|(need, (conn, _))| (*conn, *need))
            .collect();
        late.iter().for_each(|(conn, need)| self.rejected(*conn, need, now));
        self.refused.retain(|_, at| now.saturating_since(*at) < FORGIVE_AFTER);
    }

    fn refuse(&mut self, conn: ConnId, request: HashRequest, now: Instant) {
        if self.refused.len() < limits::HASH_REFUSALS {
            self.refused.insert((conn, request), now);
        }
    }

    fn room(&self, conn: ConnId) -> usize {
        limits::HASH_REQUESTS
            .saturating_sub(self.underway.values().filter(|(asked, _)| *asked == conn).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ConnId = ConnId(1);
    const B: ConnId = ConnId(2);

    fn need(index: u32) -> HashRequest {
        HashRequest { root: [0; 32], base: 0, index, length: 2, proof_layers: 0 }
    }

    /// Checks the plan for this many needs, printed as `peer:index`.
    fn check(asking: &mut Asking, needs: u32, seconds: u64, expected: &str) {
        let plan = asking.plan((0..needs).map(need), &[A, B], Instant(seconds * 1_000_000));
        let plan: Vec<String> =
            plan.iter().map(|(conn, need)| format!("{conn}:{}", need.index)).collect();
        assert_eq!(plan.join(" "), expected);
    }

    #[test]
    fn each_need_is_requested_from_one_peer_within_its_limit() {
        let mut asking = Asking::default();
        check(&mut asking, 6, 0, "1:0 1:1 1:2 1:3 2:4 2:5");
        check(&mut asking, 6, 1, "");
        assert!(
            asking.answered(A, &need(1))
                && !asking.answered(A, &need(1))
                && !asking.answered(A, &need(4))
        );
        check(&mut asking, 9, 1, "1:1 2:6 2:7");
    }

    #[test]
    fn a_peer_that_rejects_or_is_silent_is_asked_again_later() {
        let mut asking = Asking::default();
        check(&mut asking, 1, 0, "1:0");
        asking.rejected(A, &need(0), Instant(0));
        check(&mut asking, 1, 1, "2:0");
        check(&mut asking, 1, 7, "");
        check(&mut asking, 1, 61, "1:0");
        asking.leave(A);
        check(&mut asking, 1, 62, "1:0");
    }
}
