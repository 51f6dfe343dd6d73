//! Tests of the order and times of dialling. Every address stays in exactly one state.

use proptest::prelude::*;

use super::*;
use crate::peer::mse::Encryption;
use crate::peer::policy::Transport;

fn addr(number: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, (number >> 8).to_be_bytes()[1], number.to_be_bytes()[1]], 6881))
}

fn at(seconds: u64) -> Instant {
    Instant::default() + Duration::from_secs(seconds)
}

fn known(numbers: impl IntoIterator<Item = u16>) -> Candidates {
    let mut candidates = Candidates::default();
    for number in numbers {
        assert!(candidates.add(addr(number), Source::Tracker));
    }
    candidates
}

/// Fails the next dial at each of these times. Expects an address to be due exactly then.
fn check_waits(candidates: &mut Candidates, from: u64, waits: &[u64]) {
    let mut now = from;
    for wait in waits {
        assert!(candidates.next_to_dial(at(now)).is_some(), "at {now} s");
        candidates.failed(addr(1), at(now));
        assert_eq!(candidates.next_ready(), Some(at(now + wait)));
        assert_eq!(candidates.next_to_dial(at(now + wait - 1)), None);
        now += wait;
    }
}

#[test]
fn each_address_is_dialled_once_in_order_of_arrival() {
    let mut candidates = known([2, 1]);
    assert!(!candidates.add(addr(2), Source::Tracker));
    assert_eq!(candidates.next_ready(), Some(Instant::default()));
    assert_eq!(candidates.next_to_dial(at(0)), Some(addr(2)));
    assert_eq!(candidates.next_to_dial(at(0)), Some(addr(1)));
    assert_eq!(candidates.next_to_dial(at(9999)), None);
    assert_eq!(candidates.next_ready(), None);
    assert_eq!(candidates.len(), 2);
}

#[test]
fn the_wait_doubles_up_to_ten_minutes() {
    check_waits(&mut known([1]), 0, &[5, 10, 20, 40, 80, 160, 320, 600, 600]);
    assert_eq!(retry_after(u32::MAX), MAX_RETRY);
}

#[test]
fn only_a_long_connection_resets_failures() {
    let mut candidates = known([1]);
    check_waits(&mut candidates, 0, &[5, 10]);
    candidates.next_to_dial(at(15));
    candidates.reached(addr(1), Reached::Peer);
    candidates.failed(addr(1), at(16));
    assert_eq!(candidates.next_ready(), Some(at(36)));
    candidates.next_to_dial(at(36));
    candidates.reached(addr(1), Reached::Peer);
    candidates.failed(addr(1), at(96));
    assert_eq!(candidates.next_ready(), Some(at(101)));
}

#[test]
fn another_way_is_tried_at_once_and_costs_no_wait() {
    let policy = ConnectionPolicy { encryption: Encryption::Allowed, tcp: true, utp: true };
    let mut candidates = known([1]);
    let mut dial = |now| {
        let addr = candidates.next_to_dial(at(now)).unwrap();
        let (method, more) = candidates.choose_method(addr, policy).unwrap();
        assert_eq!(candidates.is_encrypted(addr), method.encrypted);
        candidates.reached(
            addr,
            if method.transport == Transport::Tcp { Reached::Nothing } else { Reached::Connection },
        );
        (method.transport, method.encrypted, more, candidates.failed(addr, at(now)))
    };
    assert_eq!(dial(0), (Transport::Tcp, false, true, true));
    assert_eq!(dial(0), (Transport::Utp, false, false, true));
    assert_eq!(dial(0), (Transport::Utp, true, false, false));
    assert_eq!(candidates.next_ready(), Some(at(5)));
}

#[test]
fn a_punched_address_is_dialled_after_failures_unless_in_use_banned_or_left_alone() {
    let policy = ConnectionPolicy { utp: true, ..ConnectionPolicy::default() };
    let mut candidates = known([1, 2, 3, 4]);
    (0..4).for_each(|_| _ = candidates.next_to_dial(at(0)));
    candidates.failed(addr(1), at(0));
    candidates.ban(addr(3));
    candidates.set_complete(addr(4), at(0));
    let mut punch =
        |number| candidates.punch(addr(number), policy, at(1)).map(|method| method.transport);
    assert_eq!(
        [1, 1, 2, 3, 4, 5].map(&mut punch),
        [Some(Transport::Utp), None, None, None, None, Some(Transport::Utp)]
    );
    assert_eq!(candidates.source(addr(5)), Some(Source::Pex));
    assert!(!candidates.failed(addr(1), at(2)), "no other way is tried");
    assert_eq!(candidates.punch(addr(6), ConnectionPolicy::default(), at(3)), None);
    assert_eq!(candidates.next_to_dial(at(3)), Some(addr(6)), "it may be dialled otherwise");
}

#[test]
fn a_released_address_is_ready_at_once() {
    let mut candidates = known([1]);
    candidates.next_to_dial(at(0));
    candidates.released(addr(1));
    assert_eq!(candidates.next_to_dial(at(0)), Some(addr(1)));
}

#[test]
fn fewer_failures_and_the_users_addresses_go_first() {
    let mut candidates = known([1, 2]);
    candidates.add(addr(3), Source::Hand);
    assert_eq!(candidates.next_to_dial(at(0)), Some(addr(3)));
    candidates.failed(addr(3), at(0));
    assert_eq!(candidates.next_to_dial(at(60)), Some(addr(1)));
}

