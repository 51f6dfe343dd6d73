//! A random swarm: peers choke, stall, reject, come and go; pieces fail; viewers read and seek.
//!
//! Blocks are requested and taken back through the torrent's own [`Scheduler`].

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use shared_proto::ConnId;

use super::rules::Ledger;
use crate::bitfield::Bitfield;
use crate::geometry::{BLOCK_LENGTH, Block, BlockIndex, Geometry, PieceIndex, testing};
use crate::metainfo::{Identity, InfoHash};
use crate::peer::handshake::Handshake;
use crate::peer::wire::Message;
use crate::peer::{Peer, PeerEvent};
use crate::pick::availability::Availability;
use crate::pick::picker::{self, Pick, Picker};
use crate::pick::piece_map::{PieceMap, PieceState};
use crate::pick::scheduler::Scheduler;
use crate::pick::suspects::Suspects;
use crate::pick::want::Want;
use crate::time::Instant;

const KEY: InfoHash = InfoHash([7; 20]);
/// Length of a clock step.
const STEP: Duration = Duration::from_millis(20);
/// The honest seed that stays connected, so that the download can always finish.
const FAITHFUL: ConnId = ConnId(0);

pub(super) struct World {
    rng: ChaCha8Rng,
    pub(super) now: Instant,
    pub(super) geometry: Arc<Geometry>,
    pub(super) pieces: PieceMap,
    availability: Availability,
    pub(super) suspects: Suspects,
    pub(super) picker: Picker,
    pub(super) peers: BTreeMap<ConnId, Peer>,
    remotes: BTreeMap<ConnId, Remote>,
    pub(super) next_conn: u64,
    /// Pieces that are being hashed, and when each hash is done.
    hashing: Vec<(PieceIndex, Instant)>,
    /// The positions of the viewers, as pieces.
    cursors: Vec<u32>,
    has_viewers: bool,
    faults: Faults,
    pub(super) traffic: Traffic,
    pub(super) ledger: Ledger,
}

/// What goes wrong.
struct Faults {
    /// Whether all peers except the faithful seed accept requests and send nothing.
    others_stall: bool,
    /// How many more pieces may fail.
    failures_left: u32,
}

/// What came from peers, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) downloaded: u64,
    /// Bytes that were requested a second time.
    pub(super) duplicated: u64,
    /// Bytes that came although another peer had sent them.
    pub(super) redundant: u64,
}

/// The behaviour of a remote peer.
struct Remote {
    rate_bps: u64,
    latency: Duration,
    /// Whether the peer occasionally forgets its requests.
    forgets: bool,
    chokes: bool,
    fast: bool,
    /// Blocks that the peer will send, each with its time of arrival.
    queue: VecDeque<(Block, Instant)>,
    line_free: Instant,
}

