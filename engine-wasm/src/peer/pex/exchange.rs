//! Peer exchange with one peer: the rate, the differences and the limits.
//!
//! Knows no torrent and no connection. Invariants: at most one message is sent in each interval, a
//! minute unless the host sets another, and none without a change; messages that come too often are
//! ignored, and in the end the peer is dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::{Flags, MAX_FIRST, MAX_NAMED, PexMessage};
use crate::addresses::is_local;
use crate::time::Instant;

/// Minimum time between two messages to a peer (BEP 11), unless the host sets another.
const INTERVAL: Duration = Duration::from_secs(60);
/// The part of the interval by which a message may arrive sooner, because clocks differ: 10 s of a
/// minute.
const TOLERANCE: u32 = 6;
/// Messages that may arrive at once: the first one, a regular one, and one that was delayed.
const BURST: u32 = 3;
/// Ignored early messages before the peer is dropped.
const MOST_EARLY: u32 = 10;
/// Maximum number of addresses accepted from one peer at a time. It can't be connected to more, and
/// these can't displace addresses from others.
const MAX_TAKEN: usize = 200;

/// The peers that we could name, with their flags.
pub(crate) type Peers = BTreeMap<SocketAddr, Flags>;

/// The error for a peer that sends far too many messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nuisance;

/// The state of peer exchange with one peer.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// The message id that the peer assigned to the extension.
    id: Option<u8>,
    interval: Duration,
    /// Peers that we named and did not drop since.
    told: BTreeSet<SocketAddr>,
    last_sent: Option<Instant>,
    /// Peers that it named and did not drop since.
    taken: Peers,
    /// Messages received in the current burst, and its start.
    burst: u32,
    burst_since: Instant,
    early: u32,
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            id: None,
            interval: INTERVAL,
            told: BTreeSet::new(),
            last_sent: None,
            taken: Peers::new(),
            burst: 0,
            burst_since: Instant::default(),
            early: 0,
        }
    }
}

impl Exchange {
    /// Sets the minimum time between two messages.
    pub(crate) fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// Returns the message id that the peer assigned.
    pub(crate) fn id(&self) -> Option<u8> {
        self.id
    }

    /// Sets the message id from its extension handshake (BEP 10). `None` disables the extension.
    pub(crate) fn set_id(&mut self, id: Option<u8>) {
        self.id = id;
    }

