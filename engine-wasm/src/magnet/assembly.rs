//! Assembles an info dictionary from blocks that untrusted peers send (BEP 9).
//!
//! Owns the sizes that peers offer, the pending requests, and the received blocks. It sends and
//! parses no messages. Invariants: a [`Progress::Found`] dictionary hashes to the torrent's info
//! hash; a peer is [`Progress::Guilty`] only if it sent all blocks of a wrong dictionary.
//!
//! Peers may lie about the size, so each size is assembled separately, the
//! [`limits::METADATA_SIZES`] most popular ones at once. If all blocks of a size arrived from
//! several peers and the result is wrong, no peer is guilty yet. That size is then downloaded from
//! one peer alone, then from the next, until one is right.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use shared_proto::ConnId;

use super::pace::Pace;
use crate::limits;
use crate::metainfo::Identity;
use crate::peer::metadata::{block_count, block_length};
use crate::time::Instant;

/// A peer that owes blocks and sends none for this long stalls. A stalled peer is useless for now.
const STALLED_AFTER: Duration = Duration::from_secs(15);
/// A block that is this late is requested from a second, otherwise idle peer.
const LATE_AFTER: Duration = Duration::from_secs(2);
/// How long a peer that rejected a request is not asked: it limits its rate.
const REST: Duration = Duration::from_secs(5);
/// A peer that rejected this many times in a row is useless for now.
const MOST_REJECTS: u32 = 3;

/// The effect of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More blocks are missing.
    More,
    /// The complete and verified info dictionary.
    Found(Bytes),
    /// This peer sent all blocks of a wrong dictionary.
    Guilty(SocketAddr),
    /// A wrong dictionary came from several peers. It is downloaded again from one peer at a time.
    Mixed,
}

/// The error for a block whose size differs from the offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a metadata block of the wrong size")]
pub(super) struct WrongBlock;

#[derive(Debug)]
struct Offer {
    addr: SocketAddr,
    size: u32,
    pace: Pace,
    asked: BTreeSet<u32>,
    /// Requests that it seems to have dropped. An answer is still welcome.
    given_up: BTreeSet<u32>,
    /// When it last sent what it owed, or was asked while it owed nothing.
    last_progress: Instant,
    rests_until: Instant,
    rejects: u32,
}

impl Offer {
    /// When its requests count as dropped.
    fn deadline(&self) -> Option<Instant> {
        self.pace.deadline(self.asked.len(), self.last_progress)
    }

    /// It is late, but dropped nothing: the requests that were given up count again.
    fn take_back(&mut self, fetch: &mut Fetch) {
        self.pace = Pace::Proven;
        for block in std::mem::take(&mut self.given_up) {
            if let Some(slot) = fetch.slots.get_mut(block as usize)
                && slot.given.is_none()
                && self.asked.insert(block)
            {
                slot.askers += 1;
            }
        }
    }
}

/// The peers from which a size is downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Givers {
    All,
    Only(Option<ConnId>),
}

#[derive(Clone, Debug, Default)]
struct Slot {
    given: Option<(Bytes, SocketAddr)>,
    askers: u8,
    asked_at: Instant,
}

/// The download of one size.
#[derive(Debug)]
struct Fetch {
    slots: Vec<Slot>,
    missing: usize,
    givers: Givers,
}

impl Fetch {
    fn new(size: u32) -> Self {
        let slots = vec![Slot::default(); block_count(size) as usize];
        Self { missing: slots.len(), slots, givers: Givers::All }
    }

    fn clear(&mut self) {
        self.slots.fill(Slot::default());
        self.missing = self.slots.len();
    }

    /// The best block to request from a peer. Unrequested blocks come first, then late ones.
    fn next_block(&self, asked: &BTreeSet<u32>, now: Instant) -> Option<u32> {
        let open = || (0u32..).zip(&self.slots).filter(|(_, slot)| slot.given.is_none());
        let fresh = open().find(|(_, slot)| slot.askers == 0);
        let is_late =
            |slot: &Slot| slot.askers == 1 && now.saturating_since(slot.asked_at) >= LATE_AFTER;
        fresh
            .or_else(|| open().find(|(block, slot)| is_late(slot) && !asked.contains(block)))
            .map(|(block, _)| block)
    }
}

/// The download of one torrent's info dictionary.
#[derive(Debug)]
pub(super) struct Assembly {
    identity: Identity,
    offers: BTreeMap<ConnId, Offer>,
    fetches: BTreeMap<u32, Fetch>,
}

impl Assembly {
    pub(super) fn new(identity: Identity) -> Self {
        Self { identity, offers: BTreeMap::new(), fetches: BTreeMap::new() }
    }

