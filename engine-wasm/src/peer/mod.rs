//! One peer from the dial to the end: the state of the wire protocol.
//!
//! It turns bytes and frames into [`PeerEvent`]s and collects the bytes to send. It never decides
//! what to request and never sees payload. A violation of the protocol is a [`PeerError`], which
//! ends the connection.

pub(crate) mod allowed_fast;
mod asking;
mod debt;
pub(crate) mod divert;
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
mod metadata_queue;
pub mod mse;
mod outbox;
pub mod pex;
pub mod pipe;
mod pipeline;
pub mod policy;
mod punch;
pub mod rate;
mod requests;
mod traits;
mod unchokes;
pub mod upload;
pub mod wire;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::bitfield::Bitfield;
use crate::geometry::PieceIndex;
use crate::hashes::request::HashRequest;
use crate::metainfo::Identity;
use crate::time::Instant;
pub use event::{PeerError, PeerEvent};
use handshake::{HANDSHAKE_LEN, Handshake};
use having::Having;
use holepunch::punching::Punching;
use metadata_queue::MetadataQueue;
use outbox::Outbox;
use pex::state::PexState;
use pipeline::Pipeline;
pub(crate) use pipeline::Standing;
use traits::Traits;
use upload::Upload;
use wire::Message;

/// How long a connected peer may take to finish its handshake.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// After this silence a peer counts as gone. BEP 3 asks for a keep-alive every two minutes.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(150);

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
    /// Whether we dialled it.
    dialled: bool,
    stage: Stage,
    last_heard: Instant,
    outbox: Outbox,
    traits: Traits,
    having: Having,
    pipeline: Pipeline,
    /// Whether the peer knows that we are interested.
    interested: bool,
    /// Whether the peer knows our pieces.
    introduced: bool,
    upload: Upload,
    metadata: MetadataQueue,
    pex_state: PexState,
    punching: Punching,
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
        peer.traits.v2 = v2.is_some();
        peer.connected(Identity { key, ..identity }, peer_id, now);
        peer.stage = Stage::Handshaking { since: now, received: received.to_vec() };
        peer
    }

    fn new(addr: SocketAddr, stage: Stage, now: Instant) -> Self {
        Self {
            addr,
            dialled: true,
            stage,
            last_heard: now,
            outbox: Outbox::new(now),
            traits: Traits::default(),
            having: Having::new(),
            pipeline: Pipeline::new(now),
            interested: false,
            introduced: false,
            upload: Upload::new(now),
            metadata: MetadataQueue::default(),
            pex_state: PexState::default(),
            punching: Punching::new(now),
        }
    }

    /// Whether we dialled it. Otherwise it need not listen at its address.
    pub(crate) fn is_dialled(&self) -> bool {
        self.dialled
    }

    /// Its peer ID, once its handshake is done.
    pub fn id(&self) -> Option<[u8; 20]> {
        self.traits.id
    }

    /// Returns the peer's client name, if it is known.
    pub fn client(&self) -> Option<String> {
        self.traits.client()
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
        self.outbox.append(&hello.encode(), now);
    }

    /// Sets the DHT bit in our handshake (BEP 5). The handshake must still be in the outbox.
    pub(crate) fn offer_dht(&mut self) {
        Handshake::offer_dht(self.outbox.bytes_mut());
    }

    /// Sends the port of our DHT node (BEP 5). Does nothing if the peer has no node.
    pub(crate) fn send_dht_port(&mut self, port: u16, now: Instant) {
        if self.traits.dht {
            self.send(&Message::Port(port), now);
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
        self.traits.v2 |= identity.v2.is_some_and(|v2| v2.truncated() == theirs.info_hash);
        if theirs.peer_id == peer_id {
            return Err(PeerError::Ourselves);
        }
        if self.dialled {
            self.pipeline.set_round_trip(now.saturating_since(*since));
        }
        self.stage = Stage::Ready { since: now };
        self.last_heard = now;
        self.traits.read_handshake(&theirs);
        Ok(Some(PeerEvent::Ready))
    }

    /// Whether it supports the extension protocol (BEP 10).
    pub(crate) fn supports_extensions(&self) -> bool {
        self.traits.extensions
    }

    /// Time since its handshake was done; `None` before that.
    pub(crate) fn ready_for(&self, now: Instant) -> Option<Duration> {
        match self.stage {
            Stage::Ready { since } => Some(now.saturating_since(since)),
            _ => None,
        }
    }

    /// Whether it supports hash transfer (BEP 52).
    pub(crate) fn supports_v2(&self) -> bool {
        self.is_ready() && self.traits.v2
    }

    /// Requests hashes.
    pub(crate) fn ask_for_hashes(&mut self, request: HashRequest, now: Instant) {
        self.send(&Message::HashRequest(request), now);
    }

    /// Answers a request for hashes, or rejects it.
    pub(crate) fn send_hashes(
        &mut self,
        request: HashRequest,
        hashes: Option<&[u8]>,
        now: Instant,
    ) {
        match hashes {
            Some(hashes) => self.send(&Message::Hashes { request, hashes }, now),
            None => self.send(&Message::HashReject(request), now),
        }
    }

    /// Tells the peer whether we are interested in its pieces.
    pub(crate) fn set_interested(&mut self, interested: bool, now: Instant) {
        if self.is_ready() && self.interested != interested {
            self.interested = interested;
            self.send(if interested { &Message::Interested } else { &Message::NotInterested }, now);
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
        if self.is_ready() {
            self.outbox.keep_alive(now);
        }
        self.pipeline.check_snubbed(now)
    }

    /// Returns whether the peer has a piece.
    pub fn has(&self, piece: PieceIndex) -> bool {
        self.having.has(piece)
    }

    /// Returns whether the peer announced that it has everything.
    pub(crate) fn has_all(&self) -> bool {
        self.having.has_all()
    }

    /// Returns the peer's pieces, if they are known and are not all.
    pub fn pieces(&self) -> Option<&Bitfield> {
        self.having.pieces()
    }

    /// Returns whether the peer would send a block of a piece now.
    pub fn serves(&self, piece: PieceIndex) -> bool {
        self.is_ready() && self.having.serves(piece)
    }

    /// Returns whether the peer has unchoked us.
    pub fn is_open(&self) -> bool {
        self.is_ready() && self.having.is_open()
    }

    /// Returns whether the peer downloads nothing: it has everything, or all that it selected (BEP
    /// 21).
    pub(crate) fn is_upload_only(&self) -> bool {
        self.traits.upload_only || self.having.is_full()
    }

    /// Takes the bytes to send now.
    pub fn take_out(&mut self) -> Option<Bytes> {
        self.outbox.take()
    }

    fn send(&mut self, message: &Message<'_>, now: Instant) {
        self.outbox.send(message, now);
    }
}
