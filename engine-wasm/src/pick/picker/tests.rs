//! Which peer is asked for which block, as text: `1.0` is block 0 of piece 1, followed by `*` for a
//! duplicate request.

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
        let pick = self.scheduler().pick(ConnId(peer), &BTreeMap::new(), may_duplicate, now)?;
        assert!(self.scheduler().ask(pick, now));
        let star = if pick.duplicate { "*" } else { "" };
        Some(format!("{}.{}{star}", pick.block.piece().get(), pick.block.index().get()))
    }

    /// Checks the blocks requested from a peer until it has no room or nothing is left.
    #[track_caller]
    fn check(&mut self, peer: u64, expected: &str) {
        let asked: Vec<String> = std::iter::from_fn(|| self.next(peer)).collect();
        assert_eq!(asked.join(" "), expected);
    }

    /// Asks a peer for a block that is expected to take `ms` milliseconds.
    fn ask(&mut self, peer: u64, block: Block, ms: u64) {
        let now = self.now;
        let pick =
            Pick { conn: ConnId(peer), block, eta: Duration::from_millis(ms), duplicate: false };
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
fn a_much_slower_peer_gets_no_urgent_pieces() {
    let mut table = Table::new(1, &["xxx", "xxx"]);
    table.ask(1, FIRST, 100);
    table.wait(11_000);
    let now = table.now;
    assert!(table.peers.get_mut(&ConnId(1)).unwrap().tick(now), "it snubs");
    table.scheduler().snubbed(ConnId(1), now);
    table.want(&[2, 1]);
    table.check(1, "1.0");
    table.check(2, "2.0 0.0");
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
fn duplicate_requests_are_limited() {
    let floor = limits::DUPLICATE_FLOOR;
    assert!(may_duplicate(floor - 1, 0) && !may_duplicate(floor, 0));
    assert!(may_duplicate(floor + 4_999, 100_000) && !may_duplicate(floor + 5_000, 100_000));
}
