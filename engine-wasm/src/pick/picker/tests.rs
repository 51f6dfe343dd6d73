//! Which peer is asked for which block, as text: `1.0` is block 0 of piece 1, followed by `*` for a
//! duplicate request.

mod late;

use bytes::Bytes;
use rand::SeedableRng as _;
use rand::rngs::ChaCha8Rng;

use super::*;
use crate::bitfield::Bitfield;
use crate::geometry::{BLOCK_LENGTH, BlockIndex, Geometry, testing};
use crate::metainfo::{Identity, InfoHash};
use crate::peer::PeerEvent;
use crate::peer::handshake::Handshake;
use crate::peer::wire::Message;
use crate::pick::priority::Priority;
use crate::pick::scheduler::Scheduler;

/// Peers 1, 2, 3 … without history. Each takes four requests and should answer within 131 ms.
struct Table {
    geometry: Geometry,
    picker: Picker,
    pieces: PieceMap,
    availability: Availability,
    suspects: Suspects,
    peers: BTreeMap<ConnId, Peer>,
    may_duplicate: bool,
    web: BTreeMap<WebSeedId, Instant>,
    now: Instant,
}

impl Table {
    /// Creates pieces of `blocks` blocks each. `peers` has one picture per peer, such as `x.x`.
    fn new(blocks: u32, peers: &[&str]) -> Self {
        let (length, count) = (blocks * BLOCK_LENGTH, peers[0].len() as u64);
        let geometry = Geometry::new(length, &[u64::from(length) * count]).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut table = Self {
            pieces: PieceMap::new(geometry.clone().into()),
            availability: Availability::new(geometry.pieces(), &mut rng),
            geometry,
            picker: Picker::default(),
            suspects: Suspects::default(),
            peers: BTreeMap::new(),
            may_duplicate: true,
            web: BTreeMap::new(),
            now: Instant(1_000_000),
        };
        (1u64..).zip(peers).for_each(|(peer, has)| table.come(peer, has));
        table
    }

    fn come(&mut self, number: u64, has: &str) {
        let identity = Identity { key: InfoHash([7; 20]), v2: None };
        let mut peer = Peer::dial(([10, 0, 0, 1], 1).into(), self.now);
        peer.connected(identity, [1; 20], self.now);
        let hello = Handshake::ours(identity.key, [2; 20]).encode();
        assert_eq!(
            peer.handle_data(&hello, identity, [1; 20], self.now).unwrap(),
            Some(PeerEvent::Ready)
        );
        let mut pieces = Bitfield::new(self.geometry.piece_count());
        (0u32..)
            .zip(has.chars())
            .filter(|(_, letter)| *letter == 'x')
            .for_each(|(piece, _)| pieces.set(piece));
        for message in [Message::Bitfield(&pieces.to_wire()), Message::Unchoke] {
            let mut bytes = Vec::new();
            message.encode(&mut bytes);
            peer.handle_frame(&Bytes::from(bytes.split_off(4)), &self.geometry, self.now).unwrap();
        }
        if peer.has_all() {
            self.availability.add_seed()
        } else {
            self.availability.add_all(self.geometry.marked(&pieces))
        }
        self.peers.insert(ConnId(number), peer);
    }

    /// A viewer needs these pieces in this order and waits for the first.
    fn want(&mut self, pieces: &[u32]) {
        let want = |(at, &piece): (usize, &u32)| Want {
            piece: testing::piece(piece),
            first: BlockIndex::FIRST,
            deadline: self.now + Duration::from_secs(at as u64),
            idle: false,
            awaited: at == 0,
        };
        self.picker.set_wants(pieces.iter().enumerate().map(want).collect(), true, self.now);
    }

    /// The viewer waits for all that it needs.
    fn await_all(&mut self) {
        let mut wants = self.picker.wants().to_vec();
        wants.iter_mut().for_each(|want| want.awaited = true);
        self.picker.set_wants(wants, true, self.now);
    }

