//! One peer, from the dial to the end: the wire protocol's state, what it has, and what it is asked for.
//!
//! It turns bytes and frames into [`PeerEvent`]s and gathers what is to be sent; it never decides what to ask for and never
//! sees payload. What a peer does wrong is a [`PeerError`], which ends the connection.

pub mod allowed_fast;
mod exchange;
pub mod extension;
pub mod give;
pub mod handshake;
pub mod metadata;
pub mod mse;
pub mod pipe;
mod punch;
pub mod rate;
mod requests;
pub mod upload;
pub mod way;
pub mod wire;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::bitfield::Bitfield;
use crate::discover::holepunch::{self, HolepunchMessage};
use crate::geometry::{BLOCK_LENGTH, Block, Geometry, PieceIndex};
use crate::hashes::request::{HashRequest, REQUEST_LENGTH};
use crate::limits;
use crate::metainfo::Identity;
use crate::time::Instant;
use handshake::{HANDSHAKE_LEN, Handshake};
use pipe::Pipe;
use rate::{RateMeter, ReplyTime};
use requests::Requests;
use upload::{Request, Upload};
use wire::{Message, WireError};

/// A peer that is connected but does not finish its handshake in this time is dropped.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Nothing heard for so long: the peer is gone (BEP 3 asks for a keep-alive every two minutes).
const SILENCE_TIMEOUT: Duration = Duration::from_secs(150);
/// Something is sent at least this often.
const KEEP_ALIVE: Duration = Duration::from_secs(100);
/// A peer that owes blocks and sends none for so long is snubbing; its blocks go to others.
const SNUB_AFTER: Duration = Duration::from_secs(10);
/// How much of a peer's rate is under way while nobody watches.
const HORIZON: Duration = Duration::from_secs(3);
/// While somebody does, at least so many blocks.
const LEAST_WATCHED: u32 = limits::FIRST_REQUESTS;
/// Rate to assume before one is known, bytes per second.
const ASSUMED_RATE_BPS: u64 = 512 << 10;

/// What a peer did wrong.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// Its bytes are not the protocol.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Its handshake is not one.
    #[error("not a BitTorrent handshake")]
    Handshake,
    /// It serves another torrent.
    #[error("the peer answers for another torrent")]
    WrongTorrent,
    /// We dialled ourselves.
    #[error("connected to ourselves")]
    Ourselves,
    /// A message that is only allowed first came late, or twice.
    #[error("message out of turn")]
    OutOfTurn,
    /// A message of an extension that was not agreed on.
    #[error("fast extension message without the fast extension")]
    NotAgreed,
    /// A piece or block that the torrent does not have.
    #[error("piece out of range")]
    OutOfRange,
    /// It asks again and again for what it can't have.
    #[error("too many requests for what it can't have")]
    Nuisance,
    /// It does not speak the extension by which metadata is given.
    #[error("the peer can't give metadata")]
    NoMetadata,
    /// What it says about metadata can't be read.
    #[error("a metadata message that can't be read")]
    Metadata,
    /// What it says about others can't be read.
    #[error("a peer exchange message that can't be read")]
    Exchange,
    /// It names others far too often.
    #[error("too many peer exchange messages")]
    Flood,
    /// It wants to be introduced far too often.
    #[error("too many rendezvous asked for")]
    PunchFlood,
}

/// What a peer did that matters to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerEvent {
    /// The handshake is done.
    Ready,
    /// It told for the first time what it has; see [`Peer::has`].
    HasSome,
    /// It told for the first time what it has: everything.
    HasAll,
    /// It has one more piece.
    Has(PieceIndex),
    /// It has several more.
    HasMore(Vec<PieceIndex>),
    /// It sends no more; these blocks are free again, and it will not send them.
    Choked(Vec<Block>),
    /// It sends again.
    Unchoked,
    /// It will not send this block.
    Rejected(Block),
    /// It sends this piece also when choked.
    AllowedFast(PieceIndex),
    /// It told how many requests it takes.
    Agreed,
    /// It wants something that we have, or no longer does.
    Interest,
    /// It asks for a block.
    Asks(Request),
    /// It takes a request back.
    TakesBack(Request),
    /// It has a DHT node at this UDP port (BEP 5).
    DhtNode(u16),
    /// It names others that it is connected to (BEP 11).
    Names(Vec<SocketAddr>),
    /// It speaks of a rendezvous (BEP 55).
    Punch(HolepunchMessage),
    /// It asks for a block of the info dictionary.
    AsksMetadata(u32),
    /// It wants hashes.
    WantsHashes(HashRequest),
    /// It gives hashes.
    Hashes(HashRequest, Bytes),
    /// It will not give these hashes.
    HashesRejected(HashRequest),
}

