//! Chooses which address of a torrent's peers to dial next.
//!
//! Owns the addresses and the results of dialling them; it opens and counts no connections.
//! Invariant: an address is in exactly one of three states, *ready*, *waiting* after a failure, or
//! *in use*, and there are at most [`MAX_CANDIDATES`]. Every operation costs O(log n).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::discover::priority;
use crate::peer::policy::{ConnectionPolicy, DialAttempts, DialMethod, Reached};
use crate::time::Instant;

/// Maximum number of addresses: a tracker's answers of one day, ten times what is ever dialled.
pub(crate) const MAX_CANDIDATES: usize = 2_000;
/// Maximum number of addresses known from peers alone. They must not displace addresses from better
/// sources.
pub(crate) const MAX_FROM_PEX: usize = 1_000;
/// Maximum number of banned addresses; beyond it the oldest ban ends.
pub(crate) const MAX_BANNED: usize = 1_000;
/// Wait after the first failure; each further failure doubles it.
pub(crate) const FIRST_RETRY: Duration = Duration::from_secs(5);
/// Longest wait after a failure.
pub(crate) const MAX_RETRY: Duration = Duration::from_secs(600);
/// How long a useless peer is not dialled. A seed is useless while we seed.
pub(crate) const SEED_RETRY: Duration = Duration::from_secs(3600);
/// How long an address waits when every way to dial it is switched off.
pub(crate) const NO_WAY_RETRY: Duration = Duration::from_secs(30);
/// A connection of this length resets the count of failures. A peer that accepts and closes at once
/// therefore fails each time.
const GOOD_CONNECTION: Duration = Duration::from_secs(60);

/// The source that named a peer, from the most trusted to the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Source {
    /// The user.
    Hand,
    /// The local network: near, and therefore fast.
    Local,
    /// The record that an earlier run of the engine stored.
    Record,
    /// A tracker.
    Tracker,
    /// The DHT.
    Dht,
    /// Another peer, which may send any address: the least trusted.
    Pex,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    /// Not dialled before this time.
    Waiting(Instant),
    InUse {
        since: Instant,
        reached: Reached,
    },
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    source: Source,
    /// Failures in a row.
    failures: u32,
    /// Canonical priority (BEP 40); 0 while our own address is unknown.
    priority: u32,
    /// A number that rises with each new address: the older address goes first.
    turn: u64,
    state: State,
    tries: DialAttempts,
}

/// Order among ready addresses: fewer failures, better source, higher priority, older address.
type Rank = (u32, Source, Reverse<u32>, u64);

/// The known peers of one torrent.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    known: BTreeMap<SocketAddr, Candidate>,
    ready: BTreeSet<(Rank, SocketAddr)>,
    waiting: BTreeSet<(Instant, SocketAddr)>,
    banned: BTreeSet<SocketAddr>,
    /// The banned addresses, oldest ban first.
    bans: VecDeque<SocketAddr>,
    /// Peers that have everything, as we do; they are not dialled while we seed.
    left_alone: BTreeSet<SocketAddr>,
    turns: u64,
    from_pex: usize,
    /// Our own addresses, as others see them.
    own: Own,
}

/// Our own addresses as others see them. The port is the one at which we are reached.
pub(crate) type Own = [Option<SocketAddr>; 2];

impl Candidates {
    /// Adds an address; returns whether it is new.
    ///
    /// An address that the user names is ready at once, whatever happened before, unless it is in
    /// use or banned. An address that can't be dialled (port 0, multicast …) is dropped. When the
    /// list is full, an address that failed makes room.
    pub(crate) fn add(&mut self, addr: SocketAddr, source: Source) -> bool {
        let addr = canonical(addr);
        if !is_dialable(addr) || self.banned.contains(&addr) {
            return false;
        }
        if let Some(&known) = self.known.get(&addr) {
            self.name_again(addr, known, source);
            return false;
        }
        if source == Source::Pex && self.from_pex >= MAX_FROM_PEX {
            return false;
        }
        if self.known.len() >= MAX_CANDIDATES && !self.make_room() {
            return false;
        }
        self.turns += 1;
        let priority = self.priority_of(addr);
        self.put(
            addr,
            Candidate {
                source,
                failures: 0,
                priority,
                turn: self.turns,
                state: State::Ready,
                tries: DialAttempts::default(),
            },
        );
        true
    }