    /// A peer has sent a block: the last one of the torrent.
    fn prove(&mut self, number: u64) {
        let last = self.geometry.pieces().last().unwrap();
        let peer = self.peers.get_mut(&ConnId(number)).unwrap();
        let block = testing::block(last.get(), 0);
        peer.ask(block, &self.geometry, Duration::from_millis(100), self.now);
        peer.received(block, &self.geometry, self.now);
        self.availability.take(last);
        self.pieces.verified(last);
    }

    fn wait(&mut self, ms: u64) {
        self.now = self.now + Duration::from_millis(ms);
    }

    fn scheduler(&mut self) -> Scheduler<'_> {
        Scheduler {
            geometry: &self.geometry,
            picker: &mut self.picker,
            pieces: &mut self.pieces,
            availability: &mut self.availability,
            suspects: &mut self.suspects,
            peers: &mut self.peers,
        }
    }

    /// Returns the next block for a peer.
    fn next(&mut self, peer: u64) -> Option<String> {
        let (now, may_duplicate) = (self.now, self.may_duplicate);
        let web = self.web.clone();
        let pick = self.scheduler().pick(ConnId(peer), &web, may_duplicate, now)?;
        assert!(self.scheduler().ask(pick, now));
        let star = if pick.duplicate { "*" } else { "" };
        Some(format!("{}.{}{star}", pick.block.piece().get(), pick.block.index().get()))
    }

    /// Checks the blocks requested from a peer. Requests until the peer has no room or nothing is
    /// left.
    #[track_caller]
    fn check(&mut self, peer: u64, expected: &str) {
        let asked: Vec<String> = std::iter::from_fn(|| self.next(peer)).collect();
        assert_eq!(asked.join(" "), expected);
    }

    /// Asks a peer for a block that is expected to take `ms` milliseconds.
    fn ask(&mut self, peer: u64, block: Block, ms: u64) {
        let now = self.now;
        let pick = Pick {
            conn: ConnId(peer),
            block,
            eta: Duration::from_millis(ms),
            duplicate: false,
            hopeless: false,
        };
        assert!(self.scheduler().ask(pick, now));
    }
}

const FIRST: Block = testing::block(0, 0);

#[test]
fn urgent_pieces_come_first_and_then_the_rarest() {
    let mut table = Table::new(2, &["xxxx.", "xx.x.", "xx.xx"]);
    table.want(&[3, 1]);
    table.check(1, "3.0 3.1 1.0 1.1");
    table.check(3, "4.0 4.1 0.0 0.1");
    table.check(2, "");
    let mut table = Table::new(2, &["xxxx.", "xx.x.", "xx.xx"]);
    table.check(1, "2.0 2.1 0.0 0.1");
}

#[test]
fn a_much_slower_peer_gets_no_urgent_pieces() {
    let mut table = Table::new(1, &["xxx", "xxx"]);
    table.ask(1, FIRST, 100);
    table.wait(11_000);
    let now = table.now;
    assert!(table.peers.get_mut(&ConnId(1)).unwrap().tick(now), "it snubs");
    table.scheduler().snubbed(ConnId(1), now);
    table.want(&[2, 1]);
    table.check(1, "1.0");
    table.check(2, "2.0 1.0* 0.0");
}

#[test]
fn freed_blocks_are_picked_again() {
    let mut table = Table::new(1, &["xxxx", "xxxx", ".xx."]);
    table.want(&[2, 1]);
    assert_eq!([table.next(1), table.next(1)], [Some("2.0".to_owned()), Some("1.0".to_owned())]);
    table.next(2);
    let block = testing::block(2, 0);
    table.scheduler().take_back(ConnId(1), &[block]);
    assert_eq!(
        table.next(2),
        Some("2.0".to_owned()),
        "before the rarer piece that no viewer needs"
    );
}

