//! Local service discovery (BEP 14): announcing our torrents in the local network.
//!
//! Owns the message, the interval between announcements, and the neighbours that announced a
//! torrent. The engine owns the sockets. Invariants: a torrent is announced at most once every
//! [`AGAIN`], our own announcements are ignored, and one neighbour can announce only a few
//! addresses for a torrent.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use rand::Rng;
use rand::rngs::ChaCha8Rng;
use shared_proto::io::Family;
use thiserror::Error;

use crate::limits;
use crate::metainfo::InfoHash;
use crate::time::Instant;

/// The UDP port of both multicast groups.
pub(crate) const PORT: u16 = 6771;
/// The multicast group of IPv4, scoped to an organisation (RFC 2365).
pub(crate) const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 192, 152, 143);
/// The multicast group of IPv6, scoped to a site.
pub(crate) const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0xefc0, 0x988f);
/// Minimum time between two announcements of a torrent.
pub(crate) const AGAIN: Duration = Duration::from_secs(5 * 60);
/// Minimum time between two datagrams; what becomes due meanwhile shares the next one.
const GAP: Duration = Duration::from_secs(1);
/// Torrents named in one datagram, which must fit into an Ethernet frame.
pub(crate) const MAX_HASHES: usize = 16;
/// Longest cookie that is kept, in bytes.
const MAX_COOKIE: usize = 64;
/// A torrent that has not called [`Neighbourhood::ask`] for this long needs no more peers.
const FORGET_AFTER: Duration = Duration::from_secs(10);
/// Addresses of one machine that are accepted for one torrent within [`HEARD_FOR`].
const MAX_OF_MACHINE: usize = 4;
/// Addresses that are remembered, over all torrents.
const MAX_HEARD: usize = 512;
/// How long an address is remembered.
const HEARD_FOR: Duration = Duration::from_secs(10 * 60);

/// The multicast address to which announcements of a family are sent.
pub fn group(family: Family) -> SocketAddr {
    match family {
        Family::V4 => SocketAddr::from((GROUP_V4, PORT)),
        Family::V6 => SocketAddr::from((GROUP_V6, PORT)),
    }
}

/// One announcement: a BT-SEARCH message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LsdMessage {
    /// The port at which the sender listens.
    pub port: u16,
    /// The sender's torrents, at least one.
    pub info_hashes: Vec<InfoHash>,
    /// A value by which a sender recognises its own messages.
    pub cookie: Option<String>,
}

/// Why a datagram is not an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LsdError {
    /// The first line is not that of a search.
    #[error("not a search")]
    NotASearch,
    /// The port is missing or invalid.
    #[error("a search without a port")]
    Port,
    /// No info hash is named.
    #[error("a search without an info hash")]
    InfoHash,
}

impl LsdMessage {
    /// Parses a datagram; ignores unknown headers and invalid hashes.
    ///
    /// # Errors
    /// [`LsdError`]: the datagram is to be ignored.
    pub fn parse(datagram: &[u8]) -> Result<Self, LsdError> {
        let text = std::str::from_utf8(datagram).map_err(|_| LsdError::NotASearch)?;
        let mut lines = text.lines();
        let is_search = lines.next().is_some_and(|line| line.starts_with("BT-SEARCH * HTTP/1."));
        if !is_search {
            return Err(LsdError::NotASearch);
        }
        let (mut port, mut info_hashes, mut cookie) = (None, Vec::new(), None);
        for (name, value) in lines.map_while(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("port") {
                port = value.parse().ok().filter(|port| *port != 0);
            } else if name.eq_ignore_ascii_case("infohash") && info_hashes.len() < MAX_HASHES {
                info_hashes.extend(value.parse::<InfoHash>().ok());
            } else if name.eq_ignore_ascii_case("cookie") {
                cookie = Some(value.chars().take(MAX_COOKIE).collect());
            }
        }
        let port = port.ok_or(LsdError::Port)?;
        if info_hashes.is_empty() {
            Err(LsdError::InfoHash)
        } else {
            Ok(Self { port, info_hashes, cookie })
        }
    }

