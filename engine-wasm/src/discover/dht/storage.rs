//! Announces received from other nodes (BEP 5), and tokens that prove a sender's address.
//!
//! Announces are kept for half an hour. Invariant: at most [`MAX_TORRENTS`] torrents, [`MAX_PEERS`]
//! peers of each, and [`MAX_PER_MACHINE`] of these from one machine. A token is valid for one
//! address and one torrent, for five to ten minutes.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand::{Rng, RngExt};
use sha1::{Digest, Sha1};
use shared_proto::io::Family;

use super::message::family_of;
use crate::addresses::machine;
use crate::metainfo::InfoHash;
use crate::time::Instant;

/// Most torrents with stored peers.
pub(crate) const MAX_TORRENTS: usize = 1_000;
/// Most peers stored per torrent: enough for several answers.
pub(crate) const MAX_PEERS: usize = 200;
/// Most peers of one torrent from one machine. Some share an address behind a router.
pub(crate) const MAX_PER_MACHINE: usize = 4;
/// How long an announce is valid. Clients announce every 15 minutes.
pub(crate) const EXPIRY: Duration = Duration::from_secs(30 * 60);
/// How often the token secret changes; the previous secret stays valid, too.
pub(crate) const SECRET_LIFE: Duration = Duration::from_secs(5 * 60);

/// The announced peers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Storage {
    torrents: BTreeMap<InfoHash, BTreeMap<SocketAddr, Instant>>,
}

impl Storage {
    /// Stores a peer of a torrent.
    ///
    /// If there is no room, it replaces the oldest peer of the torrent, or the torrent with the
    /// fewest peers.
    pub(crate) fn announce(&mut self, info_hash: InfoHash, peer: SocketAddr, now: Instant) {
        if !self.torrents.contains_key(&info_hash) && self.torrents.len() >= MAX_TORRENTS {
            let fewest = self
                .torrents
                .iter()
                .min_by_key(|(_, peers)| (peers.len(), peers.values().max().copied()));
            let Some((&fewest, _)) = fewest else { return };
            self.torrents.remove(&fewest);
        }
        let peers = self.torrents.entry(info_hash).or_default();
        if !peers.contains_key(&peer) {
            let machine_of = |addr: &SocketAddr| machine(addr.ip());
            let beside =
                peers.keys().filter(|other| machine_of(other) == machine_of(&peer)).count();
            let of_whom = (beside >= MAX_PER_MACHINE).then(|| machine_of(&peer));
            if of_whom.is_some() || peers.len() >= MAX_PEERS {
                let may_go =
                    |addr: &SocketAddr| of_whom.is_none_or(|machine| machine_of(addr) == machine);
                let oldest =
                    peers.iter().filter(|(addr, _)| may_go(addr)).min_by_key(|(_, at)| **at);
                let oldest = oldest.map(|(addr, _)| *addr);
                oldest.and_then(|oldest| peers.remove(&oldest));
            }
        }
        peers.insert(peer, now);
    }

    /// Returns at most `most` random peers of a torrent in one family.
    pub(crate) fn peers(
        &self,
        info_hash: InfoHash,
        family: Family,
        most: usize,
        rng: &mut impl Rng,
    ) -> Vec<SocketAddr> {
        let peers = self.torrents.get(&info_hash).into_iter().flatten().map(|(addr, _)| *addr);
        let mut peers: Vec<SocketAddr> = peers.filter(|addr| family_of(*addr) == family).collect();
        for at in 0..most.min(peers.len()) {
            let other = rng.random_range(at..peers.len());
            peers.swap(at, other);
        }
        peers.truncate(most);
        peers
    }

    /// Removes expired announces.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.torrents.retain(|_, peers| {
            peers.retain(|_, at| now.saturating_since(*at) < EXPIRY);
            !peers.is_empty()
        });
    }

    /// Returns the number of torrents and of peers.
    #[cfg(test)]
    pub(crate) fn len(&self) -> (usize, usize) {
        (self.torrents.len(), self.torrents.values().map(BTreeMap::len).sum())
    }
}

/// Creates and verifies tokens without storing them.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    secret: [u8; 16],
    former: [u8; 16],
    changed: Instant,
}

impl Tokens {
    /// Creates random secrets.
    pub(crate) fn new(rng: &mut impl Rng, now: Instant) -> Self {
        Self { secret: rng.random(), former: rng.random(), changed: now }
    }

    /// Changes the secret if it is due.
    pub(crate) fn rotate(&mut self, rng: &mut impl Rng, now: Instant) {
        if now.saturating_since(self.changed) >= SECRET_LIFE {
            self.former = std::mem::replace(&mut self.secret, rng.random());
            self.changed = now;
        }
    }

    /// Returns the token that an announce from this address must contain.
    pub(crate) fn token(&self, ip: IpAddr, info_hash: InfoHash) -> Vec<u8> {
        make(&self.secret, ip, info_hash)
    }

