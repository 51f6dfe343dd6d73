//! Blocks that are requested a second time, because their peer is late or slow.

use super::*;

#[test]
fn a_late_block_is_requested_from_two_more_peers() {
    let mut table = Table::new(1, &["xx"; 5]);
    (1..=5).for_each(|peer| table.prove(peer));
    table.want(&[0]);
    table.check(1, "0.0");
    for peer in 2..=3 {
        table.check(peer, "");
        table.wait(2_500);
        table.check(1, "");
        table.check(peer, "0.0*");
    }
    table.wait(2_500);
    table.check(4, "");
}

#[test]
fn blocks_of_peers_that_never_sent_any_are_requested_from_each_idle_peer() {
    for watched in [true, false] {
        let mut table = Table::new(1, &["x"; 6]);
        if watched {
            table.want(&[0]);
        }
        table.may_duplicate = false;
        table.check(1, "0.0");
        for peer in 2..=6 {
            table.check(peer, "");
            table.wait(4_500);
            table.check(peer, "0.0*");
        }
    }
}

#[test]
fn the_block_that_is_expected_last_is_requested_first_in_the_end_game() {
    let mut table = Table::new(1, &["xxx"; 3]);
    for (piece, eta_ms) in [(0, 1_000), (1, 9_000), (2, 2_000)] {
        table.ask(1, testing::block(piece, 0), eta_ms);
    }
    table.may_duplicate = false;
    table.check(2, "");
    table.may_duplicate = true;
    table.check(2, "1.0* 2.0* 0.0*");
    table.check(3, "");
}

#[test]
fn a_snubbing_peer_is_not_asked_for_what_others_owe() {
    let mut table = Table::new(1, &["xx", "xx"]);
    table.ask(1, FIRST, 100);
    table.ask(2, testing::block(1, 0), 100);
    table.wait(11_000);
    let now = table.now;
    assert!(table.peers.get_mut(&ConnId(1)).unwrap().tick(now), "it snubs");
    table.scheduler().snubbed(ConnId(1), now);
    table.check(1, "");
    table.check(2, "0.0");
}

#[test]
fn four_late_pieces_are_searched_that_this_peer_has() {
    let mut table = Table::new(1, &["xxxxxx", ".....x"]);
    for piece in 0..6 {
        table.ask(1, testing::block(piece, 0), 100);
    }
    table.want(&[0, 1, 2, 3, 4, 5]);
    table.await_all();
    table.wait(1_000);
    table.check(2, "5.0*");
}

#[test]
fn a_slow_block_is_requested_from_one_other_peer() {
    let mut table = Table::new(1, &["x"; 4]);
    table.want(&[0]);
    table.ask(1, FIRST, 250);
    table.check(2, "");
    let mut table = Table::new(1, &["x"; 4]);
    table.want(&[0]);
    table.ask(1, FIRST, 5_000);
    table.may_duplicate = false;
    table.check(2, "");
    table.may_duplicate = true;
    table.check(2, "0.0*");
    let mut table = Table::new(1, &["x"; 4]);
    table.want(&[0]);
    table.ask(1, FIRST, 5_000);
    table.ask(2, FIRST, 5_000);
    table.check(3, "");
}

#[test]
fn late_blocks_come_before_unwatched_ones() {
    let mut table = Table::new(1, &["xx", "xx"]);
    table.want(&[0]);
    table.ask(1, FIRST, 100);
    table.wait(1_000);
    table.check(2, "0.0* 1.0");
}

#[test]
fn late_blocks_follow_those_that_are_needed_as_much() {
    let mut table = Table::new(1, &["xxxx", "xxxx"]);
    table.want(&[1, 0]);
    table.ask(1, FIRST, 100);
    table.ask(1, testing::block(3, 0), 100);
    table.wait(1_000);
    table.check(2, "1.0 0.0* 2.0 3.0*");
}

#[test]
fn a_late_block_is_not_requested_from_a_peer_without_it() {
    let mut table = Table::new(1, &["xx", ".x", "xx"]);
    table.want(&[0]);
    table.ask(1, FIRST, 100);
    table.wait(1_000);
    table.check(2, "1.0");
    table.check(3, "0.0*");
}

#[test]
fn a_block_is_late_once_it_is_overdue_by_more_than_the_slack_of_its_peer() {
    let mut table = Table::new(1, &["x"; 2]);
    table.want(&[0]);
    table.ask(1, FIRST, 100);
    let slack = u64::try_from(table.peers[&ConnId(1)].slack().as_millis()).unwrap();
    table.wait(100 + slack);
    table.check(2, "");
    table.wait(1);
    table.check(2, "0.0*");
}

#[test]
fn a_block_is_slow_when_it_takes_more_than_twice_as_long_as_another_peer() {
    let mut table = Table::new(1, &["x"; 2]);
    table.want(&[0]);
    let eta = table.peers[&ConnId(2)].eta(table.now);
    let (now, mut pick) = (
        table.now,
        Pick { conn: ConnId(1), block: FIRST, eta: 2 * eta, duplicate: false, hopeless: false },
    );
    table.scheduler().ask(pick, now);
    table.check(2, "");
    let mut table = Table::new(1, &["x"; 2]);
    table.want(&[0]);
    pick.eta += Duration::from_micros(1);
    table.scheduler().ask(pick, now);
    table.check(2, "0.0*");
}

#[test]
fn a_web_seed_is_late_and_slow_as_a_peer_is() {
    let seed = WebSeedId(0);
    let table = || {
        let mut table = Table::new(1, &["x"]);
        table.want(&[0]);
        table.scheduler().begin(FIRST, Source::WebSeed(seed));
        table
    };
    let eta = table().peers[&ConnId(1)].eta(table().now);
    let twice = table().now + 2 * eta;
    for (expected, asked) in [
        (None, "0.0*"),
        (Some(Instant(table().now.0 - 1)), "0.0*"),
        (Some(table().now), ""),
        (Some(twice), ""),
        (Some(twice + Duration::from_micros(1)), "0.0*"),
    ] {
        let mut table = table();
        table.web = expected.map(|expected| (seed, expected)).into_iter().collect();
        table.check(1, asked);
    }
    // A late block may have three holders, a slow one only two.
    for (expected, asked) in
        [(table().now + Duration::from_secs(9), ""), (Instant(table().now.0 - 1), "0.0*")]
    {
        let mut table = table();
        let other = WebSeedId(1);
        table.scheduler().begin(FIRST, Source::WebSeed(other));
        table.web = [seed, other].map(|seed| (seed, expected)).into();
        table.check(1, asked);
    }
}