#[test]
fn the_slower_peer_of_a_duplicate_request_is_not_waited_for() {
    let mut table = Table::new(2, &["x"; 3]);
    (1..=3).for_each(|peer| table.ask(peer, FIRST, 100));
    let (now, by) = (table.now, table.peers[&ConnId(2)].addr());
    table.peers.get_mut(&ConnId(2)).unwrap().received(FIRST, &table.geometry, now);
    let stored = table.scheduler().store(FIRST, ConnId(2), by, now).unwrap();
    assert_eq!(
        (stored.disarm, stored.piece_is_full),
        ([1, 3].map(|conn| Source::Peer(ConnId(conn))).to_vec(), false)
    );
    assert!(
        table.peers.values().all(|peer| peer.armed_blocks().count() == 0),
        "they get a cancel, and the block is free for others"
    );
    table.check(1, "0.1");
}

#[test]
fn a_torrent_counts_as_watched_for_a_while_after_its_last_viewer() {
    let mut table = Table::new(1, &["x"]);
    let until = table.now + WATCHED_FOR;
    table.want(&[0]);
    table.picker.set_wants(Vec::new(), false, table.now);
    assert!(table.picker.is_watched(Instant(until.0 - 1)) && !table.picker.is_watched(until));
}

#[test]
fn a_piece_that_failed_is_requested_from_one_peer_alone() {
    let mut table = Table::new(2, &["x", "x"]);
    table.suspects.failed(FIRST.piece(), &[]);
    table.suspects.asked(FIRST.piece(), ConnId(1));
    table.check(2, "");
    table.want(&[0]);
    table.check(2, "");
    table.check(1, "0.0 0.1");
    table.wait(10_000);
    table.check(2, "");
}

#[test]
fn a_peer_that_holds_a_piece_later_than_another_is_too_slow_only_if_the_other_has_it() {
    let slow = |peers: &[&str]| {
        let mut table = Table::new(1, peers);
        table.ask(1, FIRST, 100);
        table.wait(11_000);
        let now = table.now;
        assert!(table.peers.get_mut(&ConnId(1)).unwrap().tick(now), "it snubs");
        table.scheduler().snubbed(ConnId(1), now);
        table.want(&[1]);
        table.next(1).expect("it has room for one")
    };
    assert_eq!(slow(&["xxx", "x.x"]), "1.0");
    assert_eq!(slow(&["xxx", "xxx"]), "2.0", "the awaited piece is left to the other");
}

#[test]
fn begun_pieces_that_the_selection_does_not_want_are_left_alone() {
    let mut table = Table::new(2, &["xx", ".x"]);
    table.ask(1, FIRST, 100);
    table.availability.set_priority(FIRST.piece(), Priority::Skip, false);
    table.check(1, "1.0 1.1");
    let mut table = Table::new(2, &["xx", ".x"]);
    table.ask(1, FIRST, 100);
    table.check(2, "1.0 1.1");
}

#[test]
fn few_pieces_are_begun_that_no_viewer_needs() {
    let most = 3 * 2 + limits::SPARE_BEGUN_PIECES + limits::WANTS;
    let has = "x".repeat(most + 2);
    let mut table = Table::new(1, &[&has, &has, &has]);
    for piece in 0..u32::try_from(most).unwrap() {
        let block = testing::block(piece, 0);
        table.scheduler().begin(block, Source::WebSeed(WebSeedId(0)));
    }
    assert!(table.next(1).is_some());
    table.may_duplicate = false;
    assert_eq!(table.next(1), None);
}

#[test]
fn peers_with_room_queue_by_how_soon_they_finish() {
    let mut table = Table::new(8, &["x"; 3]);
    table.check(1, "0.0 0.1 0.2 0.3");
    table.next(2);
    let (now, peers) = (table.now, &table.peers);
    let mut queue = table.picker.queue(peers, now);
    assert_eq!(queue.next_peer(), Some(ConnId(3)));
    queue.requeue(ConnId(3), &peers[&ConnId(3)], now);
    let left: Vec<ConnId> = std::iter::from_fn(|| queue.next_peer()).collect();
    assert_eq!(left, [3, 2].map(ConnId));
}

