//! Tests of the assembly: requests to peers, liars, and that one honest peer suffices.

use sha1::{Digest, Sha1};

use super::*;
use crate::metainfo::InfoHash;
use crate::metainfo::testing::content;
use crate::peer::metadata::BLOCK;

const SIZE: u32 = 4 * BLOCK + 100;

/// An assembly, the dictionary that it needs, and a clock in seconds.
struct Table {
    assembly: Assembly,
    dictionary: Vec<u8>,
    now: Instant,
}

impl Table {
    /// Creates an assembly to which peers 1, 2, 3 … offer these sizes.
    fn with_offers(sizes: &[u32]) -> Self {
        let dictionary = content(SIZE as usize);
        let assembly = Assembly::new(InfoHash(Sha1::digest(&dictionary).into()).into());
        let mut table = Self { assembly, dictionary, now: Instant(0) };
        (1u64..).zip(sizes).for_each(|(peer, &size)| table.offer(peer, size));
        table
    }

    fn offer(&mut self, peer: u64, size: u32) {
        self.assembly.offer(ConnId(peer), (addr(peer), true), size, self.now);
    }

    /// A peer without the fast extension offers the size.
    fn offer_slowly(&mut self, peer: u64) {
        self.assembly.offer(ConnId(peer), (addr(peer), false), SIZE, self.now);
    }

    fn wait(&mut self, seconds: u64) {
        self.wait_ms(1000 * seconds);
    }

    fn wait_ms(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
    }

    /// The requests, as `peer:block …`.
    fn ask(&mut self) -> String {
        let requests = self.assembly.next_requests(self.now);
        requests
            .iter()
            .map(|(conn, block)| format!("{}:{block}", conn.0))
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn block(&self, block: u32) -> Vec<u8> {
        let from = (block * BLOCK) as usize;
        self.dictionary[from..from + block_length(SIZE, block) as usize].to_vec()
    }

    fn give(&mut self, peer: u64, block: u32) -> Progress {
        let data = self.block(block);
        self.assembly.data(ConnId(peer), block, SIZE, &data, self.now).unwrap()
    }

    fn lie(&mut self, peer: u64, block: u32) -> Progress {
        let mut data = self.block(block);
        data[0] ^= 1;
        self.assembly.data(ConnId(peer), block, SIZE, &data, self.now).unwrap()
    }

    fn found(&self) -> Progress {
        Progress::Found(self.dictionary.clone().into())
    }
}

fn addr(peer: u64) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], u16::try_from(peer).unwrap()))
}

#[test]
fn one_peer_sends_all_a_few_blocks_at_a_time() {
    let mut table = Table::with_offers(&[SIZE]);
    assert_eq!(table.ask(), "1:0 1:1 1:2 1:3");
    assert_eq!(table.ask(), "");
    assert_eq!(table.give(1, 1), Progress::More);
    assert_eq!(table.assembly.progress(), Some((1, 5)));
    assert_eq!(table.ask(), "", "perhaps it answers one at a time");
    assert_eq!(table.give(1, 0), Progress::More);
    assert_eq!(table.ask(), "1:4");
    for block in [4, 3] {
        assert_eq!(table.give(1, block), Progress::More);
    }
    assert_eq!(table.give(1, 2), table.found());
}

#[test]
fn a_peer_without_the_fast_extension_gets_one_request_at_a_time() {
    let mut table = Table::with_offers(&[]);
    table.offer_slowly(1);
    for block in 0..4 {
        assert_eq!(table.ask(), format!("1:{block}"));
        assert_eq!((table.ask(), table.assembly.next_check()), (String::new(), None));
        assert_eq!(table.give(1, block), Progress::More);
    }
    table.ask();
    assert_eq!(table.give(1, 4), table.found());
}

#[test]
fn a_peer_that_drops_requests_gets_one_at_a_time_within_a_moment() {
    let mut table = Table::with_offers(&[SIZE]);
    table.ask();
    table.wait_ms(40);
    table.give(1, 0);
    assert_eq!(table.ask(), "");
    table.wait_ms(99);
    assert_eq!(table.ask(), "");
    table.wait_ms(1);
    assert_eq!(table.assembly.next_check(), Some(table.now));
    for block in 1..4 {
        assert_eq!(table.ask(), format!("1:{block}"));
        assert_eq!(table.give(1, block), Progress::More);
    }
    table.ask();
    assert_eq!(table.give(1, 4), table.found());
}

#[test]
fn another_peer_is_asked_first_for_dropped_blocks() {
    let mut table = Table::with_offers(&[SIZE; 2]);
    assert_eq!(table.ask(), "1:0 2:1 1:2 2:3 1:4");
    table.give(1, 0);
    table.give(2, 1);
    table.give(2, 3);
    table.wait(1);
    assert_eq!(table.ask(), "2:2 1:4");
}