    /// Encodes the datagram for the group of this family.
    pub fn encode(&self, family: Family) -> Vec<u8> {
        let mut text =
            format!("BT-SEARCH * HTTP/1.1\r\nHost: {}\r\nPort: {}\r\n", group(family), self.port);
        for info_hash in &self.info_hashes {
            text.push_str(&format!("Infohash: {info_hash}\r\n"));
        }
        if let Some(cookie) = &self.cookie {
            text.push_str(&format!("cookie: {cookie}\r\n"));
        }
        text.push_str("\r\n\r\n");
        text.into_bytes()
    }
}

#[derive(Clone, Copy, Debug)]
struct Want {
    asked: Instant,
    /// When the torrent may be announced again.
    due: Instant,
}

/// The torrents to announce, and the neighbours' recent announcements.
#[derive(Clone, Debug, Default)]
pub(crate) struct Neighbourhood {
    wants: BTreeMap<InfoHash, Want>,
    cookie: Option<String>,
    sent: Option<Instant>,
    heard: BTreeMap<(InfoHash, SocketAddr), Instant>,
}

impl Neighbourhood {
    /// A torrent wants to find peers and to be found. It repeats this call every second.
    pub(crate) fn ask(&mut self, info_hash: InfoHash, now: Instant) {
        if self.wants.len() < limits::TORRENTS || self.wants.contains_key(&info_hash) {
            self.wants.entry(info_hash).or_insert(Want { asked: now, due: now }).asked = now;
        }
    }

    /// Makes all announcements due, because the neighbours may be others.
    pub(crate) fn make_due(&mut self, now: Instant) {
        self.wants.values_mut().for_each(|want| want.due = want.due.min(now));
    }

    /// The datagram to send now, if one is due. `port` is where we listen.
    pub(crate) fn poll(
        &mut self,
        port: u16,
        rng: &mut ChaCha8Rng,
        now: Instant,
    ) -> Option<LsdMessage> {
        if self.sent.is_some_and(|at| at + GAP > now) {
            return None;
        }
        // Torrents that stopped asking are kept until they may be announced again, lest they be
        // announced sooner.
        self.wants
            .retain(|_, want| want.due > now || now.saturating_since(want.asked) < FORGET_AFTER);
        let due = self.wants.iter_mut().filter(|(_, want)| want.due <= now).take(MAX_HASHES);
        let info_hashes: Vec<InfoHash> =
            due.map(|(&info_hash, want)| (info_hash, want.due = now + AGAIN).0).collect();
        if info_hashes.is_empty() {
            return None;
        }
        self.sent = Some(now);
        let cookie = self.cookie.get_or_insert_with(|| format!("{:08x}", rng.next_u32())).clone();
        Some(LsdMessage { port, info_hashes, cookie: Some(cookie) })
    }