#[test]
fn an_address_that_the_user_names_again_does_not_wait() {
    let mut candidates = known([1]);
    candidates.next_to_dial(at(0));
    assert!(!candidates.add(addr(1), Source::Hand));
    assert_eq!(candidates.next_to_dial(at(0)), None, "in use");
    candidates.failed(addr(1), at(0));
    assert!(!candidates.add(addr(1), Source::Tracker));
    assert_eq!(candidates.next_to_dial(at(0)), None);
    assert!(!candidates.add(addr(1), Source::Hand));
    assert_eq!(candidates.next_to_dial(at(0)), Some(addr(1)));
}

#[test]
fn banned_addresses_are_forgotten_and_never_added_again() {
    let mut candidates = known([1, 2]);
    candidates.next_to_dial(at(0));
    candidates.ban(addr(1));
    candidates.failed(addr(1), at(0));
    assert!(!candidates.add(addr(1), Source::Hand));
    assert_eq!(candidates.next_to_dial(at(0)), Some(addr(2)));
    assert_eq!(candidates.len(), 1);
}

#[test]
fn bans_are_bounded() {
    let mut candidates = Candidates::default();
    (0..2000).for_each(|number| candidates.ban(addr(number)));
    assert_eq!((candidates.banned.len(), candidates.bans.len()), (MAX_BANNED, MAX_BANNED));
    assert!(
        candidates.add(addr(1), Source::Tracker) && !candidates.add(addr(1999), Source::Tracker)
    );
}

#[test]
fn a_full_list_drops_a_failed_address_or_refuses_new_ones() {
    let mut candidates = known(0..2000);
    assert!(!candidates.add(addr(5000), Source::Hand));
    let failed = candidates.next_to_dial(at(0)).unwrap();
    candidates.failed(failed, at(0));
    assert!(candidates.add(addr(5000), Source::Tracker));
    assert_eq!(candidates.len(), MAX_CANDIDATES);
    assert!(!candidates.add(failed, Source::Tracker));
}

#[test]
fn canonical_priority_breaks_ties_once_our_address_is_known() {
    let mut candidates = Candidates::default();
    for peer in ["123.213.32.234:1", "98.76.54.32:1", "[2001:db8::1]:1"] {
        candidates.add(peer.parse().unwrap(), Source::Tracker);
    }
    candidates.set_own([Some("123.213.32.10:9".parse().unwrap()), None]);
    candidates.add("123.213.32.10:5".parse().unwrap(), Source::Hand);
    let order: Vec<String> = std::iter::from_fn(|| candidates.next_to_dial(at(0)))
        .map(|addr| addr.to_string())
        .collect();
    assert_eq!(order, ["123.213.32.10:5", "98.76.54.32:1", "123.213.32.234:1", "[2001:db8::1]:1"]);
}

#[test]
fn addresses_from_peers_alone_come_last_and_do_not_displace_others() {
    let mut candidates = Candidates::default();
    let named = (0..2000).filter(|&number| candidates.add(addr(number), Source::Pex)).count();
    assert_eq!(named, MAX_FROM_PEX);
    assert!(
        candidates.add(addr(1999), Source::Tracker) && !candidates.add(addr(3), Source::Tracker)
    );
    assert!(candidates.add(addr(1500), Source::Pex), "one of them turned out to be a tracker's");
    assert_eq!(candidates.next_to_dial(at(0)), Some(addr(3)));
    assert_eq!(
        (candidates.source(addr(4)), candidates.source(addr(1600))),
        (Some(Source::Pex), None)
    );
}

#[test]
fn addresses_that_cannot_be_dialled_are_not_added() {
    for text in [
        "1.2.3.4:0",
        "0.0.0.0:1",
        "0.1.2.3:1",
        "224.0.0.1:1",
        "255.255.255.255:1",
        "[::]:1",
        "[ff02::1]:1",
    ] {
        assert!(!Candidates::default().add(text.parse().unwrap(), Source::Hand), "{text}");
    }
    let mut candidates = known([]);
    assert!(candidates.add("[::ffff:1.2.3.4]:5".parse().unwrap(), Source::Tracker));
    assert_eq!(candidates.next_to_dial(at(0)), Some("1.2.3.4:5".parse().unwrap()));
}

proptest! {
    #[test]
    fn every_address_stays_in_exactly_one_state(
        steps in prop::collection::vec((0u8..7, 0u16..6, 0u64..20), 0..80),
    ) {
        let mut candidates = Candidates::default();
        let mut now = 0;
        for (what, number, pause) in steps {
            now += pause;
            match what {
                0 => drop(candidates.add(addr(number), Source::Tracker)),
                1 => drop(candidates.add(addr(number), Source::Hand)),
                2 | 3 => drop(candidates.next_to_dial(at(now))),
                4 => _ = candidates.failed(addr(number), at(now)),
                5 => candidates.released(addr(number)),
                _ => candidates.reached(addr(number), Reached::Peer),
            }
            let is = |wanted: fn(&State) -> bool| {
                candidates.known.values().filter(|c| wanted(&c.state)).count()
            };
            prop_assert_eq!(candidates.ready.len(), is(|state| matches!(state, State::Ready)));
            prop_assert_eq!(
                candidates.waiting.len(),
                is(|state| matches!(state, State::Waiting(_)))
            );
            for (rank_of, addr) in &candidates.ready {
                prop_assert_eq!(*rank_of, rank(&candidates.known[addr]));
            }
        }
    }
}