#[test]
fn a_slow_peer_that_answers_after_all_gets_several_requests_again() {
    let mut table = Table::with_offers(&[SIZE]);
    table.ask();
    table.wait(1);
    assert_eq!(table.ask(), "1:0");
    assert_eq!(table.give(1, 1), Progress::More);
    assert_eq!(table.ask(), "1:4", "0, 2 and 3 are on their way");
    for block in [0, 2, 3] {
        assert_eq!(table.give(1, block), Progress::More);
    }
    assert_eq!(table.give(1, 4), table.found());
}

#[test]
fn several_peers_share_the_work() {
    let mut table = Table::with_offers(&[SIZE; 3]);
    assert_eq!(table.ask(), "1:0 2:1 3:2 1:3 2:4");
}

#[test]
fn a_late_block_is_requested_once_more_and_the_first_answer_counts() {
    let mut table = Table::with_offers(&[SIZE; 3]);
    table.ask();
    for (peer, block) in [(2, 1), (3, 2), (1, 3), (2, 4)] {
        table.give(peer, block);
    }
    assert_eq!(table.ask(), "");
    table.wait(2);
    assert_eq!(table.ask(), "2:0", "the first peer dropped it");
    table.wait(2);
    assert_eq!(table.ask(), "3:0");
    table.wait(2);
    assert_eq!(table.ask(), "", "two are enough");
    assert_eq!(table.give(2, 0), table.found());
}

#[test]
fn a_lost_peers_requests_are_free_and_its_blocks_stay() {
    let mut table = Table::with_offers(&[SIZE; 2]);
    assert_eq!(table.ask(), "1:0 2:1 1:2 2:3 1:4");
    table.give(1, 2);
    table.assembly.leave(ConnId(1));
    assert_eq!(table.ask(), "2:0 2:4");
    table.assembly.leave(ConnId(2));
    table.offer(3, SIZE);
    assert_eq!(table.ask(), "3:0 3:1 3:3 3:4");
}

#[test]
fn a_lone_liar_is_guilty_at_once() {
    let mut table = Table::with_offers(&[SIZE]);
    table.ask();
    table.lie(1, 0);
    (1..4).for_each(|block| assert_eq!(table.give(1, block), Progress::More));
    table.ask();
    assert_eq!(table.give(1, 4), Progress::Guilty(addr(1)));
}

#[test]
fn a_liar_among_others_is_found_by_asking_one_peer_alone() {
    let mut table = Table::with_offers(&[SIZE; 2]);
    table.ask();
    table.lie(1, 0);
    for (peer, block) in [(1, 2), (1, 4), (2, 1)] {
        table.give(peer, block);
    }
    assert_eq!(table.give(2, 3), Progress::Mixed);
    assert_eq!(table.ask(), "1:0 1:1 1:2 1:3");
    table.lie(1, 0);
    (1..4).for_each(|block| assert_eq!(table.give(1, block), Progress::More));
    table.ask();
    assert_eq!(table.give(1, 4), Progress::Guilty(addr(1)));
    table.assembly.leave(ConnId(1));
    assert_eq!(table.ask(), "2:0 2:1 2:2 2:3");
    (0..4).for_each(|block| assert_eq!(table.give(2, block), Progress::More));
    table.ask();
    assert_eq!(table.give(2, 4), table.found());
}

#[test]
fn a_peer_asked_alone_is_replaced_when_it_leaves() {
    let mut table = Table::with_offers(&[SIZE; 3]);
    table.ask();
    for (peer, block) in [(1, 0), (2, 1), (1, 3), (2, 4)] {
        table.give(peer, block);
    }
    assert_eq!(table.lie(3, 2), Progress::Mixed);
    table.ask();
    table.give(1, 0);
    table.assembly.leave(ConnId(1));
    assert_eq!(
        table.ask(),
        "2:0 2:1 2:2 2:3",
        "what the first gave alone is not mixed with what the second gives"
    );
}

#[test]
fn blocks_of_a_wrong_size_are_refused_and_unrequested_ones_ignored() {
    let mut table = Table::with_offers(&[SIZE]);
    table.ask();
    assert_eq!(
        table.assembly.data(ConnId(1), 0, SIZE + 1, &table.block(0), table.now),
        Err(WrongBlock)
    );
    assert_eq!(table.assembly.data(ConnId(1), 1, SIZE, b"short", table.now), Err(WrongBlock));
    assert_eq!(table.assembly.data(ConnId(1), 4, SIZE, b"short", table.now), Ok(Progress::More));
    assert_eq!(table.assembly.data(ConnId(7), 0, SIZE, b"", table.now), Ok(Progress::More));
    assert_eq!(table.assembly.data(ConnId(1), 1_000_000, SIZE, b"", table.now), Ok(Progress::More));
}

#[test]
fn a_rejecting_peer_rests_and_is_useless_after_a_few_times() {
    let mut table = Table::with_offers(&[SIZE]);
    for round in 1..=MOST_REJECTS {
        assert_eq!(table.ask(), "1:0 1:1 1:2 1:3", "round {round}");
        assert_eq!(table.assembly.reject(ConnId(1), 0, table.now), round == MOST_REJECTS);
        for block in 1..4 {
            table.assembly.reject(ConnId(1), block, table.now);
        }
        table.wait(4);
        assert_eq!(table.ask(), "");
        table.wait(1);
    }
    assert!(
        !table.assembly.reject(ConnId(1), 9, table.now),
        "what was not asked can't be rejected"
    );
}