    /// Takes the best address that may be dialled now. It is in use until [`Candidates::failed`] or
    /// [`Candidates::released`].
    pub(crate) fn next_to_dial(&mut self, now: Instant) -> Option<SocketAddr> {
        self.wake(now);
        let (_, addr) = *self.ready.first()?;
        self.update(addr, |candidate| {
            candidate.state = State::InUse { since: now, reached: Reached::Nothing }
        });
        Some(addr)
    }

    /// When the next address is ready. [`Instant::default`] if one is ready now, `None` if all are
    /// in use.
    #[cfg(test)]
    pub(crate) fn next_ready(&self) -> Option<Instant> {
        if !self.ready.is_empty() {
            return Some(Instant::default());
        }
        self.waiting.first().map(|(until, _)| *until)
    }

    /// Chooses how to dial an address in use, among the allowed ways.
    ///
    /// Also returns whether another transport remains to be tried if this one fails. `None` when no
    /// way is allowed.
    pub(crate) fn choose_method(
        &mut self,
        addr: SocketAddr,
        allowed: ConnectionPolicy,
    ) -> Option<(DialMethod, bool)> {
        let tries = &mut self.known.get_mut(&canonical(addr))?.tries;
        let method = tries.begin(allowed)?;
        Some((method, tries.has_other_transport()))
    }

    /// Chooses the way over uTP to dial a peer for hole punching (BEP 55).
    ///
    /// The address is in use afterwards, whatever happened to it before. `None` when it is already
    /// in use, must not be dialled, or no such way is allowed.
    pub(crate) fn punch(
        &mut self,
        addr: SocketAddr,
        allowed: ConnectionPolicy,
        now: Instant,
    ) -> Option<DialMethod> {
        let addr = canonical(addr);
        self.add(addr, Source::Pex);
        let is_free = !matches!(self.known.get(&addr)?.state, State::InUse { .. });
        if !is_free || self.left_alone.contains(&addr) {
            return None;
        }
        let mut method = None;
        self.update(addr, |candidate| {
            method = candidate.tries.punch(allowed);
            if method.is_some() {
                candidate.state = State::InUse { since: now, reached: Reached::Nothing };
            }
        });
        method
    }

    /// Whether the connection to an address in use begins with an encrypted handshake.
    pub(crate) fn is_encrypted(&self, addr: SocketAddr) -> bool {
        let known = self.known.get(&canonical(addr));
        known.and_then(|known| known.tries.current()).is_some_and(|method| method.encrypted)
    }

    /// Records how far the connection to an address in use came.
    pub(crate) fn reached(&mut self, addr: SocketAddr, far: Reached) {
        if let Some(State::InUse { reached, .. }) =
            self.known.get_mut(&canonical(addr)).map(|c| &mut c.state)
        {
            *reached = far.max(*reached);
        }
    }

    /// The dial failed, or the connection ended.
    ///
    /// Returns whether another way is left to try; then the address is ready at once. Otherwise it
    /// is ready after 5 s, 10 s, 20 s … up to 10 minutes.
    pub(crate) fn failed(&mut self, addr: SocketAddr, now: Instant) -> bool {
        let mut goes_on = false;
        self.update(canonical(addr), |candidate| {
            let State::InUse { since, reached } = candidate.state else { return };
            goes_on = candidate.tries.ended(reached);
            if goes_on {
                candidate.state = State::Ready;
                return;
            }
            let was_good =
                reached == Reached::Peer && now.saturating_since(since) >= GOOD_CONNECTION;
            candidate.failures = if was_good { 1 } else { candidate.failures.saturating_add(1) };
            candidate.state = State::Waiting(now + retry_after(candidate.failures));
        });
        goes_on
    }