impl World {
    pub(super) fn new(seed: u64, has_viewers: bool) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let piece_length = BLOCK_LENGTH * rng.random_range(1..12);
        let count = rng.random_range(5..60u64);
        let length =
            u64::from(piece_length) * (count - 1) + rng.random_range(1..=u64::from(piece_length));
        let geometry = Arc::new(Geometry::new(piece_length, &[length]).unwrap());
        let availability = Availability::new(geometry.pieces(), &mut rng);
        let mut world = Self {
            pieces: PieceMap::new(Arc::clone(&geometry)),
            geometry,
            availability,
            suspects: Suspects::default(),
            picker: Picker::default(),
            peers: BTreeMap::new(),
            remotes: BTreeMap::new(),
            next_conn: FAITHFUL.0,
            hashing: Vec::new(),
            cursors: Vec::new(),
            has_viewers,
            faults: Faults { others_stall: false, failures_left: 5 },
            traffic: Traffic::default(),
            ledger: Ledger::default(),
            now: Instant(1_000_000),
            rng,
        };
        world.come();
        for _ in 0..world.rng.random_range(1..8) {
            world.come();
        }
        world
    }

    /// Makes all peers except the faithful seed accept requests and send nothing.
    pub(super) fn stall_others(&mut self) {
        self.faults.others_stall = true;
    }

    /// Connects a new peer; the first one is the faithful seed.
    fn come(&mut self) {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        let addr = SocketAddr::from(([10, 0, 0, 1], u16::try_from(conn.0).unwrap()));
        let mut peer = Peer::dial(addr, self.now);
        let identity = Identity { key: KEY, v2: None };
        peer.connected(identity, [1; 20], self.now);
        let fast = self.rng.random_bool(0.6);
        let mut hello = Handshake::ours(KEY, [2; 20]);
        if !fast {
            hello.reserved = [0; 8];
        }
        let ready = peer.handle_data(&hello.encode(), identity, [1; 20], self.now).unwrap();
        assert_eq!(ready, Some(PeerEvent::Ready));
        let is_faithful = conn == FAITHFUL;
        let remote = Remote {
            rate_bps: self.rng.random_range(100_000..2_000_000),
            latency: Duration::from_millis(self.rng.random_range(1..200)),
            forgets: !is_faithful && self.rng.random_bool(0.2),
            chokes: !is_faithful && self.rng.random_bool(0.4),
            fast,
            queue: VecDeque::new(),
            line_free: self.now,
        };
        self.peers.insert(conn, peer);
        self.remotes.insert(conn, remote);
        let share = if is_faithful || self.rng.random_bool(0.2) {
            1.0
        } else {
            self.rng.random_range(0.0..1.0)
        };
        let mut has = Bitfield::new(self.geometry.piece_count());
        for piece in 0..self.geometry.piece_count() {
            if self.rng.random_bool(share) {
                has.set(piece);
            }
        }
        self.tell(conn, &Message::Bitfield(&has.to_wire()));
        self.tell(conn, &Message::Unchoke);
    }

    /// Delivers a message of a remote peer, and handles it as a torrent does.
    fn tell(&mut self, conn: ConnId, message: &Message<'_>) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let event =
            peer.handle_frame(&Bytes::from(bytes.split_off(4)), &self.geometry, self.now).unwrap();
        match event {
            Some(PeerEvent::HasAll) => self.availability.add_seed(),
            Some(PeerEvent::HasSome) => {
                if let Some(pieces) = self.peers[&conn].pieces() {
                    self.availability.add_all(self.geometry.marked(pieces));
                }
            }
            Some(PeerEvent::Has(piece)) => self.availability.add(piece),
            Some(PeerEvent::Choked(dropped)) => {
                self.suspects.release(conn);
                self.take_back(conn, &dropped);
            }
            Some(PeerEvent::Rejected(block)) => self.take_back(conn, &[block]),
            _ => {}
        }
    }

    fn take_back(&mut self, conn: ConnId, blocks: &[Block]) {
        blocks.iter().for_each(|&block| self.ledger.forget(block, conn));
        self.scheduler().take_back(conn, blocks);
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

    fn leave(&mut self, conn: ConnId) {
        let Some(peer) = self.peers.remove(&conn) else { return };
        self.remotes.remove(&conn);
        if peer.has_all() {
            self.availability.remove_seed();
        } else if let Some(pieces) = peer.pieces() {
            self.availability.remove_all(self.geometry.marked(pieces));
        }
        self.suspects.release(conn);
        let armed: Vec<Block> = peer.armed_blocks().collect();
        self.take_back(conn, &armed);
    }

    /// Changes the behaviour of a random peer.
    fn happen(&mut self) {
        let others: Vec<ConnId> =
            self.peers.keys().copied().filter(|&conn| conn != FAITHFUL).collect();
        match self.rng.random_range(0..40) {
            0 if self.peers.len() < 12 => self.come(),
            1 if !others.is_empty() => {
                let gone = others[self.rng.random_range(0..others.len())];
                self.leave(gone);
            }
            2 | 3 => others.into_iter().for_each(|conn| self.learn(conn)),
            4..8 => others.into_iter().for_each(|conn| self.change_mood(conn)),
            8..10 => {
                let conn = FAITHFUL.0 + self.rng.random_range(0..self.next_conn);
                if let Some(remote) =
                    self.remotes.get_mut(&ConnId(conn)).filter(|remote| remote.forgets)
                {
                    remote.queue.clear();
                }
            }
            _ => {}
        }
    }

    /// Gives a remote peer one more piece.
    fn learn(&mut self, conn: ConnId) {
        let piece = self.rng.random_range(0..self.geometry.piece_count());
        if !self.peers[&conn].has(testing::piece(piece)) {
            self.tell(conn, &Message::Have(piece));
        }
    }

    fn change_mood(&mut self, conn: ConnId) {
        let Some(remote) = self.remotes.get_mut(&conn).filter(|remote| remote.chokes) else {
            return;
        };
        if self.peers[&conn].is_open() {
            let queue = std::mem::take(&mut remote.queue);
            let fast = remote.fast;
            self.tell(conn, &Message::Choke);
            for (block, _) in queue.into_iter().filter(|_| fast) {
                let (begin, length) = self.geometry.block_range(block);
                self.tell(
                    conn,
                    &Message::Reject { piece: block.piece().get(), begin: begin.get(), length },
                );
            }
        } else {
            self.tell(conn, &Message::Unchoke);
        }
    }

    /// Delivers the blocks that have arrived by now.
    fn deliver(&mut self) {
        for conn in self.remotes.keys().copied().collect::<Vec<_>>() {
            while let Some(remote) = self.remotes.get_mut(&conn)
                && let Some(&(block, _)) = remote.queue.front().filter(|(_, at)| *at <= self.now)
            {
                remote.queue.pop_front();
                self.stored(conn, block);
            }
        }
    }

    fn stored(&mut self, conn: ConnId, block: Block) {
        let (_, length) = self.geometry.block_range(block);
        let is_armed = self.pieces.is_armed(block, conn);
        let peer = self.peers.get_mut(&conn).unwrap();
        let addr = peer.addr();
        peer.received(block, &self.geometry, self.now);
        if !is_armed {
            self.traffic.redundant += u64::from(length);
            return;
        }
        self.traffic.downloaded += u64::from(length);
        let now = self.now;
        let Some(stored) = self.scheduler().store(block, conn, addr, now) else { return };
        self.ledger.asked.remove(&block);
        assert!(self.ledger.stored.insert(block), "{block:?} was stored before");
        let owes = |peer: &Peer| peer.armed_blocks().any(|other| other == block);
        assert!(!self.peers.values().any(owes), "a peer still owes {block:?}");
        if stored.piece_is_full {
            let took = Duration::from_millis(self.rng.random_range(1..50));
            self.hashing.push((block.piece(), self.now + took));
        }
    }

    fn judge(&mut self) {
        let (done, rest) =
            std::mem::take(&mut self.hashing).into_iter().partition(|(_, at)| *at <= self.now);
        self.hashing = rest;
        for (piece, _) in done as Vec<(PieceIndex, Instant)> {
            if self.faults.failures_left > 0 && self.rng.random_bool(0.1) {
                self.faults.failures_left -= 1;
                let senders = self.pieces.senders(piece);
                self.suspects.failed(piece, &senders);
                self.pieces.reset(piece);
                self.ledger.stored.retain(|block| block.piece() != piece);
                self.scheduler().return_to_idle(piece);
                self.picker.block_freed();
            } else {
                self.suspects.passed(piece, &[]);
                self.pieces.verified(piece);
            }
        }
    }

    /// Once a second: frees the requests of silent peers.
    fn tick(&mut self) {
        for conn in self.peers.keys().copied().collect::<Vec<_>>() {
            let peer = self.peers.get_mut(&conn).unwrap();
            if !peer.tick(self.now) {
                continue;
            }
            for block in peer.live_blocks().collect::<Vec<_>>() {
                self.ledger.forget(block, conn);
            }
            let now = self.now;
            self.scheduler().snubbed(conn, now);
        }
    }

    /// Moves viewers: they read on, seek, come and go. Updates what they need.
    fn watch(&mut self) {
        let count = self.geometry.piece_count();
        if self.has_viewers && self.rng.random_bool(0.05) {
            match self.rng.random_range(0..4) {
                0 => drop(self.cursors.pop()),
                _ if self.cursors.len() < 3 => self.cursors.push(self.rng.random_range(0..count)),
                _ => self.cursors[0] = self.rng.random_range(0..count),
            }
        }
        for cursor in &mut self.cursors {
            while *cursor < count && self.pieces.state(testing::piece(*cursor)) == PieceState::Have
            {
                *cursor += 1;
            }
        }
        let mut wants: Vec<Want> = Vec::new();
        for &cursor in &self.cursors {
            for piece in (cursor..count.min(cursor + 8)).map(testing::piece) {
                if self.pieces.state(piece) != PieceState::Have
                    && wants.iter().all(|want| want.piece != piece)
                {
                    let deadline =
                        self.now + Duration::from_millis(u64::from(300 * (piece.get() - cursor)));
                    let awaited = piece.get() == cursor;
                    wants.push(Want {
                        piece,
                        first: BlockIndex::FIRST,
                        deadline,
                        idle: false,
                        awaited,
                    });
                }
            }
        }
        wants.sort_by_key(|want| (want.deadline, want.piece));
        self.picker.set_wants(wants, !self.cursors.is_empty(), self.now);
    }

    /// Requests blocks from every peer with room, as a torrent does.
    fn fill(&mut self) {
        let mut queue = self.picker.queue(&self.peers, self.now);
        while let Some(conn) = queue.next_peer() {
            let may_duplicate =
                picker::may_duplicate(self.traffic.duplicated, self.traffic.downloaded);
            let now = self.now;
            let Some(pick) = self.scheduler().pick(conn, &BTreeMap::new(), may_duplicate, now)
            else {
                self.check_refusal(conn);
                continue;
            };
            self.check(&pick);
            self.request(pick);
            queue.requeue(conn, &self.peers[&conn], self.now);
        }
    }

    fn request(&mut self, pick: Pick) {
        let Pick { conn, block, duplicate, hopeless, .. } = pick;
        let (_, length) = self.geometry.block_range(block);
        let now = self.now;
        assert!(self.scheduler().ask(pick, now), "who is picked is there");
        self.ledger.asked.entry(block).or_default().insert(conn);
        self.traffic.duplicated += if duplicate && !hopeless { u64::from(length) } else { 0 };
        if self.faults.others_stall && conn != FAITHFUL {
            return;
        }
        let jitter = Duration::from_millis(self.rng.random_range(0..20));
        let remote = self.remotes.get_mut(&conn).unwrap();
        let begins = remote.line_free.max(self.now + remote.latency + jitter);
        remote.line_free =
            begins + Duration::from_micros(u64::from(length) * 1_000_000 / remote.rate_bps);
        remote.queue.push_back((block, remote.line_free));
    }

    /// Runs until everything is downloaded.
    pub(super) fn run(&mut self) {
        let start = self.now;
        let mut next_tick = self.now;
        while !self.pieces.is_complete() {
            self.happen();
            self.deliver();
            self.judge();
            if self.now >= next_tick {
                self.tick();
                next_tick = self.now + Duration::from_secs(1);
            }
            self.watch();
            self.fill();
            self.now = self.now + STEP;
            let took = self.now.saturating_since(start);
            assert!(
                took < Duration::from_secs(900),
                "{} bytes after {took:?}",
                self.pieces.verified_bytes()
            );
        }
        assert!(
            self.ledger.asked.is_empty(),
            "no peer is asked for a stored block: {:?}",
            self.ledger.asked
        );
    }
}
