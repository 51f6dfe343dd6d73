//! One peer, from the dial to the end: the state of the wire protocol.
//!
//! It turns bytes and frames into [`PeerEvent`]s and gathers what is to be sent; it never decides
//! what to ask for and never sees payload. What a peer does wrong is a [`PeerError`], which ends
//! the connection.

pub(crate) mod allowed_fast;
mod asking;
mod event;
mod exchange;
pub mod extension;
mod frames;
pub mod give;
pub mod handshake;
mod having;
pub mod holepunch;
pub(crate) mod local;
pub mod metadata;
pub mod mse;
pub mod pex;
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
use crate::geometry::PieceIndex;
use crate::hashes::request::HashRequest;
use crate::limits;
use crate::metainfo::Identity;
use crate::time::Instant;
pub use event::{PeerError, PeerEvent};
use handshake::{HANDSHAKE_LEN, Handshake};
use pipe::Pipe;
use rate::{RateMeter, ReplyTime};
use requests::Requests;
use upload::Upload;
use wire::Message;

/// A peer that is connected but does not finish its handshake in this time is dropped.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Nothing heard for so long: the peer is gone (BEP 3 asks for a keep-alive every two minutes).
const SILENCE_TIMEOUT: Duration = Duration::from_secs(150);
/// Something is sent at least this often.
const KEEP_ALIVE: Duration = Duration::from_secs(100);
/// A peer that owes blocks and sends none for so long is snubbing; its blocks go to others.
const SNUB_AFTER: Duration = Duration::from_secs(10);

#[derive(Debug)]
enum Stage {
    Connecting,
    Handshaking { since: Instant, received: Vec<u8> },
    Ready { since: Instant },
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
    /// What it calls itself.
    client: Option<String>,
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

    /// A peer that dialled us, and named this torrent in the first `received` bytes of its
    /// handshake: ours goes out.
    pub fn accept(
        addr: SocketAddr,
        received: &[u8],
        identity: Identity,
        peer_id: [u8; 20],
        now: Instant,
    ) -> Self {
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
            client: None,
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
    pub(crate) fn is_dialled(&self) -> bool {
        self.dialled
    }

    /// Its name for itself, once its handshake is done.
    pub fn id(&self) -> Option<[u8; 20]> {
        self.id
    }

    /// What it calls itself; what its id begins with, by custom its program and version, where it
    /// does not say.
    pub fn client(&self) -> Option<String> {
        let from_id = || {
            let [b'-', code @ .., b'-'] = self.id?.first_chunk::<8>().copied()? else {
                return None;
            };
            let is_code = code.iter().all(u8::is_ascii_graphic);
            is_code.then(|| String::from_utf8_lossy(&code).into_owned())
        };
        self.client.clone().or_else(from_id)
    }

    /// Whether it has something that we lack, and knows that we want it.
    pub(crate) fn is_interesting(&self) -> bool {
        self.interested
    }

    /// What it gets of us.
    pub fn upload(&self) -> &Upload {
        &self.upload
    }

    /// What it gets of us, to change it.
    pub(crate) fn upload_mut(&mut self) -> &mut Upload {
        &mut self.upload
    }

    /// Bytes of payload that it gave.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Whether it owes blocks and sends none.
    pub(crate) fn is_snubbing(&self) -> bool {
        self.snubbed
    }

    /// Where it is.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whether it is still being dialled.
    pub(crate) fn is_connecting(&self) -> bool {
        matches!(self.stage, Stage::Connecting)
    }

    /// Whether its handshake is done.
    pub fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Ready { .. })
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
    pub(crate) fn offer_dht(&mut self) {
        Handshake::offer_dht(&mut self.out);
    }

    /// Where our DHT node listens, if it has one, too (BEP 5).
    pub(crate) fn tell_dht_port(&mut self, port: u16, now: Instant) {
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
        let Stage::Handshaking { received, since } = &mut self.stage else {
            return Err(PeerError::OutOfTurn);
        };
        received.extend_from_slice(data);
        let Some(bytes) = received.first_chunk::<HANDSHAKE_LEN>() else { return Ok(None) };
        let theirs = Handshake::parse(bytes).map_err(|_| PeerError::Handshake)?;
        if !identity.matches(theirs.info_hash) {
            return Err(PeerError::WrongTorrent);
        }
        self.v2 |= identity.v2.is_some_and(|v2| v2.truncated() == theirs.info_hash);
        if theirs.peer_id == peer_id {
            return Err(PeerError::Ourselves);
        }
        // One that dialled us had said so much already.
        self.round_trip = if self.dialled { now.saturating_since(*since) } else { Duration::MAX };
        self.stage = Stage::Ready { since: now };
        self.last_heard = now;
        self.id = Some(theirs.peer_id);
        self.fast = theirs.supports_fast();
        self.speaks_extensions = theirs.supports_extensions();
        self.has_dht = theirs.supports_dht();
        Ok(Some(PeerEvent::Ready))
    }

    /// Whether it speaks the extension protocol (BEP 10).
    pub(crate) fn speaks_extensions(&self) -> bool {
        self.speaks_extensions
    }

    /// How long ago its handshake was done; `None` before that.
    pub(crate) fn ready_for(&self, now: Instant) -> Option<Duration> {
        match self.stage {
            Stage::Ready { since } => Some(now.saturating_since(since)),
            _ => None,
        }
    }

    /// Whether it gives and wants hashes.
    pub(crate) fn speaks_v2(&self) -> bool {
        self.is_ready() && self.v2
    }

    /// Asks for hashes.
    pub(crate) fn ask_for_hashes(&mut self, request: HashRequest, now: Instant) {
        self.say(&Message::HashRequest(request), now);
    }

    /// Gives hashes that it asked for, or refuses.
    pub(crate) fn give_hashes(
        &mut self,
        request: HashRequest,
        hashes: Option<&[u8]>,
        now: Instant,
    ) {
        match hashes {
            Some(hashes) => self.say(&Message::Hashes { request, hashes }, now),
            None => self.say(&Message::HashReject(request), now),
        }
    }

    /// Tells it whether it has something that we lack.
    pub(crate) fn set_interested(&mut self, interested: bool, now: Instant) {
        if self.is_ready() && self.interested != interested {
            self.interested = interested;
            self.say(if interested { &Message::Interested } else { &Message::NotInterested }, now);
        }
    }

    /// Whether it knows that we want something of it.
    pub(crate) fn is_awaited(&self) -> bool {
        self.is_ready() && self.interested
    }

    /// Whether the peer has been silent too long to keep.
    pub(crate) fn is_dead(&self, now: Instant) -> bool {
        match &self.stage {
            Stage::Connecting => false,
            Stage::Handshaking { since, .. } => now.saturating_since(*since) > HANDSHAKE_TIMEOUT,
            Stage::Ready { .. } => now.saturating_since(self.last_heard) > SILENCE_TIMEOUT,
        }
    }

    /// Once a second: keeps the connection alive. True when the peer snubs: what it owes is to be
    /// asked of others.
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
}
