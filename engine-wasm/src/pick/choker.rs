//! Chooses the peers to unchoke (BEP 3, “choking”).
//!
//! Every ten seconds the upload slots go to the peers that sent most while we download, and to all
//! peers in turn while we seed. One slot is *optimistic*: it goes for thirty seconds to a peer that
//! earned no slot, three times as likely to a new one. A peer that then sends enough keeps a slot.
//! Free slots are assigned at once. This module knows byte counts only; its owner sends the
//! messages.
//!
//! Invariant: after a round at most `slots` interested peers have a slot.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use rand::{Rng, RngExt};
use shared_proto::ConnId;

use crate::time::Instant;

/// Time between two rounds (BEP 3).
pub(crate) const ROUND: Duration = Duration::from_secs(10);
/// How long a peer keeps the optimistic slot (BEP 3).
pub(crate) const OPTIMISTIC: Duration = Duration::from_secs(30);
/// How long a peer counts as new in the draw for the optimistic slot.
const NEW_FOR: Duration = Duration::from_secs(60);
/// How much likelier a new peer wins the draw (BEP 3).
const NEW_WEIGHT: u32 = 3;
/// Number of rounds over which rates are averaged: twenty seconds (BEP 3).
const MEAN_ROUNDS: usize = 2;
/// Download rate below which a peer earns no slot, in bytes per second.
const LEAST_BPS: u64 = 512;
/// How long a peer that sends nothing keeps a slot while others wait.
const TURN: Duration = Duration::from_secs(60);
/// How long a peer that takes nothing keeps a slot while others wait.
const IDLE_TURN: Duration = Duration::from_secs(20);

/// Slots without a rate limit: ten uploads saturate most connections.
const FREE_SLOTS: usize = 10;
/// Fewest slots: one earned and one optimistic.
const LEAST_SLOTS: usize = 2;
/// Most slots.
const MOST_SLOTS: usize = 50;

/// Returns the number of upload slots for a rate limit in bytes per second.
///
/// The limit is divided so that each peer gets a useful rate, by the rule of the original client.
pub(crate) fn slots(limit_bps: Option<u64>) -> usize {
    let Some(limit) = limit_bps else { return FREE_SLOTS };
    let earned = (limit / 1024).saturating_mul(6) / 10;
    usize::try_from(earned.isqrt())
        .unwrap_or(MOST_SLOTS)
        .saturating_add(1)
        .clamp(LEAST_SLOTS, MOST_SLOTS)
}

/// How the choker ranks peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// We download: peers that send most come first.
    Downloading,
    /// We seed: all peers get a slot in turn.
    Seeding,
}

/// The facts about one peer that the choker ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contender {
    /// The peer's connection.
    pub(crate) conn: ConnId,
    /// Whether the peer is interested in our pieces.
    pub(crate) interested: bool,
    /// Whether the peer owes us blocks and sends none.
    pub(crate) snubs: bool,
    /// Bytes received from the peer so far.
    pub(crate) received: u64,
    /// Bytes sent to the peer so far.
    pub(crate) sent: u64,
}

/// Byte counts at the start of a round.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Instant,
    received: u64,
    sent: u64,
}

/// What the choker remembers about one peer.
#[derive(Debug)]
struct Standing {
    came: Instant,
    /// Byte counts of the last rounds, the oldest first.
    marks: VecDeque<Mark>,
    /// Since when the peer has had a slot.
    serving: Option<Instant>,
    /// Since when the peer has had no slot.
    waiting: Instant,
}

impl Standing {
    /// Returns the recent rates from and to the peer, in bytes per second.
    fn rates(&self, contender: &Contender, now: Instant) -> (u64, u64) {
        let Some(mark) = self.marks.front() else { return (0, 0) };
        let millis =
            u64::try_from(now.saturating_since(mark.at).as_millis()).unwrap_or(u64::MAX).max(1000);
        let rate = |bytes: u64| bytes.saturating_mul(1000) / millis;
        (
            rate(contender.received.saturating_sub(mark.received)),
            rate(contender.sent.saturating_sub(mark.sent)),
        )
    }

    /// Returns whether the peer has had its slot long enough.
    fn is_turn_over(&self, taken_bps: u64, now: Instant) -> bool {
        let served = self.serving.map_or(Duration::ZERO, |since| now.saturating_since(since));
        served >= TURN || served >= IDLE_TURN && taken_bps == 0
    }
}

/// The rank of a peer that earned no slot. While we seed, every peer has such a rank.
///
/// First the peers whose turn is not over; then the waiting peers, the longest first; then the
/// peers whose turn is over, the fastest first.
type Place = (u8, Instant, Reverse<u64>, ConnId);

/// The upload slots of one torrent.
#[derive(Debug)]
pub(crate) struct Choker {
    standings: BTreeMap<ConnId, Standing>,
    next_round: Instant,
    optimistic: Option<ConnId>,
    next_optimistic: Instant,
}

impl Choker {
    /// Creates a choker without unchoked peers. The first round is due at once.
    pub(crate) fn new(now: Instant) -> Self {
        Self { standings: BTreeMap::new(), next_round: now, optimistic: None, next_optimistic: now }
    }

    /// Returns the peers that have a slot from now on.
    ///
    /// Between two rounds no peer loses its slot, and free slots go to the peers that have waited
    /// longest.
    pub(crate) fn choose(
        &mut self,
        strategy: Strategy,
        slots: usize,
        contenders: &[Contender],
        rng: &mut impl Rng,
        now: Instant,
    ) -> BTreeSet<ConnId> {
        self.sync_peers(contenders, now);
        let chosen = if now < self.next_round {
            self.fill(slots, contenders)
        } else {
            self.next_round = now + ROUND;
            let chosen = self.round(strategy, slots, contenders, rng, now);
            self.mark(contenders, now);
            chosen
        };
        self.settle(&chosen, now);
        chosen
    }