#[test]
fn a_peer_is_stalled_only_if_it_owes_blocks() {
    let mut table = Table::with_offers(&[SIZE, SIZE + 1]);
    table.assembly.reject(ConnId(2), 0, table.now);
    table.ask();
    table.wait(10);
    table.give(1, 0);
    table.wait(14);
    assert_eq!(table.assembly.stalled(table.now), [ConnId(2)]);
    table.wait(1);
    assert_eq!(table.assembly.stalled(table.now), [ConnId(1), ConnId(2)]);
    assert!(Table::with_offers(&[SIZE]).assembly.stalled(table.now).is_empty());
}

#[test]
fn each_size_is_assembled_separately_popular_ones_first() {
    let mut table = Table::with_offers(&[7, 8, 9, SIZE]);
    assert_eq!(table.ask(), "1:0 2:0 3:0", "three sizes at once");
    table.offer(5, SIZE);
    assert_eq!(
        table.ask(),
        "4:0 5:1 4:2 5:3 4:4",
        "the size that two peers offer takes the place of one"
    );
    table.assembly.leave(ConnId(1));
    assert!(table.ask().starts_with("3:0"), "which comes back when there is room");
}

#[test]
fn sizes_out_of_bounds_are_ignored() {
    let mut table = Table::with_offers(&[0, limits::METADATA + 1, u32::MAX]);
    assert_eq!(table.ask(), "");
    assert_eq!(table.assembly.progress(), None);
}

#[test]
fn a_peer_may_correct_itself() {
    let mut table = Table::with_offers(&[8]);
    table.ask();
    table.offer(1, SIZE);
    assert_eq!(table.ask(), "1:0 1:1 1:2 1:3");
}

mod model {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever peers do, an honest one that stays is never guilty. The dictionary is found.
        #[test]
        fn one_honest_peer_is_enough(
            deeds in prop::collection::vec((2u64..6, 0u8..7, 0u32..6), 0..60),
        ) {
            let mut table = Table::with_offers(&[SIZE; 3]);
            let mut banned = BTreeSet::new();
            for (peer, deed, block) in deeds {
                table.ask();
                if banned.contains(&addr(peer)) {
                    continue;
                }
                let progress = match deed {
                    0 => {
                        let sizes = [SIZE, 7, SIZE + 5, limits::METADATA, BLOCK, SIZE - 1];
                        table.offer(peer, sizes[block as usize]);
                        continue
                    }
                    1 => { table.assembly.leave(ConnId(peer)); continue }
                    2 => { table.assembly.reject(ConnId(peer), block, table.now); continue }
                    3 => { table.wait(u64::from(block)); continue }
                    4 if block < 5 => table.assembly.data(
                        ConnId(peer),
                        block,
                        SIZE,
                        &table.block(block),
                        table.now,
                    ),
                    5 if block < 5 => table.assembly.data(
                        ConnId(peer),
                        block,
                        SIZE,
                        &vec![0; block_length(SIZE, block) as usize],
                        table.now,
                    ),
                    _ => table.assembly.data(
                        ConnId(1),
                        block,
                        SIZE,
                        &table
                            .dictionary
                            .iter()
                            .copied()
                            .skip((block * BLOCK) as usize)
                            .take(BLOCK as usize)
                            .collect::<Vec<_>>(),
                        table.now,
                    ),
                };
                match progress {
                    Ok(Progress::Guilty(guilty)) => {
                        prop_assert_ne!(guilty, addr(1));
                        banned.insert(guilty);
                        table.assembly.leave(ConnId(u64::from(guilty.port())));
                    }
                    Ok(Progress::Found(whole)) => {
                        prop_assert_eq!(&whole[..], &table.dictionary[..]);
                        return Ok(());
                    }
                    Err(WrongBlock) => table.assembly.leave(ConnId(peer)),
                    Ok(Progress::More | Progress::Mixed) => {}
                }
            }
            for _ in 0..40 {
                table.ask();
                let asked = table.assembly.offers[&ConnId(1)].asked.clone();
                for block in asked {
                    match table.give(1, block) {
                        Progress::Found(_) => return Ok(()),
                        Progress::Guilty(guilty) => {
                            prop_assert_ne!(guilty, addr(1));
                            table.assembly.leave(ConnId(u64::from(guilty.port())));
                        }
                        Progress::More | Progress::Mixed => {}
                    }
                }
                table.wait(5);
                let stalled = table.assembly.stalled(table.now);
                stalled
                    .into_iter()
                    .filter(|conn| *conn != ConnId(1))
                    .for_each(|conn| table.assembly.leave(conn));
            }
            prop_assert!(false, "it is not found");
        }
    }
}
