//! The events and errors of one peer.

use std::net::SocketAddr;

use bytes::Bytes;

use super::upload::Request;
use super::wire::WireError;
use crate::geometry::{Block, PieceIndex};
use crate::hashes::request::HashRequest;
use crate::peer::holepunch::HolepunchMessage;

/// A violation of the protocol by a peer.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// A malformed frame.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A malformed handshake.
    #[error("not a BitTorrent handshake")]
    Handshake,
    /// The handshake is for another torrent.
    #[error("the peer's handshake is for another torrent")]
    WrongTorrent,
    /// We dialled ourselves.
    #[error("connected to ourselves")]
    Ourselves,
    /// A message that must come first came late or twice.
    #[error("message out of turn")]
    OutOfTurn,
    /// A message of an extension that was not negotiated.
    #[error("fast extension message without the fast extension")]
    NotAgreed,
    /// A piece or block that the torrent does not have.
    #[error("piece out of range")]
    OutOfRange,
    /// The peer keeps requesting what it can't have.
    #[error("too many impossible requests")]
    Nuisance,
    /// The peer does not support metadata exchange (BEP 9).
    #[error("the peer does not support metadata exchange")]
    NoMetadata,
    /// A malformed metadata message.
    #[error("a metadata message that can't be read")]
    Metadata,
    /// A malformed peer exchange message.
    #[error("a peer exchange message that can't be read")]
    Exchange,
    /// The peer sends far too many peer exchange messages.
    #[error("too many peer exchange messages")]
    Flood,
    /// The peer asks for far too many rendezvous.
    #[error("too many rendezvous requests")]
    PunchFlood,
}

/// An action of a peer that its torrent handles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerEvent {
    /// The handshake is done.
    Ready,
    /// It announced its pieces for the first time; see `Peer::has`.
    HasSome,
    /// It announced for the first time that it has everything.
    HasAll,
    /// It has one more piece.
    Has(PieceIndex),
    /// It has several more pieces.
    HasMore(Vec<PieceIndex>),
    /// It choked us. These blocks are free again, and it will not send them.
    Choked(Vec<Block>),
    /// It unchoked us.
    Unchoked,
    /// It will not send this block.
    Rejected(Block),
    /// It sends this piece even while it chokes us.
    AllowedFast(PieceIndex),
    /// It announced how many requests it accepts.
    Agreed,
    /// Its interest in our pieces has changed.
    Interest,
    /// It requests a block.
    Asks(Request),
    /// It cancels a request.
    TakesBack(Request),
    /// It has a DHT node at this UDP port (BEP 5).
    DhtNode(u16),
    /// It names other peers (BEP 11).
    Names(Vec<SocketAddr>),
    /// A message about a rendezvous (BEP 55).
    Punch(HolepunchMessage),
    /// It requests a block of the info dictionary (BEP 9).
    AsksMetadata(u32),
    /// It sends a block of the info dictionary.
    Metadata {
        /// Index of the block.
        block: u32,
        /// Length of the whole dictionary in bytes, according to the peer.
        total: u32,
        /// The block's bytes.
        data: Bytes,
    },
    /// It rejects a request for this block of the info dictionary.
    MetadataRejected(u32),
    /// It requests hashes.
    WantsHashes(HashRequest),
    /// It sends hashes.
    Hashes(HashRequest, Bytes),
    /// It rejects a request for hashes.
    HashesRejected(HashRequest),
}