    /// A peer offers the dictionary with this size. A later offer with another size replaces the
    /// first.
    ///
    /// `is_fast` says whether it supports the fast extension.
    pub(super) fn offer(
        &mut self,
        conn: ConnId,
        (addr, is_fast): (SocketAddr, bool),
        size: u32,
        now: Instant,
    ) {
        if !(1..=limits::METADATA).contains(&size)
            || self.offers.get(&conn).is_some_and(|offer| offer.size == size)
        {
            return;
        }
        self.leave(conn);
        let offer = Offer {
            addr,
            size,
            pace: Pace::new(is_fast),
            asked: BTreeSet::new(),
            given_up: BTreeSet::new(),
            last_progress: now,
            rests_until: now,
            rejects: 0,
        };
        self.offers.insert(conn, offer);
        self.choose_sizes();
    }

    /// A peer has left. Its requests are free again; its blocks stay.
    pub(super) fn leave(&mut self, conn: ConnId) {
        let Some(offer) = self.offers.remove(&conn) else { return };
        if let Some(fetch) = self.fetches.get_mut(&offer.size) {
            offer.asked.iter().for_each(|&block| release(fetch, block));
            if fetch.givers == Givers::Only(Some(conn)) {
                fetch.givers = Givers::Only(None);
                self.start_over(offer.size);
            }
        }
        self.choose_sizes();
    }

    /// All peers have left.
    pub(super) fn leave_all(&mut self) {
        while let Some(&conn) = self.offers.keys().next() {
            self.leave(conn);
        }
    }

    /// Returns the requests to send now, as pairs of peer and block.
    ///
    /// Each round gives every peer one block, until each has enough requests outstanding. Peers
    /// that dropped requests come last.
    pub(super) fn next_requests(&mut self, now: Instant) -> Vec<(ConnId, u32)> {
        self.choose_givers();
        self.give_up_dropped(now);
        let mut requests = Vec::new();
        let mut offers: Vec<(ConnId, &mut Offer)> =
            self.offers.iter_mut().map(|(&conn, offer)| (conn, offer)).collect();
        offers.sort_by_key(|(_, offer)| !offer.given_up.is_empty());
        loop {
            let before = requests.len();
            for (conn, offer) in &mut offers {
                let conn = *conn;
                let Some(fetch) = self.fetches.get_mut(&offer.size) else { continue };
                let may_give =
                    matches!(fetch.givers, Givers::All) || fetch.givers == Givers::Only(Some(conn));
                if !may_give || offer.rests_until > now || !offer.pace.allows(offer.asked.len()) {
                    continue;
                }
                let Some(block) = fetch.next_block(&offer.asked, now) else { continue };
                let slot = &mut fetch.slots[block as usize];
                (slot.askers, slot.asked_at) = (slot.askers + 1, now);
                if offer.asked.is_empty() {
                    offer.last_progress = now;
                }
                offer.asked.insert(block);
                requests.push((conn, block));
            }
            if requests.len() == before {
                return requests;
            }
        }
    }

    /// Returns when [`Assembly::next_requests`] has to be called at the latest.
    pub(super) fn next_check(&self) -> Option<Instant> {
        self.offers.values().filter_map(Offer::deadline).min()
    }

    /// Frees the requests of peers that seem to have dropped all but one.
    fn give_up_dropped(&mut self, now: Instant) {
        for offer in self.offers.values_mut() {
            if offer.deadline().is_none_or(|by| by > now) {
                continue;
            }
            offer.pace = Pace::Single;
            let dropped = std::mem::take(&mut offer.asked);
            if let Some(fetch) = self.fetches.get_mut(&offer.size) {
                dropped.iter().for_each(|&block| release(fetch, block));
            }
            offer.given_up.extend(dropped);
        }
    }

    /// A block arrived. One that was not requested, or no longer is, changes nothing.
    ///
    /// # Errors
    /// [`WrongBlock`]: drop the peer.
    pub(super) fn data(
        &mut self,
        conn: ConnId,
        block: u32,
        total: u32,
        data: &[u8],
        now: Instant,
    ) -> Result<Progress, WrongBlock> {
        let Some(offer) = self.offers.get_mut(&conn) else { return Ok(Progress::More) };
        let is_asked = offer.asked.remove(&block);
        if !offer.given_up.remove(&block) && !is_asked {
            return Ok(Progress::More);
        }
        let Some(fetch) = self.fetches.get_mut(&offer.size) else { return Ok(Progress::More) };
        if is_asked {
            let asked_at = fetch.slots.get(block as usize).map_or(now, |slot| slot.asked_at);
            offer.pace.answered(offer.asked.len(), now.saturating_since(asked_at), now);
            release(fetch, block);
        } else {
            offer.take_back(fetch);
        }
        if total != offer.size || data.len() != block_length(offer.size, block) as usize {
            return Err(WrongBlock);
        }
        (offer.last_progress, offer.rejects) = (now, 0);
        let slot = &mut fetch.slots[block as usize];
        if slot.given.is_none() {
            // Copied, because a slice would keep the whole frame alive, which may be far larger.
            slot.given = Some((Bytes::copy_from_slice(data), offer.addr));
            fetch.missing -= 1;
        }
        let size = offer.size;
        Ok(if fetch.missing == 0 { self.judge(size) } else { Progress::More })
    }

