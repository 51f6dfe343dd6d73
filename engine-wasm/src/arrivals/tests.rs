//! Tests of arrivals: what is read of them, their share of the places, and encrypted ones.

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rc4::{KeyInit, Rc4, StreamCipher};

use super::*;
use crate::peer::handshake::Handshake;

const TORRENT: InfoHash = InfoHash([7; 20]);
const SECOND: InfoHash = InfoHash([9; 20]);

fn addr() -> SocketAddr {
    SocketAddr::from(([1, 2, 3, 4], 5))
}

fn hello() -> [u8; 68] {
    Handshake::ours(TORRENT, [8; 20]).encode()
}

fn rng(seed: u8) -> ChaCha8Rng {
    ChaCha8Rng::from_seed([seed; 32])
}

fn data(arrivals: &mut Arrivals, data: &[u8], encryption: Encryption) -> Option<Vec<Step>> {
    let torrents = [TORRENT, SECOND].into_iter();
    arrivals.data(ConnId(1), data, encryption, torrents, (&mut rng(1), Instant(0)))
}

#[test]
fn an_arrival_is_read_up_to_the_torrents_name_and_not_further() {
    let mut arrivals = Arrivals::default();
    assert_eq!(arrivals.accepted(ConnId(1), addr(), Transport::Utp, Instant(0)), [Step::Read(20)]);
    let mut hear = |bytes: &[u8]| data(&mut arrivals, bytes, Encryption::Allowed);
    assert_eq!(hear(&hello()[..7]), Some(vec![]), "the rest of it is on its way");
    assert_eq!(hear(&hello()[7..20]), Some(vec![Step::Read(28)]));
    assert_eq!(hear(&hello()[20..30]), Some(vec![]));
    let received = hello()[..48].to_vec();
    let named = Named { addr: addr(), over: Transport::Utp, info_hash: TORRENT, received };
    assert_eq!(hear(&hello()[30..48]), Some(vec![Step::Named(named)]));
    assert_eq!(hear(&hello()[48..]), None, "the connection has its torrent now");
}

/// Checks the reaction to the first bytes under an encryption policy.
fn check_first(bytes: &[u8; 20], encryption: Encryption, expected: Step) {
    let mut arrivals = Arrivals::default();
    arrivals.accepted(ConnId(1), addr(), Transport::Utp, Instant(0));
    let steps = data(&mut arrivals, bytes, encryption).unwrap();
    assert_eq!(steps.last(), Some(&expected), "{encryption:?}");
    assert_eq!(arrivals.next_wakeup().is_none(), expected == Step::Refuse);
}

#[test]
fn the_first_bytes_and_the_policy_decide() {
    let other = b"GET / HTTP/1.1\r\nHost";
    check_first(PROTOCOL, Encryption::Off, Step::Read(28));
    check_first(PROTOCOL, Encryption::Allowed, Step::Read(28));
    check_first(PROTOCOL, Encryption::Preferred, Step::Read(28));
    check_first(PROTOCOL, Encryption::Forced, Step::Refuse);
    check_first(other, Encryption::Off, Step::Refuse);
    check_first(other, Encryption::Allowed, Step::Read(76));
    check_first(other, Encryption::Forced, Step::Read(76));
}

/// Runs an encrypted handshake that sends `early` with it and `later` after it.
///
/// Both directions deliver at most `at_once` bytes at a time and never more than requested.
/// Returns the final step and the decrypted bytes after it.
fn shake(
    called: InfoHash,
    early: &[u8],
    later: &[u8],
    at_once: usize,
    seed: u8,
) -> (Option<Step>, Vec<u8>) {
    let mut dialling =
        mse::Handshake::dial(called, early.to_vec(), Encryption::Forced, &mut rng(seed));
    let mut arrivals = Arrivals::default();
    let mut ordered = 0;
    let (mut forth, mut back) = (dialling.take_out(), Vec::new());
    let mut cipher: Option<Rc4> = None;
    let mut todo = arrivals.accepted(ConnId(1), addr(), Transport::Utp, Instant(0));
    let (mut is_over, mut end) = (false, None);
    for _ in 0..100_000 {
        for step in std::mem::take(&mut todo) {
            match step {
                Step::Read(bytes) => ordered += bytes,
                Step::Send(bytes) => back.extend(bytes),
                Step::Transform { read, .. } => {
                    let start = read.expect("forced");
                    let mut stream = Rc4::new_from_slice(&start.key).unwrap();
                    stream.apply_keystream(&mut vec![0; start.skip as usize]);
                    cipher = Some(stream);
                }
                step => end = Some(step),
            }
        }
        if end == Some(Step::Refuse) || (end.is_some() && is_over) {
            cipher.iter_mut().for_each(|cipher| cipher.apply_keystream(&mut forth));
            return (end, forth);
        }
        let length = ordered.min(at_once).min(forth.len());
        if length > 0 && end.is_none() {
            let mut bytes: Vec<u8> = forth.drain(..length).collect();
            ordered -= length;
            cipher.iter_mut().for_each(|cipher| cipher.apply_keystream(&mut bytes));
            let torrents = [SECOND, TORRENT].into_iter();
            todo = arrivals
                .data(
                    ConnId(1),
                    &bytes,
                    Encryption::Allowed,
                    torrents,
                    (&mut rng(seed ^ 1), Instant(0)),
                )
                .unwrap();
        }
        if !is_over {
            let length = dialling.wanted().min(at_once).min(back.len());
            let bytes: Vec<u8> = back.drain(..length).collect();
            match dialling.handle_data(&bytes, std::iter::empty()).unwrap() {
                mse::Step::Read(_) => {}
                mse::Step::Done(outcome) => {
                    is_over = true;
                    let start = outcome.write.unwrap();
                    let mut stream = Rc4::new_from_slice(&start.key).unwrap();
                    stream.apply_keystream(&mut vec![0; start.skip as usize]);
                    let mut later = later.to_vec();
                    stream.apply_keystream(&mut later);
                    forth.extend(later);
                }
            }
            forth.extend(dialling.take_out());
        }
    }
    (None, forth)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// For any split between early and late bytes, and any fragmentation.
    #[test]
    fn not_a_byte_of_an_encrypted_arrival_is_lost_or_decrypted_twice(
        early in 0usize..=148, at_once in 1usize..200, seed: u8,
    ) {
        let words = [&hello()[..], &(0..80).collect::<Vec<u8>>()].concat();
        let (end, rest) = shake(TORRENT, &words[..early], &words[early..], at_once, seed);
        let Some(Step::Named(named)) = end else { panic!("{end:?}") };
        prop_assert_eq!(named.info_hash, TORRENT);
        prop_assert!((48..=68).contains(&named.received.len()));
        prop_assert_eq!([named.received, rest].concat(), words);
    }
}