#[derive(Debug)]
enum Stage {
    Connecting,
    Handshaking { since: Instant, received: Vec<u8> },
    Ready,
}

/// One peer.
#[derive(Debug)]
pub struct Peer {
    addr: SocketAddr,
    stage: Stage,
    fast: bool,
    /// It knows the torrent by its v2 hash.
    v2: bool,
    pieces: Option<Bitfield>,
    has_all: bool,
    told_bitfield: bool,
    choked: bool,
    interested: bool,
    allowed_fast: Vec<PieceIndex>,
    reqq: u32,
    requests: Requests,
    received_blocks: u32,
    rate: RateMeter,
    reply: ReplyTime,
    /// From our handshake to theirs, where it answered ours.
    round_trip: Duration,
    pipe: Pipe,
    last_block: Instant,
    last_heard: Instant,
    last_sent: Instant,
    snubbed: bool,
    out: Vec<u8>,
    dialled: bool,
    id: Option<[u8; 20]>,
    speaks_extensions: bool,
    has_dht: bool,
    introduced: bool,
    upload_only: bool,
    upload: Upload,
    received_bytes: u64,
    metadata: give::MetadataQueue,
    talk: exchange::Talk,
    punching: punch::Punching,
}

impl Peer {
    /// A peer that is being dialled.
    pub fn dial(addr: SocketAddr, now: Instant) -> Self {
        Self::new(addr, Stage::Connecting, now)
    }

    /// A peer that dialled us, and named this torrent in the first `received` bytes of its handshake: ours goes out.
    pub fn accept(addr: SocketAddr, received: &[u8], identity: Identity, peer_id: [u8; 20], now: Instant) -> Self {
        let mut peer = Self::new(addr, Stage::Connecting, now);
        peer.dialled = false;
        // Whoever knows v2 goes on by the v2 hash, by whichever it called (BEP 52).
        let v2 = identity.v2.filter(|v2| handshake::goes_on_by(received, v2.truncated()));
        let key = v2.map_or(identity.key, |v2| v2.truncated());
        peer.v2 = v2.is_some();
        peer.connected(Identity { key, ..identity }, peer_id, now);
        peer.stage = Stage::Handshaking { since: now, received: received.to_vec() };
        peer
    }

    fn new(addr: SocketAddr, stage: Stage, now: Instant) -> Self {
        Self {
            addr,
            stage,
            fast: false,
            v2: false,
            pieces: None,
            has_all: false,
            told_bitfield: false,
            choked: true,
            interested: false,
            allowed_fast: Vec::new(),
            reqq: limits::DEFAULT_REQQ,
            requests: Requests::default(),
            received_blocks: 0,
            rate: RateMeter::new(now),
            reply: ReplyTime::default(),
            round_trip: Duration::MAX,
            pipe: Pipe::new(now),
            last_block: now,
            last_heard: now,
            last_sent: now,
            snubbed: false,
            out: Vec::new(),
            dialled: true,
            id: None,
            speaks_extensions: false,
            has_dht: false,
            introduced: false,
            upload_only: false,
            upload: Upload::new(now),
            received_bytes: 0,
            metadata: give::MetadataQueue::default(),
            talk: exchange::Talk::default(),
            punching: punch::Punching::new(now),
        }
    }

    /// Whether we dialled it, and not it us: only then its address is one where it listens.
    pub fn is_dialled(&self) -> bool {
        self.dialled
    }

    /// Its name for itself, once its handshake is done.
    pub fn id(&self) -> Option<[u8; 20]> {
        self.id
    }

    /// Whether it wants nothing of anybody: it has everything, or all that it wants (BEP 21).
    pub fn is_upload_only(&self) -> bool {
        self.upload_only || self.has_all || self.pieces.as_ref().is_some_and(Bitfield::is_full)
    }

    /// What it gets of us.
    pub fn upload(&self) -> &Upload {
        &self.upload
    }

    /// What it gets of us, to change it.
    pub fn upload_mut(&mut self) -> &mut Upload {
        &mut self.upload
    }

    /// Bytes of payload that it gave.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Whether it owes blocks and sends none.
    pub fn is_snubbing(&self) -> bool {
        self.snubbed
    }

