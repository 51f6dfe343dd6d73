//! What a peer does, as others hear of it.

use std::net::SocketAddr;

use bytes::Bytes;

use super::upload::Request;
use super::wire::WireError;
use crate::geometry::{Block, PieceIndex};
use crate::hashes::request::HashRequest;
use crate::peer::holepunch::HolepunchMessage;

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
    /// It told for the first time what it has; see `Peer::has`.
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
    /// It asks for a block of the info dictionary (BEP 9).
    AsksMetadata(u32),
    /// It gives a block of the info dictionary.
    Metadata {
        /// Index of the block.
        block: u32,
        /// Length of the whole dictionary, bytes, as it says.
        total: u32,
        /// The block's bytes.
        data: Bytes,
    },
    /// It will not give this block of the info dictionary.
    MetadataRejected(u32),
    /// It wants hashes.
    WantsHashes(HashRequest),
    /// It gives hashes.
    Hashes(HashRequest, Bytes),
    /// It will not give these hashes.
    HashesRejected(HashRequest),
}