#[test]
fn an_unknown_torrent_is_refused_in_an_encrypted_handshake() {
    assert_eq!(shake(InfoHash([1; 20]), &hello(), b"", 99, 5).0, Some(Step::Refuse));
    let (end, _) = shake(SECOND, b"no handshake, but twenty bytes and more", b"", 99, 5);
    assert_eq!(end, Some(Step::Refuse));
}

/// An address of its own for each number.
fn another(number: u64) -> SocketAddr {
    SocketAddr::from(([1, 2, 4, u8::try_from(number).unwrap()], 5))
}

#[test]
fn silent_arrivals_are_closed_and_too_many_refused() {
    let mut arrivals = Arrivals::default();
    for conn in 0..limits::ARRIVALS as u64 {
        assert_eq!(
            arrivals.accepted(ConnId(conn), another(conn), Transport::Utp, Instant(conn)),
            [Step::Read(20)]
        );
    }
    assert_eq!(arrivals.accepted(ConnId(999), addr(), Transport::Utp, Instant(0)), [Step::Refuse]);
    let first = Instant(0) + HANDSHAKE_TIMEOUT;
    assert_eq!(arrivals.next_wakeup(), Some(first));
    assert_eq!(arrivals.expire(first), [ConnId(0)]);
    assert!(arrivals.closed(ConnId(1)) && !arrivals.closed(ConnId(1)));
    assert_eq!(data(&mut arrivals, &[0], Encryption::Allowed), None);
    assert_eq!(arrivals.accepted(ConnId(999), addr(), Transport::Utp, first), [Step::Read(20)]);
}

/// Checks that arrivals from `home` have a share of the places, and others the rest.
fn check_share(home: impl Fn(u64) -> SocketAddr, other: &str) {
    let mut arrivals = Arrivals::default();
    let mut arrive = |conn, addr| arrivals.accepted(ConnId(conn), addr, Transport::Tcp, Instant(0));
    let most = limits::ARRIVALS_PER_MACHINE as u64;
    assert!((0..most).all(|conn| arrive(conn, home(conn)) == [Step::Read(20)]));
    assert_eq!(arrive(most, home(most)), [Step::Refuse], "{other}");
    assert_eq!(arrive(most, other.parse().unwrap()), [Step::Read(20)], "{other}");
    assert!(arrivals.closed(ConnId(0)));
    let again = arrivals.accepted(ConnId(99), home(99), Transport::Tcp, Instant(0));
    assert_eq!(again, [Step::Read(20)], "{other}");
}

#[test]
fn one_machine_has_a_share_of_the_places() {
    let port = |conn| 1000 + u16::try_from(conn).unwrap();
    check_share(|conn| SocketAddr::from(([1, 2, 3, 4], port(conn))), "1.2.3.5:1000");
    check_share(|conn| format!("[2001:db8::{conn}]:1").parse().unwrap(), "[2001:db8:0:1::]:1");
    check_share(|conn| format!("[::ffff:1.2.3.4]:{}", port(conn)).parse().unwrap(), "1.2.3.5:1");
}

#[test]
fn arrivals_wait_for_their_turn_to_exchange_keys() {
    let (most, period) = limits::EXCHANGES;
    let mut arrivals = Arrivals::default();
    let key = [5; mse::KEY_LEN];
    let now = Instant(0) + period;
    let mut begun = Vec::new();
    for conn in 0..2 * u64::from(most) {
        arrivals.accepted(ConnId(conn), another(conn), Transport::Tcp, now);
        let mut hear = |bytes: &[u8]| {
            let (known, rng) = (std::iter::empty(), &mut rng(1));
            arrivals.data(ConnId(conn), bytes, Encryption::Allowed, known, (rng, now)).unwrap()
        };
        assert_eq!(hear(&key[..20]), [Step::Read(76)]);
        begun.push(!hear(&key[20..]).is_empty());
    }
    let few = most as usize;
    assert_eq!((begun[..few].contains(&false), begun[few..].contains(&true)), (false, false));
    let mut turn = |now| arrivals.take_turn(Encryption::Allowed, (&mut rng(2), now));
    assert_eq!(turn(now), None);
    let (conn, steps) = turn(now + period).expect("a turn");
    assert_eq!(conn, ConnId(u64::from(most)));
    assert!(matches!(&steps[..], [Step::Send(_), Step::Read(_)]), "{steps:?}");
    assert_eq!(arrivals.next_wakeup(), Some(now + 2 * period));
}
