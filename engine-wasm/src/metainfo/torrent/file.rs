//! A torrent's files: as the document has them, and as the engine uses them.

use crate::metainfo::merkle::Hash;

/// Most components in a file's path, without the torrent's name.
pub(crate) const MAX_PATH_DEPTH: usize = shared_proto::path::MAX_COMPONENTS - 1;

/// One file of a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The path as the torrent has it, distinct within the torrent.
    ///
    /// In a torrent with several files the first component is the torrent's name.
    pub path: Vec<String>,
    /// A path that every disk accepts, if `path` is not such a path.
    pub safe_path: Option<Vec<String>>,
    /// Length in bytes.
    pub length: u64,
    /// Whether the file is padding (BEP 47): zeros that align the next file, never shown.
    pub padding: bool,
    /// The root of the file's hash tree (BEP 52). `None` without a v2 part and for an empty file.
    pub root: Option<Hash>,
}

/// A file's entry in the v1 list or the v2 tree.
pub(super) struct Entry<'d> {
    /// The path's components, without the torrent's name.
    pub(super) path: Vec<&'d [u8]>,
    pub(super) length: u64,
    pub(super) padding: bool,
    pub(super) root: Option<Hash>,
}
