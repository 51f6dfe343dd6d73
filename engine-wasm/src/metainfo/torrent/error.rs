//! Why a file is not an acceptable torrent.

use thiserror::Error;

use crate::geometry::GeometryError;
use crate::metainfo::bencode::BencodeError;

/// Why a file is not an acceptable torrent. The messages are shown to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MetainfoError {
    /// The file is not valid bencoding.
    #[error("not a torrent file: {0}")]
    Bencode(#[from] BencodeError),
    /// A required field is missing.
    #[error("the torrent file lacks {0:?}")]
    Missing(&'static str),
    /// A field has the wrong type or a value out of range.
    #[error("the torrent file has a bad {0:?}")]
    Bad(&'static str),
    /// An unknown `meta version`.
    #[error("torrents of version {0} are not supported")]
    Version(i64),
    /// A piece length that v2 does not allow.
    #[error("pieces of {0} bytes are not allowed in a v2 torrent")]
    PieceLength(u64),
    /// The v1 and v2 parts of a hybrid describe different files.
    #[error("the v1 and v2 parts of the torrent differ in the {0}")]
    Inconsistent(&'static str),
    /// A piece layer with the wrong number of hashes.
    #[error("a piece layer has {got} bytes where {expected} are due")]
    LayerLength {
        /// Length in bytes that the file's pieces require.
        expected: usize,
        /// Actual length in bytes.
        got: usize,
    },
    /// A piece layer that does not hash to its file's root.
    #[error("a piece layer does not fit its file")]
    LayerRoot,
    /// A path that is too long for every disk. Even shortened names did not help.
    #[error("a file's path is too long: {0}")]
    Path(#[from] shared_proto::path::TooLong),
    /// The torrent has no file.
    #[error("the torrent has no content")]
    Empty,
    /// Lengths or counts out of range.
    #[error("the torrent is out of bounds: {0}")]
    Geometry(#[from] GeometryError),
    /// The number of piece hashes is not the number of pieces.
    #[error("the torrent has {got} piece hashes for {expected} pieces")]
    PieceCount {
        /// Number of pieces that the files require.
        expected: u32,
        /// Number of hashes in the torrent.
        got: usize,
    },
}