    /// Every way to this address is switched off. It waits, because the user may allow another one.
    pub(crate) fn set_unreachable(&mut self, addr: SocketAddr, now: Instant) {
        self.wait(addr, now + NO_WAY_RETRY);
    }

    /// Does not dial an address for a long time: our own, or a seed's while we seed.
    pub(crate) fn leave_alone(&mut self, addr: SocketAddr, now: Instant) {
        self.wait(addr, now + SEED_RETRY);
    }

    fn wait(&mut self, addr: SocketAddr, until: Instant) {
        self.update(canonical(addr), |candidate| {
            if matches!(candidate.state, State::InUse { .. }) {
                candidate.state = State::Waiting(until);
            }
        });
    }

    /// The peer has everything, as we do. It is not dialled until we lack something again.
    pub(crate) fn set_complete(&mut self, addr: SocketAddr, now: Instant) {
        self.leave_alone(addr, now);
        if self.left_alone.len() < MAX_CANDIDATES {
            self.left_alone.insert(canonical(addr));
        }
    }

    /// We lack pieces again: peers that have everything are ready at once.
    pub(crate) fn release_seeds(&mut self) {
        for addr in std::mem::take(&mut self.left_alone) {
            self.update(addr, |candidate| {
                if matches!(candidate.state, State::Waiting(_)) {
                    candidate.state = State::Ready;
                }
            });
        }
    }

    /// We ended the connection for a reason of our own: the address is ready at once.
    pub(crate) fn released(&mut self, addr: SocketAddr) {
        self.update(canonical(addr), |candidate| {
            if matches!(candidate.state, State::InUse { .. }) {
                candidate.state = State::Ready;
            }
        });
    }

    /// Resets all addresses that are not banned. None is then in use, all are ready, and no failure
    /// counts. Earlier failures were for another purpose, such as fetching metadata.
    pub(crate) fn renew(&mut self) {
        let all: Vec<SocketAddr> = self.known.keys().copied().collect();
        for addr in all {
            self.update(addr, |candidate| {
                (candidate.failures, candidate.state) = (0, State::Ready)
            });
        }
    }

    /// Makes the addresses ready that wait after failures, because the network has changed.
    pub(crate) fn retry(&mut self) {
        let waiting: Vec<SocketAddr> = self.waiting.iter().map(|(_, addr)| *addr).collect();
        for addr in waiting {
            if !self.left_alone.contains(&addr) {
                self.update(addr, |candidate| {
                    (candidate.failures, candidate.state) = (0, State::Ready);
                });
            }
        }
    }

    /// Forgets the addresses from sources that are no longer allowed.
    pub(crate) fn keep(&mut self, is_kept: impl Fn(Source) -> bool) {
        let unwanted = self
            .known
            .iter()
            .filter(|(_, candidate)| !is_kept(candidate.source))
            .map(|(&addr, _)| addr);
        for addr in unwanted.collect::<Vec<_>>() {
            self.take(addr);
        }
    }

    /// Forgets an address and never adds it again. For our own address, and for peers that sent
    /// what they must not.
    pub(crate) fn ban(&mut self, addr: SocketAddr) {
        let addr = canonical(addr);
        self.take(addr);
        if self.banned.insert(addr) {
            self.bans.push_back(addr);
        }
        if self.bans.len() > MAX_BANNED
            && let Some(oldest) = self.bans.pop_front()
        {
            self.banned.remove(&oldest);
        }
    }

    /// Whether any port of this host is banned.
    pub(crate) fn is_banned_host(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.banned.range(SocketAddr::new(ip, 0)..=SocketAddr::new(ip, u16::MAX)).next().is_some()
    }

    /// Returns up to `most` addresses worth dialling after a restart.
    ///
    /// Addresses in use come first, then those that the user named and those that never failed.
    pub(crate) fn worth_keeping(&self, most: usize) -> Vec<SocketAddr> {
        let mut kept: Vec<(bool, Rank, SocketAddr)> = self
            .known
            .iter()
            .filter(|(_, known)| known.failures == 0 || known.source == Source::Hand)
            .map(|(&addr, known)| (!matches!(known.state, State::InUse { .. }), rank(known), addr))
            .collect();
        kept.sort_unstable();
        kept.into_iter().take(most).map(|(.., addr)| addr).collect()
    }