    /// When [`Neighbourhood::poll`] may next have a datagram.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let due = self.wants.values().map(|want| want.due).min()?;
        Some(self.sent.map_or(due, |at| due.max(at + GAP)))
    }

    /// Reads a datagram; returns new addresses of peers for our torrents.
    pub(crate) fn handle_datagram(
        &mut self,
        from: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) -> Vec<(InfoHash, SocketAddr)> {
        // A link-local address means nothing without its network interface.
        let is_of_interface = matches!(from.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local());
        let Ok(message) = LsdMessage::parse(datagram) else { return Vec::new() };
        if is_of_interface || (message.cookie.is_some() && message.cookie == self.cookie) {
            return Vec::new();
        }
        self.heard.retain(|_, at| now.saturating_since(*at) < HEARD_FOR);
        let addr = SocketAddr::new(from.ip(), message.port);
        let ours =
            message.info_hashes.into_iter().filter(|info_hash| self.wants.contains_key(info_hash));
        let ours: Vec<InfoHash> = ours.collect();
        ours.into_iter()
            .filter(|&info_hash| self.is_news(info_hash, addr, now))
            .map(|it| (it, addr))
            .collect()
    }

    fn is_news(&mut self, info_hash: InfoHash, addr: SocketAddr, now: Instant) -> bool {
        if let Some(at) = self.heard.get_mut(&(info_hash, addr)) {
            *at = now;
            return true;
        }
        let of_machine = (info_hash, SocketAddr::new(addr.ip(), 0))
            ..=(info_hash, SocketAddr::new(addr.ip(), u16::MAX));
        if self.heard.len() >= MAX_HEARD || self.heard.range(of_machine).count() >= MAX_OF_MACHINE {
            return false;
        }
        self.heard.insert((info_hash, addr), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;

    const A: InfoHash = InfoHash([0xab; 20]);
    const B: InfoHash = InfoHash([2; 20]);

    fn at(seconds: u64) -> Instant {
        Instant(0) + Duration::from_secs(seconds)
    }

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::from_seed([1; 32])
    }

    fn search(port: u16, info_hash: InfoHash) -> Vec<u8> {
        LsdMessage { port, info_hashes: vec![info_hash], cookie: None }.encode(Family::V4)
    }

    fn check(datagram: &str, expected: Result<(u16, &[InfoHash], Option<&str>), LsdError>) {
        let expected = expected.map(|(port, info_hashes, cookie)| LsdMessage {
            port,
            info_hashes: info_hashes.to_vec(),
            cookie: cookie.map(str::to_owned),
        });
        assert_eq!(LsdMessage::parse(datagram.as_bytes()), expected, "{datagram}");
    }

    #[test]
    fn announcements_of_other_clients_are_read() {
        let hash = "ab".repeat(20);
        let libtorrents = format!(
            "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\n\
             Infohash: {hash}\r\ncookie: 1f\r\n\r\n\r\n"
        );
        check(&libtorrents, Ok((6881, &[A], Some("1f"))));
        let others = format!(
            "BT-SEARCH * HTTP/1.0\nINFOHASH:{}\nport:1\ninfohash: {hash}\nX: y\n",
            "02".repeat(20)
        );
        check(&others, Ok((1, &[B, A], None)));
    }

    #[test]
    fn anything_but_a_search_is_refused() {
        let hash = "ab".repeat(20);
        check("", Err(LsdError::NotASearch));
        check("M-SEARCH * HTTP/1.1\r\nPort: 1\r\n", Err(LsdError::NotASearch));
        check(&format!("BT-SEARCH * HTTP/1.1\r\nInfohash: {hash}\r\n"), Err(LsdError::Port));
        for port in ["0", "65536", "-1", "x", ""] {
            check(
                &format!("BT-SEARCH * HTTP/1.1\r\nPort: {port}\r\nInfohash: {hash}\r\n"),
                Err(LsdError::Port),
            );
        }
        check("BT-SEARCH * HTTP/1.1\r\nPort: 1\r\nInfohash: abc\r\n", Err(LsdError::InfoHash));
        check(
            &format!("BT-SEARCH * HTTP/1.1\r\nPort: 1\r\n\r\nInfohash: {hash}\r\n"),
            Err(LsdError::InfoHash),
        );
    }

    #[test]
    fn a_torrent_is_announced_every_five_minutes_and_shares_datagrams_with_others() {
        let (mut all, mut rng) = (Neighbourhood::default(), rng());
        let mut named = |all: &mut Neighbourhood, seconds| {
            all.poll(6881, &mut rng, at(seconds))
                .map(|message| message.info_hashes)
                .unwrap_or_default()
        };
        assert_eq!((named(&mut all, 0), all.next_due()), (vec![], None));
        all.ask(A, at(0));
        all.ask(B, at(0));
        assert_eq!(all.next_due(), Some(at(0)));
        assert_eq!(named(&mut all, 0), [B, A]);
        assert_eq!((named(&mut all, 299), all.next_due()), (vec![], Some(at(300))));
        all.ask(A, at(300));
        assert_eq!(named(&mut all, 300), [A], "the other one asks no longer");
        all.ask(B, at(301));
        assert_eq!(named(&mut all, 301), [B]);
    }

    #[test]
    fn stopping_and_asking_again_does_not_announce_sooner() {
        let (mut all, mut rng) = (Neighbourhood::default(), rng());
        all.ask(A, at(0));
        assert!(all.poll(1, &mut rng, at(0)).is_some());
        all.ask(A, at(100));
        assert!(all.poll(1, &mut rng, at(100)).is_none());
    }

    #[test]
    fn many_torrents_are_announced_at_one_datagram_a_second() {
        let (mut all, mut rng) = (Neighbourhood::default(), rng());
        (0..40).for_each(|number| all.ask(InfoHash([number; 20]), at(0)));
        let mut sent = |seconds| {
            all.poll(1, &mut rng, at(seconds)).map_or(0, |message| message.info_hashes.len())
        };
        assert_eq!([sent(0), sent(0), sent(1), sent(2), sent(3)], [16, 0, 16, 8, 0]);
        let message = LsdMessage {
            port: 65_535,
            info_hashes: vec![A; MAX_HASHES],
            cookie: Some("0123abcd".into()),
        };
        assert!(message.encode(Family::V6).len() <= 1_232, "it fits into the least frame of IPv6");
    }

    #[test]
    fn neighbours_with_our_torrents_are_found_and_our_own_echo_is_ignored() {
        let (mut all, mut rng) = (Neighbourhood::default(), rng());
        let from: SocketAddr = "192.168.1.7:50000".parse().unwrap();
        let there: SocketAddr = "192.168.1.7:6881".parse().unwrap();
        assert_eq!(all.handle_datagram(from, &search(6881, A), at(0)), []);
        all.ask(A, at(0));
        assert_eq!(all.handle_datagram(from, &search(6881, A), at(0)), [(A, there)]);
        assert_eq!(all.handle_datagram(from, &search(6881, B), at(0)), []);
        assert_eq!(
            all.handle_datagram("[fe80::1]:9".parse().unwrap(), &search(6881, A), at(0)),
            []
        );
        let ours = all.poll(6882, &mut rng, at(0)).unwrap();
        assert_eq!(all.handle_datagram(from, &ours.encode(Family::V6), at(0)), []);
    }

    #[test]
    fn one_machine_can_announce_only_a_few_addresses_at_a_time() {
        let mut all = Neighbourhood::default();
        all.ask(A, at(0));
        let from: SocketAddr = "10.0.0.1:1".parse().unwrap();
        let mut heard =
            |port, seconds| all.handle_datagram(from, &search(port, A), at(seconds)).len();
        assert_eq!((1..=100).map(|port| heard(port, 0)).sum::<usize>(), MAX_OF_MACHINE);
        assert_eq!((heard(1, 5), heard(101, 5), heard(101, 600)), (1, 0, 1));
    }

    proptest! {
        #[test]
        fn an_encoded_message_parses_to_itself(
            port in 1u16..,
            hashes in prop::collection::vec(any::<[u8; 20]>(), 1..=MAX_HASHES),
            cookie in prop::option::of("[0-9a-f]{1,8}"),
        ) {
            let message = LsdMessage {
                port,
                info_hashes: hashes.into_iter().map(InfoHash).collect(),
                cookie,
            };
            for family in [Family::V4, Family::V6] {
                prop_assert_eq!(LsdMessage::parse(&message.encode(family)), Ok(message.clone()));
            }
        }

        #[test]
        fn no_datagram_panics(
            at in any::<prop::sample::Index>(),
            bytes in prop::collection::vec(any::<u8>(), 0..8),
        ) {
            let mut datagram = search(6881, A);
            let at = at.index(datagram.len());
            datagram.splice(at..at, bytes);
            let _ = LsdMessage::parse(&datagram);
        }
    }
}
