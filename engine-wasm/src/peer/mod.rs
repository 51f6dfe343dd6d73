//! One peer from the dial to the end: the state of the wire protocol.
//!
//! It turns bytes and frames into [`PeerEvent`]s and collects the bytes to send. It never decides
//! what to request and never sees payload. A violation of the protocol is a [`PeerError`], which
//! ends the connection.

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

/// How long a connected peer may take to finish its handshake.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// After this silence a peer counts as gone (BEP 3 asks for a keep-alive every two minutes).
const SILENCE_TIMEOUT: Duration = Duration::from_secs(150);
/// Maximum time between two messages to a peer.
const KEEP_ALIVE: Duration = Duration::from_secs(100);
/// A peer that owes blocks and sends none for this long snubs us; its blocks are requested from
/// others.
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
    /// Whether it uses the torrent's v2 hash.
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
    /// Time from our handshake to its answer, if it answered ours.
    round_trip: Duration,
    pipe: Pipe,
    last_block: Instant,
    last_heard: Instant,
    last_sent: Instant,
    snubbed: bool,
    out: Vec<u8>,
    dialled: bool,
    id: Option<[u8; 20]>,
    /// Its client name.
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
    /// Creates a peer that is being dialled.
    pub fn dial(addr: SocketAddr, now: Instant) -> Self {
        Self::new(addr, Stage::Connecting, now)
    }

    /// Creates a peer that dialled us and named this torrent; our handshake is sent.
    ///
    /// `received` holds the first bytes of its handshake.
    pub fn accept(
        addr: SocketAddr,
        received: &[u8],
        identity: Identity,
        peer_id: [u8; 20],
        now: Instant,
    ) -> Self {
        let mut peer = Self::new(addr, Stage::Connecting, now);
        peer.dialled = false;
        // A peer that supports v2 continues with the v2 hash, whichever hash it used (BEP 52).
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

    /// Whether we dialled it. Otherwise it need not listen at its address.
    pub(crate) fn is_dialled(&self) -> bool {
        self.dialled
    }

    /// Its peer ID, once its handshake is done.
    pub fn id(&self) -> Option<[u8; 20]> {
        self.id
    }

    /// Its client name, or else the client code and version at the beginning of its peer ID.
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

    /// Whether it has pieces that we lack, and knows that we are interested.
    pub(crate) fn is_interesting(&self) -> bool {
        self.interested
    }

    /// Our uploads to it.
    pub fn upload(&self) -> &Upload {
        &self.upload
    }

    /// Our uploads to it, mutable.
    pub(crate) fn upload_mut(&mut self) -> &mut Upload {
        &mut self.upload
    }

    /// Bytes of payload that it sent.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Whether it owes blocks and sends none.
    pub(crate) fn is_snubbing(&self) -> bool {
        self.snubbed
    }

    /// Its address.
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

    /// The connection is open: our handshake is sent.
    pub fn connected(&mut self, identity: Identity, peer_id: [u8; 20], now: Instant) {
        self.stage = Stage::Handshaking { since: now, received: Vec::new() };
        self.last_heard = now;
        let hello = Handshake::ours(identity.key, peer_id).with_v2(identity.v2.is_some());
        self.out.extend_from_slice(&hello.encode());
        self.last_sent = now;
    }

    /// Sets the DHT bit in our handshake, which is still in the output (BEP 5).
    pub(crate) fn offer_dht(&mut self) {
        Handshake::offer_dht(&mut self.out);
    }

    /// Sends the port of our DHT node, if the peer has a node as well (BEP 5).
    pub(crate) fn tell_dht_port(&mut self, port: u16, now: Instant) {
        if self.has_dht {
            self.say(&Message::Port(port), now);
        }
    }

    /// Handles raw bytes: the handshake or a part of it.
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
        // A peer that dialled us had sent its handshake before ours.
        self.round_trip = if self.dialled { now.saturating_since(*since) } else { Duration::MAX };
        self.stage = Stage::Ready { since: now };
        self.last_heard = now;
        self.id = Some(theirs.peer_id);
        self.fast = theirs.supports_fast();
        self.speaks_extensions = theirs.supports_extensions();
        self.has_dht = theirs.supports_dht();
        Ok(Some(PeerEvent::Ready))
    }

    /// Whether it supports the extension protocol (BEP 10).
    pub(crate) fn speaks_extensions(&self) -> bool {
        self.speaks_extensions
    }

    /// Time since its handshake was done; `None` before that.
    pub(crate) fn ready_for(&self, now: Instant) -> Option<Duration> {
        match self.stage {
            Stage::Ready { since } => Some(now.saturating_since(since)),
            _ => None,
        }
    }

    /// Whether it supports hash transfer (BEP 52).
    pub(crate) fn speaks_v2(&self) -> bool {
        self.is_ready() && self.v2
    }

    /// Requests hashes.
    pub(crate) fn ask_for_hashes(&mut self, request: HashRequest, now: Instant) {
        self.say(&Message::HashRequest(request), now);
    }

    /// Answers a request for hashes, or rejects it.
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

    /// Tells the peer whether we are interested in its pieces.
    pub(crate) fn set_interested(&mut self, interested: bool, now: Instant) {
        if self.is_ready() && self.interested != interested {
            self.interested = interested;
            self.say(if interested { &Message::Interested } else { &Message::NotInterested }, now);
        }
    }

    /// Whether the peer knows that we are interested.
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

    /// Called once a second: keeps the connection alive.
    ///
    /// Returns whether the peer has begun to snub us; its blocks are then to be requested from
    /// others.
    pub fn tick(&mut self, now: Instant) -> bool {
        if self.is_ready() && now.saturating_since(self.last_sent) > KEEP_ALIVE {
            self.out.extend_from_slice(&[0; 4]);
            self.last_sent = now;
        }
        let snubs = self.requests.live() > 0 && now.saturating_since(self.last_block) > SNUB_AFTER;
        self.snubbed |= snubs;
        snubs
    }

    /// Takes the bytes to send now.
    pub fn take_out(&mut self) -> Option<Bytes> {
        (!self.out.is_empty()).then(|| Bytes::from(std::mem::take(&mut self.out)))
    }

    fn say(&mut self, message: &Message<'_>, now: Instant) {
        message.encode(&mut self.out);
        self.last_sent = now;
    }
}