    /// Where it is.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whether it is still being dialled.
    pub fn is_connecting(&self) -> bool {
        matches!(self.stage, Stage::Connecting)
    }

    /// Whether its handshake is done.
    pub fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Ready)
    }

    /// Whether it has the piece.
    pub fn has(&self, piece: PieceIndex) -> bool {
        self.has_all || self.pieces.as_ref().is_some_and(|pieces| pieces.get(piece.0))
    }

    /// Whether it has everything.
    pub fn has_all(&self) -> bool {
        self.has_all
    }

    /// What it has, when that is known and is not everything.
    pub fn pieces(&self) -> Option<&Bitfield> {
        self.pieces.as_ref().filter(|_| !self.has_all)
    }

    /// Whether it would send a block of this piece if it were asked now.
    pub fn serves(&self, piece: PieceIndex) -> bool {
        self.is_ready() && self.has(piece) && (!self.choked || self.allowed_fast.contains(&piece))
    }

    /// Whether it sends anything at all now.
    pub fn is_open(&self) -> bool {
        self.is_ready() && (!self.choked || !self.allowed_fast.is_empty())
    }

    /// The connection is open: our handshake goes out.
    pub fn connected(&mut self, identity: Identity, peer_id: [u8; 20], now: Instant) {
        self.stage = Stage::Handshaking { since: now, received: Vec::new() };
        self.last_heard = now;
        let hello = Handshake::ours(identity.key, peer_id).with_v2(identity.v2.is_some());
        self.out.extend_from_slice(&hello.encode());
        self.last_sent = now;
    }

    /// Our handshake, which has not been taken out yet, is to say that we have a DHT node (BEP 5).
    pub fn offer_dht(&mut self) {
        Handshake::offer_dht(&mut self.out);
    }

    /// Where our DHT node listens, if it has one, too (BEP 5).
    pub fn tell_dht_port(&mut self, port: u16, now: Instant) {
        if self.has_dht {
            self.say(&Message::Port(port), now);
        }
    }

    /// Raw bytes: the handshake, or a part of it.
    ///
    /// # Errors
    /// [`PeerError`]: drop the peer.
    pub fn handle_data(
        &mut self,
        data: &[u8],
        identity: Identity,
        peer_id: [u8; 20],
        now: Instant,
    ) -> Result<Option<PeerEvent>, PeerError> {
        let Stage::Handshaking { received, since } = &mut self.stage else { return Err(PeerError::OutOfTurn) };
        received.extend_from_slice(data);
        let Some(bytes) = received.first_chunk::<HANDSHAKE_LEN>() else { return Ok(None) };
        let theirs = Handshake::parse(bytes).map_err(|_| PeerError::Handshake)?;
        if !identity.answers_to(theirs.info_hash) {
            return Err(PeerError::WrongTorrent);
        }
        self.v2 |= identity.v2.is_some_and(|v2| v2.truncated() == theirs.info_hash);
        if theirs.peer_id == peer_id {
            return Err(PeerError::Ourselves);
        }
        // One that dialled us had said so much already.
        self.round_trip = if self.dialled { now.saturating_since(*since) } else { Duration::MAX };
        self.stage = Stage::Ready;
        self.last_heard = now;
        self.id = Some(theirs.peer_id);
        self.fast = theirs.supports_fast();
        self.speaks_extensions = theirs.supports_extensions();
        self.has_dht = theirs.supports_dht();
        Ok(Some(PeerEvent::Ready))
    }

    /// A frame that was not diverted.
    ///
    /// # Errors
    /// [`PeerError`]: drop the peer.
    pub fn handle_frame(
        &mut self,
        frame: &Bytes,
        geometry: &Geometry,
        now: Instant,
    ) -> Result<Option<PeerEvent>, PeerError> {
        if !self.is_ready() {
            return Err(PeerError::OutOfTurn);
        }
        self.last_heard = now;
        let message = Message::parse(frame)?;
        match message {
            Message::Choke => Ok(self.choke(now)),
            Message::Port(port) => Ok(Some(PeerEvent::DhtNode(port))),
            Message::Unchoke => {
                self.choked = false;
                self.last_block = now;
                Ok(Some(PeerEvent::Unchoked))
            }
            Message::Have(piece) => self.have(piece, geometry),
            Message::Bitfield(bits) => {
                let pieces = Bitfield::from_wire(bits, geometry.piece_count()).map_err(|_| PeerError::OutOfRange)?;
                // aria2 says so what many `have`s would say, and with the next message that it has everything now.
                if self.told_bitfield { Ok(self.more_pieces(&pieces)) } else { self.first_pieces(pieces) }
            }
            Message::HaveAll => {
                self.agreed()?;
                let pieces = Bitfield::full(geometry.piece_count());
                if self.told_bitfield { Ok(self.more_pieces(&pieces)) } else { self.first_pieces(pieces) }
            }
            Message::HaveNone => {
                self.agreed()?;
                self.first_pieces(Bitfield::new(geometry.piece_count()))
            }
            Message::Reject { piece, begin, length } => {
                self.agreed()?;
                let block = geometry.validate(piece, begin, length).ok_or(PeerError::OutOfRange)?;
                Ok(self.requests.rejected(block).then_some(PeerEvent::Rejected(block)))
            }
            Message::AllowedFast(piece) => {
                self.agreed()?;
                self.allow_fast(PieceIndex(piece), geometry)
            }
            Message::Extended { id: 0, payload } => {
                if let Ok(hello) = extension::ExtensionHandshake::parse(payload) {
                    self.reqq = hello.reqq.unwrap_or(limits::DEFAULT_REQQ).clamp(1, limits::MAX_REQQ);
                    self.upload_only = hello.upload_only;
                    self.hear_metadata_id(hello.id(metadata::EXTENSION));
                    self.talk.hear(&hello);
                    self.punching.hear(&hello);
                }
                Ok(Some(PeerEvent::Agreed))
            }
            Message::Extended { id: crate::discover::pex::OUR_ID, payload } => self.hear_peers(payload, now),
            Message::Extended { id: holepunch::OUR_ID, payload } => self.hear_punch(payload, now),
            Message::Extended { id: metadata::OUR_ID, payload } => {
                match metadata::MetadataMessage::parse(payload).map_err(|_| PeerError::Metadata)? {
                    metadata::MetadataMessage::Request { block } => Ok(Some(PeerEvent::AsksMetadata(block))),
                    // We asked for none.
                    _ => Ok(None),
                }
            }
            Message::Interested => Ok(self.upload.set_interested(true, now).then_some(PeerEvent::Interest)),
            Message::NotInterested => Ok(self.upload.set_interested(false, now).then_some(PeerEvent::Interest)),
            Message::Request { piece, begin, length } => Ok(Some(PeerEvent::Asks(Request { piece, begin, length }))),
            Message::Cancel { piece, begin, length } => {
                Ok(Some(PeerEvent::TakesBack(Request { piece, begin, length })))
            }
            Message::HashRequest(request) => Ok(self.v2.then_some(PeerEvent::WantsHashes(request))),
            Message::Hashes { request, .. } => {
                Ok(self.v2.then(|| PeerEvent::Hashes(request, frame.slice(1 + REQUEST_LENGTH..))))
            }
            Message::HashReject(request) => Ok(self.v2.then_some(PeerEvent::HashesRejected(request))),
            // A block too short for its header to be diverted, or what we do not use.
            _ => Ok(None),
        }
    }

    /// Asks for a block that is expected after `eta`.
    pub fn ask(&mut self, block: Block, geometry: &Geometry, eta: Duration, now: Instant) {
        let (begin, length) = geometry.block_range(block);
        if self.requests.live() == 0 {
            self.last_block = now;
        }
        self.requests.ask(block, now + eta, now);
        self.say(&Message::Request { piece: block.piece.0, begin, length }, now);
    }

    /// Whether it gives and wants hashes.
    pub fn speaks_v2(&self) -> bool {
        self.is_ready() && self.v2
    }

    /// Asks for hashes.
    pub fn ask_for_hashes(&mut self, request: HashRequest, now: Instant) {
        self.say(&Message::HashRequest(request), now);
    }

    /// Gives hashes that it asked for, or refuses.
    pub fn give_hashes(&mut self, request: HashRequest, hashes: Option<&[u8]>, now: Instant) {
        match hashes {
            Some(hashes) => self.say(&Message::Hashes { request, hashes }, now),
            None => self.say(&Message::HashReject(request), now),
        }
    }

    /// Takes a request back. The block may still come.
    pub fn cancel(&mut self, block: Block, geometry: &Geometry, now: Instant) {
        if self.requests.cancel(block, now) {
            self.say_cancel(block, geometry, now);
        }
    }

    /// A block came, wanted or not.
    pub fn received(&mut self, block: Block, geometry: &Geometry, now: Instant) {
        let (_, length) = geometry.block_range(block);
        let silent = now.saturating_since(self.last_block);
        self.last_heard = now;
        self.last_block = now;
        self.snubbed = false;
        self.rate.add(u64::from(length), now);
        self.received_bytes += u64::from(length);
        let Some(received) = self.requests.received(block) else { return };
        if received.comes_again {
            self.say_cancel(block, geometry, now);
        }
        self.received_blocks = self.received_blocks.saturating_add(1);
        let took = now.saturating_since(received.asked_at);
        self.reply.add(took);
        // Not before it had been asked and its answer could be here. The fastest reply is no measure: it may have waited, too.
        let silent = silent.min(took.saturating_sub(self.round_trip.min(self.reply.min())));
        self.pipe.received(silent, self.block_time(now), now);
    }

    /// It can't send this block any more. True when it was asked for it and not told otherwise.
    pub fn forget(&mut self, block: Block) -> bool {
        self.requests.forget(block)
    }

    /// Blocks that were taken back long ago, and are no longer counted with.
    pub fn forget_late(&mut self, now: Instant) -> Vec<Block> {
        self.requests.forget_late(now)
    }

    /// Blocks that it is asked for and not told otherwise.
    pub fn live_blocks(&self) -> impl Iterator<Item = Block> + '_ {
        self.requests.live_blocks()
    }

    /// All blocks that it may send.
    pub fn armed_blocks(&self) -> impl Iterator<Item = Block> + '_ {
        self.requests.blocks()
    }

    /// How much longer than expected a block is overdue, zero when it isn't.
    pub fn overdue(&self, block: Block, now: Instant) -> Duration {
        self.requests.expected(block).map_or(Duration::ZERO, |expected| now.saturating_since(expected))
    }

    /// How long until a block that it was asked for is expected, zero when it is overdue.
    pub fn remaining(&self, block: Block, now: Instant) -> Duration {
        self.requests.expected(block).map_or(Duration::ZERO, |expected| expected.saturating_since(now))
    }

    /// How much later than expected is late.
    pub fn slack(&self) -> Duration {
        self.reply.slack()
    }

    /// How long one more block would take from now: `rttMin + (outstanding + block) / rate`.
    pub fn eta(&self, now: Instant) -> Duration {
        let bytes = u64::from(self.requests.live() + 1) * u64::from(BLOCK_LENGTH);
        let rate = if self.rate.is_settled(now) { self.rate.rate_bps(now).max(1 << 10) } else { ASSUMED_RATE_BPS };
        let eta = self.reply.min() + Duration::from_micros(bytes.saturating_mul(1_000_000) / rate);
        if self.snubbed { eta + SNUB_AFTER } else { eta }
    }

    fn block_time(&self, now: Instant) -> Duration {
        Duration::from_micros(u64::from(BLOCK_LENGTH) * 1_000_000 / self.rate.rate_bps(now).max(1))
    }

    /// How many more blocks it may be asked for. While somebody watches, no more is under way than keeps its line busy ([`Pipe`]): a
    /// seek waits behind all that a peer has begun to send, and no `cancel` takes that back.
    pub fn room(&self, watched: bool, now: Instant) -> u32 {
        if self.snubbed {
            return u32::from(self.requests.live() == 0);
        }
        if self.requests.blocks().len() >= limits::ARMED_PER_PEER {
            return 0;
        }
        let grown = limits::FIRST_REQUESTS.saturating_add(self.received_blocks);
        let depth = if self.rate.is_settled(now) {
            let (horizon, least) = if watched {
                (self.pipe.horizon(self.reply.min()), LEAST_WATCHED)
            } else {
                (HORIZON, limits::FIRST_REQUESTS)
            };
            let bytes = self.rate.rate_bps(now).saturating_mul(u64::try_from(horizon.as_millis()).unwrap_or(0)) / 1000;
            let blocks = u32::try_from(bytes.div_ceil(u64::from(BLOCK_LENGTH))).unwrap_or(u32::MAX);
            grown.min(blocks.max(least))
        } else {
            grown
        };
        depth.min(self.reqq).saturating_sub(self.requests.live())
    }

    /// Bytes of payload per second now.
    pub fn rate_bps(&self, now: Instant) -> u64 {
        self.rate.rate_bps(now)
    }

    /// Requests that it rejected since it gave a block; a peer that goes on so is of no use.
    pub fn rejections(&self) -> u32 {
        self.requests.rejections()
    }

    /// Tells it whether it has something that we lack.
    pub fn set_interested(&mut self, interested: bool, now: Instant) {
        if self.is_ready() && self.interested != interested {
            self.interested = interested;
            self.say(if interested { &Message::Interested } else { &Message::NotInterested }, now);
        }
    }

    /// Whether the peer has been silent too long to keep.
    pub fn is_dead(&self, now: Instant) -> bool {
        match &self.stage {
            Stage::Connecting => false,
            Stage::Handshaking { since, .. } => now.saturating_since(*since) > HANDSHAKE_TIMEOUT,
            Stage::Ready => now.saturating_since(self.last_heard) > SILENCE_TIMEOUT,
        }
    }

    /// Once a second: keeps the connection alive. True when the peer snubs: what it owes is to be asked of others.
    pub fn tick(&mut self, now: Instant) -> bool {
        if self.is_ready() && now.saturating_since(self.last_sent) > KEEP_ALIVE {
            self.out.extend_from_slice(&[0; 4]);
            self.last_sent = now;
        }
        let snubs = self.requests.live() > 0 && now.saturating_since(self.last_block) > SNUB_AFTER;
        self.snubbed |= snubs;
        snubs
    }

    /// What is to be sent now, all messages together.
    pub fn take_out(&mut self) -> Option<Bytes> {
        (!self.out.is_empty()).then(|| Bytes::from(std::mem::take(&mut self.out)))
    }

    fn say(&mut self, message: &Message<'_>, now: Instant) {
        message.encode(&mut self.out);
        self.last_sent = now;
    }

    fn say_cancel(&mut self, block: Block, geometry: &Geometry, now: Instant) {
        let (begin, length) = geometry.block_range(block);
        self.say(&Message::Cancel { piece: block.piece.0, begin, length }, now);
    }

    fn agreed(&self) -> Result<(), PeerError> {
        if self.fast { Ok(()) } else { Err(PeerError::NotAgreed) }
    }

    /// Without the fast extension a choke drops all requests (BEP 3); with it, each is answered or rejected (BEP 6).
    fn choke(&mut self, _now: Instant) -> Option<PeerEvent> {
        self.choked = true;
        let dropped = if self.fast { Vec::new() } else { self.requests.forget_all() };
        Some(PeerEvent::Choked(dropped))
    }

    fn have(&mut self, piece: u32, geometry: &Geometry) -> Result<Option<PeerEvent>, PeerError> {
        if piece >= geometry.piece_count() {
            return Err(PeerError::OutOfRange);
        }
        self.told_bitfield = true;
        let pieces = self.pieces.get_or_insert_with(|| Bitfield::new(geometry.piece_count()));
        if self.has_all || pieces.get(piece) {
            return Ok(None);
        }
        pieces.set(piece);
        Ok(Some(PeerEvent::Has(PieceIndex(piece))))
    }

    /// A bitfield that comes late adds to what is known; what it leaves out is not taken back.
    fn more_pieces(&mut self, pieces: &Bitfield) -> Option<PeerEvent> {
        if self.has_all {
            return None;
        }
        let known = self.pieces.get_or_insert_with(|| Bitfield::new(pieces.len()));
        let news: Vec<PieceIndex> = pieces.iter_ones().filter(|&piece| !known.get(piece)).map(PieceIndex).collect();
        news.iter().for_each(|piece| known.set(piece.0));
        (!news.is_empty()).then_some(PeerEvent::HasMore(news))
    }

    fn first_pieces(&mut self, pieces: Bitfield) -> Result<Option<PeerEvent>, PeerError> {
        if std::mem::replace(&mut self.told_bitfield, true) {
            return Err(PeerError::OutOfTurn);
        }
        self.has_all = pieces.is_full();
        self.pieces = Some(pieces);
        Ok(Some(if self.has_all { PeerEvent::HasAll } else { PeerEvent::HasSome }))
    }

    fn allow_fast(&mut self, piece: PieceIndex, geometry: &Geometry) -> Result<Option<PeerEvent>, PeerError> {
        const MOST: usize = 64;
        if piece.0 >= geometry.piece_count() {
            return Err(PeerError::OutOfRange);
        }
        if self.allowed_fast.contains(&piece) || self.allowed_fast.len() >= MOST {
            return Ok(None);
        }
        self.allowed_fast.push(piece);
        Ok(Some(PeerEvent::AllowedFast(piece)))
    }
}
