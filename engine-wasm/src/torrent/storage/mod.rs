//! What of a torrent is on the disk: where its files lie, whose they are, what they look like.

pub(in crate::torrent) mod donor;
pub(in crate::torrent) mod look;
pub(in crate::torrent) mod mover;
pub(in crate::torrent) mod origin;
pub(in crate::torrent) mod place;
pub(in crate::torrent) mod removal;
pub(in crate::torrent) mod slot;
pub(in crate::torrent) mod stamps;
pub(in crate::torrent) mod trouble;

use std::collections::{BTreeSet, VecDeque};

use crate::geometry::{FileIndex, PieceIndex};
use donor::Copies;
use look::Look;
use mover::Mover;
use place::Place;
use removal::Removal;
use slot::Slot;
use stamps::Stamps;
use trouble::Trouble;

/// The files of a torrent, as far as the daemon knows them.
#[derive(Debug)]
pub(in crate::torrent) struct Storage {
    pub(in crate::torrent) place: Place,
    /// Whether the user allowed writing to files that were there before.
    pub(in crate::torrent) adopts: bool,
    pub(in crate::torrent) copies: Copies,
    /// Pieces that tell whether a file is still ours where the file system can't.
    pub(in crate::torrent) evidence: BTreeSet<PieceIndex>,
    /// Whether all wanted files were seen on the disk since the last of their pieces was verified.
    pub(in crate::torrent) is_confirmed: bool,
    pub(in crate::torrent) looking: Option<Look>,
    /// Rounds of looking so far. An answer of an earlier round is ignored.
    pub(in crate::torrent) looks: u32,
    pub(in crate::torrent) stamps: Stamps,
    pub(in crate::torrent) trouble: Trouble,
    pub(in crate::torrent) mover: Mover,
    pub(in crate::torrent) removal: Option<Removal>,
    /// Pieces whose files stay open because a peer may write to them.
    pub(in crate::torrent) pinned: BTreeSet<PieceIndex>,
    /// Files without bytes that are to be made.
    pub(in crate::torrent) empties: VecDeque<FileIndex>,
    /// How many files without bytes are being made.
    pub(in crate::torrent) creating: usize,
    pub(in crate::torrent) files: Vec<Slot>,
}
