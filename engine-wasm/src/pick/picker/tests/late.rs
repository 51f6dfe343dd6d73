//! Blocks that are requested a second time, because their peer is late or slow.

use super::*;

#[test]
fn a_late_block_is_requested_from_two_more_peers() {
    let mut table = Table::new(1, &["x"; 5]);
    table.want(&[0]);
    table.check(1, "0.0");
    for peer in 2..=3 {
        table.check(peer, "");
        table.wait(1_000);
        table.check(1, "");
        table.check(peer, "0.0*");
    }
    table.wait(1_000);
    table.check(4, "");
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
fn a_late_block_without_a_viewer_is_not_requested_twice() {
    let mut table = Table::new(1, &["xx", "xx"]);
    table.want(&[1, 0]);
    table.ask(1, FIRST, 100);
    table.wait(1_000);
    table.check(2, "1.0");
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
    let (now, mut pick) =
        (table.now, Pick { conn: ConnId(1), block: FIRST, eta: 2 * eta, duplicate: false });
    table.scheduler().ask(pick, now);
    table.check(2, "");
    table.scheduler().take_back(ConnId(1), &[FIRST]);
    table.peers.get_mut(&ConnId(1)).unwrap().forget(FIRST);
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
