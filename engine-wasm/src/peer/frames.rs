//! Handles the frames after the handshake: each becomes a [`PeerEvent`] or changes the peer.
//!
//! While a magnet link has no metadata, messages about pieces are ignored: see
//! [`Peer::handle_frame_undescribed`].

use bytes::Bytes;

use super::metadata::{self, MetadataMessage};
use super::upload::Request;
use super::wire::Message;
use super::{Peer, PeerError, PeerEvent, extension, holepunch, pex};
use crate::bitfield::Bitfield;
use crate::geometry::Geometry;
use crate::hashes::request::REQUEST_LENGTH;
use crate::time::Instant;

impl Peer {
    /// Handles a frame from a torrent's peer. The payload was not diverted to the disk.
    ///
    /// # Errors
    /// [`PeerError`]: drop the peer.
    pub(crate) fn handle_frame(
        &mut self,
        frame: &Bytes,
        geometry: &Geometry,
        now: Instant,
    ) -> Result<Option<PeerEvent>, PeerError> {
        if self.is_keep_alive(frame, now) {
            return Ok(None);
        }
        match self.message(frame, now)? {
            Message::Extended { id, payload } => self.extended(frame, id, payload, now),
            Message::Port(port) => Ok(Some(PeerEvent::DhtNode(port))),
            message => self.about_pieces(message, frame, geometry, now),
        }
    }

    /// Handles a frame while the torrent has no metadata; messages about pieces are ignored.
    ///
    /// # Errors
    /// [`PeerError`]: drop the peer.
    pub(crate) fn handle_frame_undescribed(
        &mut self,
        frame: &Bytes,
        now: Instant,
    ) -> Result<Option<PeerEvent>, PeerError> {
        if self.is_keep_alive(frame, now) {
            return Ok(None);
        }
        match self.message(frame, now)? {
            Message::Extended { id, payload } => self.extended(frame, id, payload, now),
            Message::Port(port) => Ok(Some(PeerEvent::DhtNode(port))),
            _ => Ok(None),
        }
    }

    /// Whether it is a keep-alive (BEP 3): the peer is there, and says nothing else.
    fn is_keep_alive(&mut self, frame: &Bytes, now: Instant) -> bool {
        let is_one = frame.is_empty() && self.is_ready();
        if is_one {
            self.last_heard = now;
        }
        is_one
    }

    fn message<'a>(&mut self, frame: &'a Bytes, now: Instant) -> Result<Message<'a>, PeerError> {
        if !self.is_ready() {
            return Err(PeerError::OutOfTurn);
        }
        self.last_heard = now;
        Ok(Message::parse(frame)?)
    }

    fn extended(
        &mut self,
        frame: &Bytes,
        id: u8,
        payload: &[u8],
        now: Instant,
    ) -> Result<Option<PeerEvent>, PeerError> {
        match id {
            extension::HANDSHAKE_ID => {
                if let Ok(hello) = extension::ExtensionHandshake::parse(payload) {
                    self.pipeline.set_reqq(hello.reqq);
                    self.traits.read_extensions(&hello);
                    self.metadata.read_handshake(&hello);
                    self.pex_state.read_handshake(&hello);
                    self.punching.read_handshake(&hello);
                }
                Ok(Some(PeerEvent::Agreed))
            }
            pex::OUR_ID => {
                let named = self.pex_state.handle_peers(payload, self.addr, now)?;
                Ok((!named.is_empty()).then_some(PeerEvent::Names(named)))
            }
            holepunch::OUR_ID => {
                let message = self.punching.handle_message(payload, now)?;
                Ok(message.map(PeerEvent::Punch))
            }
            metadata::OUR_ID => {
                Ok(match MetadataMessage::parse(payload).map_err(|_| PeerError::Metadata)? {
                    MetadataMessage::Request { block } => Some(PeerEvent::AsksMetadata(block)),
                    MetadataMessage::Data { block, total, data } => {
                        Some(PeerEvent::Metadata { block, total, data: frame.slice_ref(data) })
                    }
                    MetadataMessage::Reject { block } => Some(PeerEvent::MetadataRejected(block)),
                    MetadataMessage::Unknown => None,
                })
            }
            _ => Ok(None),
        }
    }

    fn about_pieces(
        &mut self,
        message: Message<'_>,
        frame: &Bytes,
        geometry: &Geometry,
        now: Instant,
    ) -> Result<Option<PeerEvent>, PeerError> {
        match message {
            Message::Choke => Ok(self.choke(now)),
            Message::Unchoke => {
                let is_news = self.having.set_choked(false);
                if is_news {
                    self.pipeline.unchoked();
                }
                Ok(is_news.then_some(PeerEvent::Unchoked))
            }
            Message::Have(piece) => self.having.handle_have(piece, geometry),
            Message::Bitfield(bits) => {
                let pieces = Bitfield::from_wire(bits, geometry.piece_count())
                    .map_err(|_| PeerError::OutOfRange)?;
                self.having.handle_bitfield(pieces, geometry)
            }
            Message::HaveAll => {
                self.agreed()?;
                self.having.handle_bitfield(Bitfield::full(geometry.piece_count()), geometry)
            }
            Message::HaveNone => {
                self.agreed()?;
                self.having.handle_first(Bitfield::new(geometry.piece_count()))
            }
            Message::Reject { piece, begin, length } => {
                self.agreed()?;
                let block = geometry.validate(piece, begin, length).ok_or(PeerError::OutOfRange)?;
                let is_choked = self.having.is_choked();
                let is_live = self.pipeline.rejected(block, is_choked, now);
                Ok(is_live.then_some(PeerEvent::Rejected(block)))
            }
            Message::AllowedFast(piece) => {
                self.agreed()?;
                self.having.handle_allowed_fast(piece, geometry)
            }
            Message::Interested => {
                Ok(self.upload.set_interested(true, now).then_some(PeerEvent::Interest))
            }
            Message::NotInterested => {
                Ok(self.upload.set_interested(false, now).then_some(PeerEvent::Interest))
            }
            Message::Request { piece, begin, length } => {
                Ok(Some(PeerEvent::Asks(Request { piece, begin, length })))
            }
            Message::Cancel { piece, begin, length } => {
                Ok(Some(PeerEvent::TakesBack(Request { piece, begin, length })))
            }
            Message::HashRequest(request) => {
                Ok(self.traits.v2.then_some(PeerEvent::WantsHashes(request)))
            }
            Message::Hashes { request, .. } => Ok(self
                .traits
                .v2
                .then(|| PeerEvent::Hashes(request, frame.slice(1 + REQUEST_LENGTH..)))),
            Message::HashReject(request) => {
                Ok(self.traits.v2.then_some(PeerEvent::HashesRejected(request)))
            }
            // A block too short for its header to be diverted, or an unused message.
            _ => Ok(None),
        }
    }

    fn agreed(&self) -> Result<(), PeerError> {
        if self.traits.fast { Ok(()) } else { Err(PeerError::NotAgreed) }
    }

    /// Handles a choke.
    ///
    /// Without the fast extension a choke drops all requests (BEP 3); with it, each is answered or
    /// rejected (BEP 6). A repeated choke changes nothing.
    fn choke(&mut self, now: Instant) -> Option<PeerEvent> {
        let is_news = self.having.set_choked(true);
        is_news.then(|| PeerEvent::Choked(self.pipeline.choked(!self.traits.fast, now)))
    }
}
