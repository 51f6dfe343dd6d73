//! Uploading to one peer: our introduction, our pieces, and the answers to its requests.
//!
//! Like its parent module, it translates between messages and events and decides nothing. The
//! caller knows which pieces we have.

use std::time::Duration;

use super::extension::{self, ExtensionHandshake};
use super::metadata::{self, MetadataMessage};
use super::upload::{Request, Verdict};
use super::wire::Message;
use super::{Peer, PeerError};
use crate::bitfield::Bitfield;
use crate::geometry::PieceIndex;
use crate::limits;
use crate::time::Instant;

/// What we tell a peer after the handshake.
#[derive(Clone, Copy, Debug)]
pub struct Introduction<'a> {
    /// The pieces that we have.
    pub have: &'a Bitfield,
    /// Length of the info dictionary that we offer, in bytes (BEP 9). `None` if we offer none.
    pub metadata_size: Option<u32>,
    /// The port at which we listen.
    pub port: Option<u16>,
    /// Whether we only upload (BEP 21).
    pub upload_only: bool,
    /// Whether peer exchange is offered (BEP 11).
    pub exchanges_peers: bool,
    /// Shortest time between two peer exchange messages.
    pub pex_interval: Duration,
    /// Whether hole punching is offered (BEP 55).
    pub punches: bool,
}

impl Peer {
    /// After the handshakes: sends our pieces and our extensions.
    pub fn introduce(&mut self, us: &Introduction<'_>, now: Instant) {
        // Our pieces come before any other message (BEP 3, 6). Without the fast extension, no
        // message means no pieces.
        match (self.traits.fast, us.have.is_clear(), us.have.is_full()) {
            (true, true, _) => self.send(&Message::HaveNone, now),
            (true, _, true) => self.send(&Message::HaveAll, now),
            (false, true, _) => {}
            _ => self.send(&Message::Bitfield(&us.have.to_wire()), now),
        }
        self.introduced = true;
        self.send_extensions(us, now);
    }

    /// Sends our extension handshake, again when it has changed (BEP 10).
    pub(crate) fn send_extensions(&mut self, us: &Introduction<'_>, now: Instant) {
        if !self.traits.extensions || !self.introduced {
            return;
        }
        let reqq = u32::try_from(limits::REQUESTS_PER_PEER).unwrap_or(u32::MAX);
        let mut hello = ExtensionHandshake::ours(reqq);
        hello.messages.insert(metadata::EXTENSION.to_owned(), metadata::OUR_ID);
        hello.metadata_size = us.metadata_size;
        hello.port = us.port;
        hello.upload_only = us.upload_only;
        self.pex_state.offer(&mut hello, us.exchanges_peers, us.pex_interval);
        self.punching.offer(&mut hello, us.punches);
        self.send(
            &Message::Extended { id: extension::HANDSHAKE_ID, payload: &hello.encode() },
            now,
        );
    }

    /// Announces one more piece, unless the peer has everything.
    pub(crate) fn announce_piece(&mut self, piece: PieceIndex, now: Instant) {
        if self.introduced && !self.having.has_all() {
            self.send(&Message::Have(piece.get()), now);
        }
    }

    /// Sends the pieces that the peer may request while choked (BEP 6). Only the first call counts.
    pub fn allow(&mut self, pieces: Vec<PieceIndex>, now: Instant) {
        if self.traits.fast {
            pieces.iter().for_each(|piece| self.send(&Message::AllowedFast(piece.get()), now));
            self.upload.allow(pieces);
        }
    }

    /// Whether it supports the fast extension (BEP 6).
    pub(crate) fn is_fast(&self) -> bool {
        self.traits.fast
    }

    /// Chokes or unchokes the peer. With the fast extension each dropped request is rejected.
    pub(crate) fn set_choked(&mut self, choked: bool, now: Instant) {
        if !choked {
            if self.upload.unchoke() {
                self.send(&Message::Unchoke, now);
            }
        } else if !self.upload.is_choking() {
            let dropped = self.upload.choke();
            self.send(&Message::Choke, now);
            dropped.into_iter().for_each(|request| self.refuse(request, now));
        }
    }

    /// Handles a request for a block.
    ///
    /// `can_give` says whether the bytes are valid, verified and readable.
    ///
    /// # Errors
    /// [`PeerError::Nuisance`]: drop the peer.
    pub(crate) fn handle_request(
        &mut self,
        request: Request,
        can_give: bool,
        now: Instant,
    ) -> Result<(), PeerError> {
        if self.upload.ask(request, can_give) == Verdict::Refused {
            self.refuse(request, now);
        }
        if self.upload.is_a_nuisance() { Err(PeerError::Nuisance) } else { Ok(()) }
    }

    /// Handles a cancelled request. BEP 6 demands an answer nevertheless.
    pub(crate) fn handle_cancel(&mut self, request: Request, now: Instant) {
        if self.upload.cancel(request) {
            self.refuse(request, now);
        }
    }

    /// Rejects a request. Without the fast extension there is no message for this.
    pub fn refuse(&mut self, Request { piece, begin, length }: Request, now: Instant) {
        if self.traits.fast {
            self.send(&Message::Reject { piece, begin, length }, now);
        }
    }

    /// Whether it supports requests for the info dictionary.
    pub(crate) fn supports_metadata(&self) -> bool {
        self.metadata.id().is_some()
    }

    /// Returns the length of the info dictionary that the peer offers, in bytes. `None` if the peer
    /// offers none.
    pub(crate) fn offered_metadata(&self) -> Option<u32> {
        self.metadata.offered()
    }

    /// Requests a block of the info dictionary.
    pub(crate) fn ask_metadata(&mut self, block: u32, now: Instant) {
        self.send_metadata_message(MetadataMessage::Request { block }, now);
    }

    /// Queues a request for a block of the info dictionary, which has `size` bytes.
    ///
    /// A peer that requests far more blocks than exist is rejected.
    pub(crate) fn handle_metadata_request(&mut self, block: u32, size: Option<u32>, now: Instant) {
        if !self.metadata.push(block, size) {
            self.send_metadata_message(MetadataMessage::Reject { block }, now);
        }
    }

    /// Sends at most `most` of the requested blocks of the info dictionary.
    pub(crate) fn send_metadata(&mut self, info: &[u8], most: usize, now: Instant) {
        let Ok(total) = u32::try_from(info.len()) else { return };
        for _ in 0..most {
            let Some(block) = self.metadata.pop() else { return };
            let begin = block as usize * metadata::BLOCK as usize;
            let end = begin + metadata::block_length(total, block) as usize;
            let Some(data) = info.get(begin..end) else { continue };
            self.send_metadata_message(MetadataMessage::Data { block, total, data }, now);
        }
    }

    fn send_metadata_message(&mut self, message: MetadataMessage<'_>, now: Instant) {
        if let Some(id) = self.metadata.id() {
            self.send(&Message::Extended { id, payload: &message.encode() }, now);
        }
    }
}

#[cfg(test)]
mod tests;