    /// Whether a message may be sent now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.id.is_some() && self.last_sent.is_none_or(|at| at + self.interval <= now)
    }

    /// The changes since the last message, with the id to send them under.
    ///
    /// `None` if nothing changed, or if it is too soon.
    pub(crate) fn next_message(
        &mut self,
        peers: &Peers,
        itself: SocketAddr,
        now: Instant,
    ) -> Option<(u8, PexMessage)> {
        let id = self.id.filter(|_| self.is_due(now))?;
        let most = if self.last_sent.is_none() { MAX_FIRST } else { MAX_NAMED };
        // An address in our local network is useful only to peers inside it.
        let is_fit =
            |addr: SocketAddr| addr != itself && (is_local(itself.ip()) || !is_local(addr.ip()));
        let fresh = peers.iter().filter(|(addr, _)| is_fit(**addr) && !self.told.contains(addr));
        let added: Vec<(SocketAddr, Flags)> =
            fresh.map(|(&addr, &flags)| (addr, flags)).take(most).collect();
        let gone = self.told.iter().filter(|addr| !peers.contains_key(addr));
        let dropped: Vec<SocketAddr> = gone.copied().take(MAX_NAMED).collect();
        let message = PexMessage { added, dropped };
        if message.is_empty() {
            return None;
        }
        self.told.extend(message.added.iter().map(|(addr, _)| *addr));
        self.told.retain(|addr| !message.dropped.contains(addr));
        self.last_sent = Some(now);
        Some((id, message))
    }

    /// Handles peers that it names; returns those worth dialling.
    ///
    /// # Errors
    /// [`Nuisance`]: drop the peer.
    pub(crate) fn handle_message(
        &mut self,
        message: &PexMessage,
        itself: SocketAddr,
        now: Instant,
    ) -> Result<Vec<SocketAddr>, Nuisance> {
        if !self.is_in_time(now) {
            self.early += 1;
            return if self.early > MOST_EARLY { Err(Nuisance) } else { Ok(Vec::new()) };
        }
        self.taken.retain(|addr, _| !message.dropped.contains(addr));
        let mut news = Vec::new();
        for &(addr, flags) in &message.added {
            // A peer outside our local network may not name addresses inside it.
            let is_fit = is_local(itself.ip()) || !is_local(addr.ip());
            let has_room = self.taken.len() < MAX_TAKEN || self.taken.contains_key(&addr);
            if is_fit && has_room && self.taken.insert(addr, flags).is_none() {
                news.push(addr);
            }
        }
        Ok(news)
    }

    /// The flags of a peer that it named and did not drop since.
    pub(crate) fn named(&self, addr: SocketAddr) -> Option<Flags> {
        self.taken.get(&addr).copied()
    }

    fn is_in_time(&mut self, now: Instant) -> bool {
        let least = (self.interval - self.interval / TOLERANCE).as_micros().max(1);
        let passed = now.saturating_since(self.burst_since).as_micros() / least;
        if passed > 0 {
            self.burst = self.burst.saturating_sub(u32::try_from(passed).unwrap_or(u32::MAX));
            self.burst_since = now;
        }
        let is_in_time = self.burst < BURST;
        self.burst += u32::from(is_in_time);
        is_in_time
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn addr(number: u16) -> SocketAddr {
        let [high, low] = number.to_be_bytes();
        SocketAddr::from(([203, 0, high, low], 6881))
    }

    fn at(seconds: u64) -> Instant {
        Instant(0) + Duration::from_secs(seconds)
    }

    fn peers(numbers: impl IntoIterator<Item = u16>) -> Peers {
        numbers.into_iter().map(|number| (addr(number), Flags::OUTGOING)).collect()
    }

    fn willing() -> Exchange {
        let mut exchange = Exchange::default();
        exchange.set_id(Some(7));
        exchange
    }

    /// Checks the added and dropped peers in the message of this second. `None` expects no message.
    fn check(
        exchange: &mut Exchange,
        seconds: u64,
        peers: &Peers,
        expected: Option<(&[u16], &[u16])>,
    ) {
        let said = exchange.next_message(peers, addr(0), at(seconds)).map(|(id, message)| {
            assert_eq!(id, 7);
            (message.added.into_iter().map(|(addr, _)| addr).collect(), message.dropped)
        });
        let of = |numbers: &[u16]| numbers.iter().copied().map(addr).collect::<Vec<_>>();
        assert_eq!(
            said,
            expected.map(|(added, dropped)| (of(added), of(dropped))),
            "at {seconds} s"
        );
    }

    #[test]
    fn changes_are_sent_at_most_once_a_minute() {
        let mut exchange = willing();
        check(&mut exchange, 0, &peers([]), None);
        check(&mut exchange, 1, &peers([0, 1, 2]), Some((&[1, 2], &[])));
        check(&mut exchange, 2, &peers([0, 2, 3]), None);
        check(&mut exchange, 60, &peers([0, 2, 3]), None);
        check(&mut exchange, 61, &peers([0, 2, 3]), Some((&[3], &[1])));
        check(&mut exchange, 200, &peers([0, 2, 3]), None);
        check(&mut exchange, 201, &peers([]), Some((&[], &[2, 3])));
    }

    #[test]
    fn peers_without_the_extension_receive_nothing() {
        assert_eq!(Exchange::default().next_message(&peers([1]), addr(0), at(0)), None);
        assert!(!Exchange::default().is_due(at(0)));
    }

    #[test]
    fn the_first_message_may_be_longer_and_no_peer_is_forgotten() {
        let (mut exchange, all) = (willing(), peers(1..=170));
        let mut said = |seconds| {
            exchange.next_message(&all, addr(0), at(seconds)).map(|(_, it)| it.added.len())
        };
        assert_eq!(
            [said(0), said(60), said(120), said(180)],
            [Some(100), Some(50), Some(20), None]
        );
    }

    #[test]
    fn local_addresses_are_neither_sent_outside_nor_accepted_from_there() {
        let local: SocketAddr = "192.168.1.2:6881".parse().unwrap();
        let known: Peers = [(local, Flags::default())].into();
        assert_eq!(willing().next_message(&known, addr(0), at(0)), None);
        assert!(willing().next_message(&known, "192.168.1.3:1".parse().unwrap(), at(0)).is_some());
        let message = PexMessage { added: vec![(local, Flags::default())], dropped: Vec::new() };
        assert_eq!(willing().handle_message(&message, addr(0), at(0)), Ok(Vec::new()));
        assert_eq!(
            willing().handle_message(&message, "127.0.0.1:1".parse().unwrap(), at(0)),
            Ok(vec![local])
        );
    }

    #[test]
    fn frequent_messages_are_ignored_and_then_end_the_connection() {
        let mut exchange = willing();
        let naming = |number| PexMessage {
            added: vec![(addr(number), Flags::default())],
            dropped: Vec::new(),
        };
        let mut heard =
            |number, seconds| exchange.handle_message(&naming(number), addr(0), at(seconds));
        for number in 1..=3 {
            assert_eq!(heard(number, 0), Ok(vec![addr(number)]));
        }
        for number in 4..14 {
            assert_eq!(heard(number, 1), Ok(Vec::new()));
        }
        assert_eq!(heard(20, 51), Ok(vec![addr(20)]), "patience pays");
        assert_eq!(heard(21, 52), Err(Nuisance));
    }

    #[test]
    fn the_interval_may_be_shorter_than_a_minute() {
        let mut exchange = willing();
        exchange.set_interval(Duration::from_secs(6));
        check(&mut exchange, 0, &peers([1]), Some((&[1], &[])));
        check(&mut exchange, 5, &peers([2]), None);
        check(&mut exchange, 6, &peers([2]), Some((&[2], &[1])));
        let said = PexMessage { added: vec![(addr(3), Flags::default())], dropped: vec![addr(3)] };
        let mut heard =
            |seconds| exchange.handle_message(&said, addr(0), at(seconds)).unwrap().len();
        assert_eq!([0, 0, 0, 0, 4, 5, 5].map(&mut heard), [1, 1, 1, 0, 0, 1, 0]);
        exchange.set_interval(Duration::ZERO);
        check(&mut exchange, 6, &peers([4]), Some((&[4], &[2])));
        assert!(exchange.handle_message(&said, addr(0), at(7)).is_ok());
    }

    #[test]
    fn flags_of_named_peers_are_kept_until_they_are_dropped() {
        let mut exchange = willing();
        let mut say = |flags: Option<Flags>| {
            let added = flags.map(|flags| (addr(1), flags)).into_iter().collect();
            let dropped = if flags.is_none() { vec![addr(1)] } else { Vec::new() };
            exchange.handle_message(&PexMessage { added, dropped }, addr(0), at(0)).unwrap();
            exchange.named(addr(1))
        };
        assert_eq!(say(Some(Flags::SEED)), Some(Flags::SEED));
        assert_eq!(say(Some(Flags::HOLEPUNCH)), Some(Flags::HOLEPUNCH));
        assert_eq!(say(None), None);
    }

    #[test]
    fn addresses_from_one_peer_are_bounded() {
        let mut exchange = willing();
        let mut taken = 0;
        for round in 0..20 {
            let added =
                (0..100).map(|number| (addr(round * 100 + number), Flags::default())).collect();
            let message = PexMessage { added, dropped: Vec::new() };
            taken += exchange
                .handle_message(&message, addr(0), at(u64::from(round) * 60))
                .unwrap()
                .len();
        }
        assert_eq!(taken, MAX_TAKEN);
        let message =
            PexMessage { added: vec![(addr(9999), Flags::default())], dropped: vec![addr(1)] };
        assert_eq!(
            exchange.handle_message(&message, addr(0), at(9999)),
            Ok(vec![addr(9999)]),
            "one for one that went"
        );
    }

    proptest! {
        /// A receiver that applies every message knows all of our peers. The list is complete a few
        /// minutes after the last change.
        #[test]
        fn applying_all_messages_yields_our_peers(
            changes in prop::collection::vec(
                (0u64..90, prop::collection::btree_set(1u16..200, 0..60)),
                1..20,
            ),
        ) {
            let mut exchange = willing();
            let (mut now, mut last, mut known) = (0, None, BTreeSet::new());
            let mut numbers = BTreeSet::new();
            let mut tell = |exchange: &mut Exchange, now: u64, numbers: &BTreeSet<u16>| {
                let named = peers(numbers.iter().copied());
                let Some((_, message)) = exchange.next_message(&named, addr(0), at(now)) else {
                    return Ok(known.clone());
                };
                prop_assert!(last.is_none_or(|last| now - last >= 60));
                let most = if last.is_none() { MAX_FIRST } else { MAX_NAMED };
                prop_assert!(message.added.len() <= most && message.dropped.len() <= MAX_NAMED);
                last = Some(now);
                known.extend(message.added.iter().map(|(addr, _)| *addr));
                known.retain(|addr| !message.dropped.contains(addr));
                Ok(known.clone())
            };
            for (pause, change) in changes {
                now += pause;
                numbers = change;
                tell(&mut exchange, now, &numbers)?;
            }
            let mut end = BTreeSet::new();
            for _ in 0..8 {
                now += 60;
                end = tell(&mut exchange, now, &numbers)?;
            }
            prop_assert_eq!(end, numbers.into_iter().map(addr).collect::<BTreeSet<_>>());
        }
    }
}