    /// Adds new peers and drops those that are gone.
    fn sync_peers(&mut self, contenders: &[Contender], now: Instant) {
        let present: BTreeSet<ConnId> = contenders.iter().map(|contender| contender.conn).collect();
        self.standings.retain(|conn, _| present.contains(conn));
        for contender in contenders {
            let mark = Mark { at: now, received: contender.received, sent: contender.sent };
            let newcomer = || Standing {
                came: now,
                marks: VecDeque::from([mark]),
                serving: None,
                waiting: now,
            };
            self.standings.entry(contender.conn).or_insert_with(newcomer);
        }
    }

    /// Assigns free slots.
    fn fill(&self, slots: usize, contenders: &[Contender]) -> BTreeSet<ConnId> {
        let serves = |contender: &Contender| self.standings[&contender.conn].serving.is_some();
        let mut chosen: BTreeSet<ConnId> =
            contenders.iter().filter(|it| serves(it)).map(|it| it.conn).collect();
        let taken = contenders.iter().filter(|it| it.interested && serves(it)).count();
        let mut waiting: Vec<(Instant, ConnId)> = contenders
            .iter()
            .filter(|it| it.interested && !it.snubs && !serves(it))
            .map(|it| (self.standings[&it.conn].waiting, it.conn))
            .collect();
        waiting.sort_unstable();
        chosen.extend(waiting.into_iter().take(slots.saturating_sub(taken)).map(|(_, conn)| conn));
        chosen
    }

    fn round(
        &mut self,
        strategy: Strategy,
        slots: usize,
        contenders: &[Contender],
        rng: &mut impl Rng,
        now: Instant,
    ) -> BTreeSet<ConnId> {
        let mut ranked: Vec<(Reverse<u64>, Place)> = contenders
            .iter()
            .filter(|contender| contender.interested && !contender.snubs)
            .map(|contender| self.rank(strategy, contender, now))
            .collect();
        ranked.sort_unstable();
        let earned =
            if strategy == Strategy::Downloading { slots.saturating_sub(1) } else { slots };
        let mut chosen: BTreeSet<ConnId> =
            ranked.iter().take(earned).map(|(_, (.., conn))| *conn).collect();
        self.optimistic = match strategy {
            Strategy::Downloading => self.draw(contenders, &chosen, rng, now),
            Strategy::Seeding => None,
        };
        chosen.extend(self.optimistic);
        chosen
    }

    fn rank(
        &self,
        strategy: Strategy,
        contender: &Contender,
        now: Instant,
    ) -> (Reverse<u64>, Place) {
        let standing = &self.standings[&contender.conn];
        let (gives, takes) = standing.rates(contender, now);
        let place = match standing.serving {
            None => (1, standing.waiting, Reverse(0), contender.conn),
            Some(since) if !standing.is_turn_over(takes, now) => {
                (0, since, Reverse(takes), contender.conn)
            }
            Some(_) => (2, Instant::default(), Reverse(takes), contender.conn),
        };
        let earns = if strategy == Strategy::Downloading && gives >= LEAST_BPS { gives } else { 0 };
        (Reverse(earns), place)
    }

    /// Draws the peer for the optimistic slot. The previous one keeps it for its time, unless it
    /// has now earned a slot.
    fn draw(
        &mut self,
        contenders: &[Contender],
        earned: &BTreeSet<ConnId>,
        rng: &mut impl Rng,
        now: Instant,
    ) -> Option<ConnId> {
        let may =
            |contender: &&Contender| contender.interested && !earned.contains(&contender.conn);
        let stays =
            self.optimistic.filter(|conn| contenders.iter().filter(may).any(|it| it.conn == *conn));
        if stays.is_some() && now < self.next_optimistic {
            return stays;
        }
        self.next_optimistic = now + OPTIMISTIC;
        let weight = |conn: ConnId| {
            let is_new = now.saturating_since(self.standings[&conn].came) < NEW_FOR;
            if is_new { NEW_WEIGHT } else { 1 }
        };
        let hat: Vec<(ConnId, u32)> = contenders
            .iter()
            .filter(may)
            .filter(|contender| Some(contender.conn) != stays)
            .map(|contender| (contender.conn, weight(contender.conn)))
            .collect();
        let all: u32 = hat.iter().map(|(_, weight)| weight).sum();
        if all == 0 {
            return stays;
        }
        let mut ticket = rng.random_range(0..all);
        hat.into_iter()
            .find(|(_, weight)| {
                let drawn = ticket < *weight;
                ticket = ticket.saturating_sub(*weight);
                drawn
            })
            .map(|(conn, _)| conn)
    }

    fn mark(&mut self, contenders: &[Contender], now: Instant) {
        for contender in contenders {
            let Some(standing) = self.standings.get_mut(&contender.conn) else { continue };
            standing.marks.push_back(Mark {
                at: now,
                received: contender.received,
                sent: contender.sent,
            });
            if standing.marks.len() > MEAN_ROUNDS {
                standing.marks.pop_front();
            }
        }
    }

    fn settle(&mut self, chosen: &BTreeSet<ConnId>, now: Instant) {
        for (conn, standing) in &mut self.standings {
            match (chosen.contains(conn), standing.serving) {
                (true, None) => standing.serving = Some(now),
                (false, Some(_)) => (standing.serving, standing.waiting) = (None, now),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