    /// Returns whether an announce contains a valid token.
    pub(crate) fn is_valid(&self, token: &[u8], ip: IpAddr, info_hash: InfoHash) -> bool {
        [&self.secret, &self.former].into_iter().any(|secret| make(secret, ip, info_hash) == token)
    }
}

fn make(secret: &[u8; 16], ip: IpAddr, info_hash: InfoHash) -> Vec<u8> {
    let hash = Sha1::new().chain_update(secret).chain_update(info_hash.0);
    let hash = match ip {
        IpAddr::V4(ip) => hash.chain_update(ip.octets()),
        IpAddr::V6(ip) => hash.chain_update(ip.octets()),
    };
    hash.finalize()[..8].to_vec()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(1)
    }

    fn at(minutes: u64) -> Instant {
        Instant(0) + Duration::from_secs(60 * minutes)
    }

    fn hash(number: usize) -> InfoHash {
        let mut hash = [0; 20];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        InfoHash(hash)
    }

    fn peer(number: usize) -> SocketAddr {
        let [.., a, b] = number.to_be_bytes();
        SocketAddr::from(([1, 2, a, b], 6881))
    }

    fn peers(storage: &Storage, number: usize) -> Vec<SocketAddr> {
        let mut peers = storage.peers(hash(number), Family::V4, 1_000, &mut rng());
        peers.sort_unstable();
        peers
    }

    #[test]
    fn an_announce_counts_for_half_an_hour_after_the_last() {
        let mut storage = Storage::default();
        storage.announce(hash(1), peer(1), at(0));
        storage.announce(hash(1), peer(2), at(0));
        storage.announce(hash(1), peer(1), at(20));
        storage.expire(at(29));
        assert_eq!(peers(&storage, 1), [peer(1), peer(2)]);
        storage.expire(at(30));
        assert_eq!(peers(&storage, 1), [peer(1)]);
        storage.expire(at(50));
        assert_eq!(storage.len(), (0, 0));
    }

    #[test]
    fn each_family_gets_its_own_peers_and_large_swarms_are_sampled() {
        let mut storage = Storage::default();
        let v6: SocketAddr = "[2001:db8::1]:6881".parse().unwrap();
        storage.announce(hash(1), v6, at(0));
        (0..100).for_each(|number| storage.announce(hash(1), peer(number), at(0)));
        assert_eq!(storage.peers(hash(1), Family::V6, 50, &mut rng()), [v6]);
        let sample = storage.peers(hash(1), Family::V4, 50, &mut rng());
        assert_eq!(sample.len(), 50);
        assert_ne!(
            sample,
            storage.peers(hash(1), Family::V4, 50, &mut ChaCha8Rng::seed_from_u64(2))
        );
    }

    #[test]
    fn the_oldest_peer_and_the_smallest_torrent_are_replaced() {
        let mut storage = Storage::default();
        storage.announce(hash(0), peer(0), at(0));
        (0..=MAX_PEERS)
            .for_each(|number| storage.announce(hash(1), peer(number), at(u64::from(number > 0))));
        assert_eq!(peers(&storage, 1), (1..=MAX_PEERS).map(peer).collect::<Vec<_>>());
        (2..=MAX_TORRENTS).for_each(|number| storage.announce(hash(number), peer(1), at(1)));
        assert_eq!(storage.len().0, MAX_TORRENTS);
        assert_eq!((peers(&storage, 0).len(), peers(&storage, 1).len()), (0, MAX_PEERS));
    }

    #[test]
    fn one_machine_can_fill_no_torrent() {
        let mut storage = Storage::default();
        storage.announce(hash(1), peer(2), at(0));
        (1..100u16).for_each(|port| {
            storage.announce(hash(1), SocketAddr::new(peer(1).ip(), port), at(port.into()))
        });
        let expected = [96, 97, 98, 99].map(|port| SocketAddr::new(peer(1).ip(), port));
        assert_eq!(peers(&storage, 1), [&expected[..], &[peer(2)]].concat());
    }

    #[test]
    fn a_token_is_good_for_one_address_and_torrent_and_for_ten_minutes_at_most() {
        let mut tokens = Tokens::new(&mut rng(), at(0));
        let token = tokens.token(peer(1).ip(), hash(1));
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        tokens.rotate(&mut rng, at(4));
        assert_eq!(tokens.token(peer(1).ip(), hash(1)), token);
        tokens.rotate(&mut rng, at(5));
        assert_ne!(tokens.token(peer(1).ip(), hash(1)), token);
        assert!(tokens.is_valid(&token, peer(1).ip(), hash(1)));
        assert!(!tokens.is_valid(&token, peer(2).ip(), hash(1)));
        assert!(!tokens.is_valid(&token, peer(1).ip(), hash(2)));
        assert!(!tokens.is_valid(b"", peer(1).ip(), hash(1)));
        tokens.rotate(&mut rng, at(10));
        assert!(!tokens.is_valid(&token, peer(1).ip(), hash(1)));
    }
}