#[test]
fn requests_that_are_stray_are_cancelled_and_their_blocks_free() {
    let mut table = Table::new(1, &["xx", "xx"]);
    table.want(&[0, 1]);
    table.check(1, "0.0 1.0");
    table.check(2, "");
    let now = table.now;
    table.scheduler().cancel(|_, block| block == FIRST, now);
    assert!(table.peers[&ConnId(1)].live_blocks().all(|block| block != FIRST));
    table.check(2, "0.0");
    assert_eq!(table.peers[&ConnId(1)].live_blocks().count(), 1, "the other is still wanted");
}

#[test]
fn a_peer_that_is_gone_is_asked_for_nothing() {
    let mut table = Table::new(1, &["x"]);
    let (now, duplicate) = (table.now, false);
    let pick =
        Pick { conn: ConnId(9), block: FIRST, eta: Duration::ZERO, duplicate, hopeless: false };
    assert!(!table.scheduler().ask(pick, now));
    table.check(1, "0.0");
}

#[test]
fn a_piece_whose_requests_are_taken_back_is_idle_again() {
    let mut table = Table::new(2, &["x."]);
    table.ask(1, FIRST, 100);
    assert_eq!(table.availability.rarest().count(), 0);
    table.scheduler().take_back(ConnId(1), &[FIRST]);
    assert_eq!(table.availability.rarest().collect::<Vec<_>>(), [FIRST.piece()]);
    let second = testing::block(0, 1);
    let by = table.peers[&ConnId(1)].addr();
    let now = table.now;
    table.scheduler().begin(FIRST, ConnId(1));
    table.scheduler().begin(second, ConnId(1));
    table.scheduler().store(FIRST, ConnId(1), by, now);
    table.scheduler().take_back(ConnId(1), &[second]);
    assert_eq!(table.availability.rarest().count(), 0, "a block of it is stored");
}

#[test]
fn duplicate_requests_are_limited() {
    let floor = limits::DUPLICATE_FLOOR;
    assert!(may_duplicate(floor - 1, 0) && !may_duplicate(floor, 0));
    assert!(may_duplicate(floor + 4_999, 100_000) && !may_duplicate(floor + 5_000, 100_000));
}

#[test]
fn a_peer_is_too_slow_when_it_takes_twice_as_long_as_another_and_a_while_more() {
    let mut table = Table::new(1, &["x", "x"]);
    let bound = 2 * table.peers[&ConnId(2)].eta(table.now) + TOO_SLOW;
    let scene = Scene {
        peers: &table.peers,
        pieces: &mut table.pieces,
        availability: &table.availability,
        suspects: &table.suspects,
        web: &table.web,
        may_duplicate: true,
        now: table.now,
    };
    assert!(!is_too_slow(bound, FIRST.piece(), &scene));
    assert!(is_too_slow(bound + Duration::from_micros(1), FIRST.piece(), &scene));
}

#[test]
fn wants_without_a_free_block_are_searched_once() {
    let mut table = Table::new(1, &["xxx", "xxx"]);
    table.want(&[0, 1]);
    table.check(1, "0.0 1.0 2.0");
    table.check(2, "");
    assert_eq!(table.picker.exhausted, 2);
    table.picker.block_freed();
    assert_eq!(table.picker.exhausted, 0);
}

#[test]
fn nobody_may_write_to_pieces_whose_requests_are_withdrawn() {
    let mut table = Table::new(1, &["xx", "xx"]);
    table.want(&[0, 1]);
    table.check(1, "0.0 1.0");
    table.check(2, "");
    let now = table.now;
    let withdrawn = table.scheduler().withdraw(&[FIRST.piece()].into(), now);
    assert_eq!(withdrawn, [(ConnId(1), FIRST)]);
    let armed: Vec<Block> = table.peers[&ConnId(1)].armed_blocks().collect();
    assert_eq!(armed, [testing::block(1, 0)]);
    assert!(!table.pieces.has_armed(FIRST.piece()));
    assert_eq!(table.availability.rarest().collect::<Vec<_>>(), [FIRST.piece()]);
    table.check(2, "0.0");
}