    /// Sets our own addresses, on which the order of dialling depends (BEP 40). Costs O(n log n)
    /// when they change.
    pub(crate) fn set_own(&mut self, own: Own) {
        if self.own == own {
            return;
        }
        self.own = own;
        let all: Vec<SocketAddr> = self.known.keys().copied().collect();
        for addr in all {
            let priority = self.priority_of(addr);
            self.update(addr, |candidate| candidate.priority = priority);
        }
    }

    /// The source that named an address, if the address is known.
    #[cfg(test)]
    pub(crate) fn source(&self, addr: SocketAddr) -> Option<Source> {
        self.known.get(&canonical(addr)).map(|candidate| candidate.source)
    }

    /// Number of known addresses, including those in use.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    fn priority_of(&self, addr: SocketAddr) -> u32 {
        self.own.iter().flatten().find_map(|&own| priority::priority(own, addr)).unwrap_or(0)
    }

    fn name_again(&mut self, addr: SocketAddr, known: Candidate, source: Source) {
        let by_hand = source == Source::Hand && !matches!(known.state, State::InUse { .. });
        self.update(addr, |candidate| {
            candidate.source = candidate.source.min(source);
            if by_hand {
                (candidate.failures, candidate.state) = (0, State::Ready);
            }
        });
    }

    /// Makes the addresses ready whose wait is over.
    fn wake(&mut self, now: Instant) {
        while let Some(&(until, addr)) = self.waiting.first()
            && until <= now
        {
            self.update(addr, |candidate| candidate.state = State::Ready);
        }
    }

    /// Forgets the address that waits longest, or else the ready one with most failures. False when
    /// none has failed.
    fn make_room(&mut self) -> bool {
        let longest = self.waiting.last().map(|(_, addr)| *addr);
        let worst =
            || self.ready.last().filter(|((failures, ..), _)| *failures > 0).map(|(_, addr)| *addr);
        let Some(addr) = longest.or_else(worst) else { return false };
        self.take(addr).is_some()
    }

    fn update(&mut self, addr: SocketAddr, change: impl FnOnce(&mut Candidate)) {
        if let Some(mut candidate) = self.take(addr) {
            change(&mut candidate);
            self.put(addr, candidate);
        }
    }

    fn take(&mut self, addr: SocketAddr) -> Option<Candidate> {
        let candidate = self.known.remove(&addr)?;
        self.from_pex -= usize::from(candidate.source == Source::Pex);
        match candidate.state {
            State::Ready => self.ready.remove(&(rank(&candidate), addr)),
            State::Waiting(until) => self.waiting.remove(&(until, addr)),
            State::InUse { .. } => true,
        };
        Some(candidate)
    }

    fn put(&mut self, addr: SocketAddr, candidate: Candidate) {
        match candidate.state {
            State::Ready => self.ready.insert((rank(&candidate), addr)),
            State::Waiting(until) => self.waiting.insert((until, addr)),
            State::InUse { .. } => true,
        };
        self.from_pex += usize::from(candidate.source == Source::Pex);
        self.known.insert(addr, candidate);
    }
}

fn rank(candidate: &Candidate) -> Rank {
    (candidate.failures, candidate.source, Reverse(candidate.priority), candidate.turn)
}

fn retry_after(failures: u32) -> Duration {
    let doubled = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_RETRY.saturating_mul(doubled).min(MAX_RETRY)
}

/// Normalises an address. IPv4 addresses mapped to IPv6 become IPv4, and the flow label is dropped.
fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

fn is_dialable(addr: SocketAddr) -> bool {
    let ip = addr.ip();
    let is_broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast() || v4.octets()[0] == 0);
    addr.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !is_broadcast
}

#[cfg(test)]
mod tests;
