//! Plain and encrypted connections between engines with different settings.

use std::time::Duration;

use super::engines::{Engines, TRACKER, addr_of};
use crate::Config;
use crate::discover::Sources;
use crate::metainfo::testing::torrent_with_trackers;
use crate::net::NetConfig;
use crate::peer::mse::Encryption::{self, Allowed, Forced, Off, Preferred};
use crate::peer::policy::ConnectionPolicy;
use crate::view::Intent;

const MIB: u64 = 1 << 20;

/// Creates a seeder and a downloader, of which only the downloader dials. Bytes arrive in parts of
/// this size.
fn talk(dials: Encryption, answers: Encryption, crumbs: usize, seed: u8) -> Engines {
    let sample = torrent_with_trackers(64 << 10, &[("film.mp4", 500_000)], &[TRACKER]);
    let policy = move |node| if node == 0 { answers } else { dials };
    let config = move |node| Config {
        policy: ConnectionPolicy { encryption: policy(node), ..ConnectionPolicy::default() },
        ..Config::default()
    };
    let mut engines = Engines::configured(sample, &[4 * MIB, MIB], seed, config);
    engines.crumbs = crumbs;
    engines.seed(0);
    engines.add(1);
    engines.run_until_within(Duration::from_secs(20), |engines| engines.is_complete(1));
    engines
}

/// Returns how often the downloader dialled the seeder.
fn dials_of(engines: &Engines) -> usize {
    engines.connected.iter().filter(|pair| **pair == (1, 0)).count()
}

/// Returns whether the handshakes were readable on the network.
fn is_overheard(engines: &Engines) -> bool {
    engines.overheard.iter().any(|pair| [(0, 1), (1, 0)].contains(pair))
}

/// Checks whether the engines connect, at which dial, and whether in plain text.
fn check(dials: Encryption, answers: Encryption, expected: Option<(usize, bool)>) {
    let engines = talk(dials, answers, 0, 70);
    assert_eq!(engines.is_complete(1), expected.is_some(), "{dials:?} to {answers:?}");
    let Some((dialled, in_the_clear)) = expected else { return };
    assert!(engines.is_right(1));
    assert_eq!(dials_of(&engines), dialled, "{dials:?} to {answers:?}");
    assert_eq!(is_overheard(&engines), in_the_clear, "{dials:?} to {answers:?}");
}

#[test]
fn connections_use_an_encryption_that_both_ends_allow() {
    let (plain, secret) = (Some((1, true)), Some((1, false)));
    for dials in [Off, Allowed] {
        for answers in [Off, Allowed, Preferred] {
            check(dials, answers, plain);
        }
    }
    for dials in [Preferred, Forced] {
        for answers in [Allowed, Preferred, Forced] {
            check(dials, answers, secret);
        }
    }
    // The first dial was plain, the second is encrypted.
    check(Allowed, Forced, Some((2, true)));
    check(Preferred, Off, Some((2, true)));
    check(Off, Forced, None);
    check(Forced, Off, None);
}

#[test]
fn handshakes_work_however_their_bytes_are_split() {
    for crumbs in [1, 2, 3, 7, 19, 20, 21, 67, 95, 96, 97, 131] {
        for seed in 0..3 {
            let engines = talk(Forced, Forced, crumbs, 71 + seed);
            assert!(
                engines.is_complete(1) && engines.is_right(1),
                "in parts of {crumbs} bytes, seed {seed}"
            );
            assert_eq!((dials_of(&engines), is_overheard(&engines)), (1, false));
        }
    }
}

#[test]
fn metadata_arrives_over_an_encrypted_connection() {
    let sample = torrent_with_trackers(64 << 10, &[("film.mp4", 500_000)], &[TRACKER]);
    let policy = ConnectionPolicy { encryption: Forced, ..ConnectionPolicy::default() };
    let config = move |_| Config { policy, ..Config::default() };
    let mut engines = Engines::configured(sample, &[4 * MIB, MIB], 75, config);
    engines.seed(0);
    let uri = format!("magnet:?xt=urn:btih:{}&tr={TRACKER}", engines.info_hash());
    engines.intend(1, Intent::AddMagnet { uri });
    engines.run_until_within(Duration::from_secs(40), |engines| engines.is_complete(1));
    assert!(engines.is_right(1));
    assert!(!is_overheard(&engines));
}

#[test]
fn plain_connections_are_closed_if_encryption_is_required() {
    let sample = torrent_with_trackers(64 << 10, &[("film.mp4", 500_000)], &[TRACKER]);
    let policy = ConnectionPolicy { encryption: Forced, ..ConnectionPolicy::default() };
    let mut engines =
        Engines::configured(sample, &[MIB], 76, move |_| Config { policy, ..Config::default() });
    engines.seed(0);
    let stranger = engines.dial(0);
    engines.say(stranger, b"\x13BitTorrent protocol".to_vec());
    assert!(engines.strangers[&stranger].closed && engines.strangers[&stranger].heard.is_empty());
}

#[test]
fn a_peer_unreachable_over_tcp_is_dialled_over_utp() {
    for encryption in [Off, Allowed, Forced] {
        for tcp in [true, false] {
            let sample = torrent_with_trackers(64 << 10, &[("film.mp4", 500_000)], &[TRACKER]);
            let config = move |_| {
                let net = NetConfig { udp: true, ..NetConfig::default() };
                Config {
                    net,
                    policy: ConnectionPolicy { encryption, tcp, utp: true },
                    ..Config::default()
                }
            };
            let mut engines = Engines::configured(sample, &[4 * MIB, MIB], 77, config);
            engines.without_tcp = true;
            engines.seed(0);
            engines.add(1);
            let took =
                engines.run_until_within(Duration::from_secs(20), |engines| engines.is_complete(1));
            assert!(engines.is_right(1) && dials_of(&engines) == 1, "{encryption:?}");
            assert!(
                took.is_some_and(|took| took < Duration::from_secs(3)),
                "{took:?}: it is tried at once"
            );
        }
    }
}

#[test]
fn peers_known_early_are_dialled_once_sockets_are_open() {
    let sample = torrent_with_trackers(64 << 10, &[("film.mp4", 500_000)], &[]);
    let config = move |_| {
        let net = NetConfig { udp: true, ..NetConfig::default() };
        let sources = Sources { lsd: false, ..Sources::default() };
        Config {
            net,
            sources,
            policy: ConnectionPolicy { tcp: false, utp: true, ..ConnectionPolicy::default() },
            ..Config::default()
        }
    };
    let mut engines = Engines::configured(sample, &[4 * MIB, MIB], 78, config);
    engines.seed(0);
    engines.sockets_take = Duration::from_millis(50);
    engines.replace(1, 79);
    engines.add(1);
    let peers = vec![addr_of(0).to_string()];
    engines.intend(1, Intent::AddPeers { info_hash: engines.info_hash(), peers });
    let took = engines.run_until_within(Duration::from_secs(20), |engines| engines.is_complete(1));
    assert!(took.is_some_and(|took| took < Duration::from_secs(1)), "{took:?}");
}