    /// A peer rejects a request. Returns whether the peer has done so too often.
    pub(super) fn reject(&mut self, conn: ConnId, block: u32, now: Instant) -> bool {
        let Some(offer) = self.offers.get_mut(&conn) else { return false };
        if !offer.asked.remove(&block) {
            return false;
        }
        if let Some(fetch) = self.fetches.get_mut(&offer.size) {
            release(fetch, block);
        }
        // Several pending requests are rejected one by one; together they count once.
        if offer.rests_until <= now {
            offer.rejects += 1;
        }
        offer.rests_until = now + REST;
        offer.rejects >= MOST_REJECTS
    }

    /// Peers that owe blocks and send none.
    pub(super) fn stalled(&self, now: Instant) -> Vec<ConnId> {
        let is_stalled = |offer: &Offer| {
            !offer.asked.is_empty() && now.saturating_since(offer.last_progress) >= STALLED_AFTER
        };
        self.offers.iter().filter(|(_, offer)| is_stalled(offer)).map(|(&conn, _)| conn).collect()
    }

    /// Received and total number of blocks of the size that is nearest to completion.
    pub(super) fn progress(&self) -> Option<(usize, usize)> {
        let counts = self
            .fetches
            .values()
            .map(|fetch| (fetch.slots.len() - fetch.missing, fetch.slots.len()));
        counts.max_by_key(|&(have, all)| (have * 1_000 / all, have))
    }

    /// Verifies a size whose blocks have all arrived.
    fn judge(&mut self, size: u32) -> Progress {
        let fetch = self.fetches.get_mut(&size).expect("a size that is judged is being fetched");
        let given: Vec<(Bytes, SocketAddr)> =
            fetch.slots.iter_mut().filter_map(|slot| slot.given.take()).collect();
        let whole = given.iter().fold(Vec::with_capacity(size as usize), |mut whole, (data, _)| {
            whole.extend_from_slice(data);
            whole
        });
        let givers: BTreeSet<SocketAddr> = given.into_iter().map(|(_, addr)| addr).collect();
        let mut givers = givers.into_iter();
        let progress = match (givers.next(), givers.next()) {
            _ if self.identity.is_hash_of(&whole) => Progress::Found(whole.into()),
            (Some(only), None) => Progress::Guilty(only),
            _ => {
                fetch.givers = Givers::Only(None);
                Progress::Mixed
            }
        };
        self.start_over(size);
        progress
    }

    /// Discards the blocks of a size and its pending requests.
    fn start_over(&mut self, size: u32) {
        if let Some(fetch) = self.fetches.get_mut(&size) {
            fetch.clear();
        }
        self.offers.values_mut().filter(|offer| offer.size == size).for_each(|offer| {
            offer.asked.clear();
            offer.given_up.clear();
        });
    }

    /// Chooses the most popular sizes to download. Among equally popular sizes, those already begun
    /// come first, then the smaller ones.
    fn choose_sizes(&mut self) {
        let mut popular: BTreeMap<u32, usize> =
            self.fetches.keys().map(|&size| (size, 0)).collect();
        for offer in self.offers.values() {
            *popular.entry(offer.size).or_default() += 1;
        }
        let mut ranked: Vec<(usize, bool, u32)> = popular
            .into_iter()
            .map(|(size, peers)| (peers, self.fetches.contains_key(&size), size))
            .collect();
        ranked.sort_by_key(|&(peers, underway, size)| (std::cmp::Reverse((peers, underway)), size));
        let unchosen = ranked.split_off(ranked.len().min(limits::METADATA_SIZES));
        for (_, _, size) in unchosen.into_iter().filter(|(_, underway, _)| *underway) {
            self.start_over(size);
            self.fetches.remove(&size);
        }
        for (_, _, size) in ranked {
            self.fetches.entry(size).or_insert_with(|| Fetch::new(size));
        }
    }

    /// Chooses the peer for each size that comes from one peer alone: the one with fewest rejects.
    fn choose_givers(&mut self) {
        for (&size, fetch) in
            self.fetches.iter_mut().filter(|(_, fetch)| fetch.givers == Givers::Only(None))
        {
            let offers = self.offers.iter().filter(|(_, offer)| offer.size == size);
            fetch.givers =
                Givers::Only(offers.min_by_key(|(_, offer)| offer.rejects).map(|(&conn, _)| conn));
        }
    }
}

fn release(fetch: &mut Fetch, block: u32) {
    if let Some(slot) = fetch.slots.get_mut(block as usize) {
        slot.askers = slot.askers.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests;
