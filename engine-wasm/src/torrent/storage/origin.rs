//! The origin of a file at a torrent's path, and the file's verified pieces.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use shared_proto::FileIdentity;

use crate::bitfield::Bitfield;
use crate::geometry::{FileIndex, PieceIndex, each_piece};
use crate::torrent::content::Content;

/// The origin of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Origin {
    /// Not inspected yet.
    #[default]
    Unknown,
    /// Nothing has its path: it is created on the first write.
    Nothing,
    /// We created it.
    Ours(Option<FileIdentity>),
    /// It existed before, and the user chose to continue in it. It is written and never deleted.
    Adopted(Option<FileIdentity>),
    /// It existed before: it is only read.
    Theirs(Option<FileIdentity>),
    /// A file that may be ours and is only read until a hash decides. The record says that we
    /// created a file here, but the file system can't tell whether this is that file.
    Unsure,
}

/// The stored origin of an existing file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kept {
    /// [`Origin::Ours`]
    Ours(Option<FileIdentity>),
    /// [`Origin::Adopted`]
    Adopted(Option<FileIdentity>),
    /// [`Origin::Theirs`]
    Theirs(Option<FileIdentity>),
}

impl Origin {
    /// Restores a stored origin.
    pub(super) fn restored(kept: Kept) -> Self {
        match kept {
            Kept::Ours(identity) => Self::Ours(identity),
            Kept::Adopted(identity) => Self::Adopted(identity),
            Kept::Theirs(identity) => Self::Theirs(identity),
        }
    }

    /// The origin to store; `None` if there is no file.
    pub(super) fn kept(self) -> Option<Kept> {
        match self {
            Self::Unknown | Self::Nothing => None,
            Self::Ours(identity) => Some(Kept::Ours(identity)),
            Self::Adopted(identity) => Some(Kept::Adopted(identity)),
            Self::Theirs(identity) => Some(Kept::Theirs(identity)),
            Self::Unsure => Some(Kept::Ours(None)),
        }
    }

    /// Whether it may be written once it exists.
    pub(super) fn is_writable(self) -> bool {
        !matches!(self, Self::Theirs(_) | Self::Unsure)
    }

    pub(super) fn identity(self) -> Option<FileIdentity> {
        match self {
            Self::Ours(identity) | Self::Adopted(identity) | Self::Theirs(identity) => identity,
            Self::Unknown | Self::Nothing | Self::Unsure => None,
        }
    }

    pub(super) fn with_identity(self, identity: Option<FileIdentity>) -> Self {
        match self {
            Self::Ours(_) | Self::Unsure => Self::Ours(identity),
            Self::Adopted(_) => Self::Adopted(identity),
            Self::Theirs(_) => Self::Theirs(identity),
            Self::Unknown | Self::Nothing => self,
        }
    }
}

/// The conclusion about an inspected file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the same file, or still missing: its stamp decides about its content.
    Same,
    /// It is another file, or missing without being needed: nothing known about its content holds.
    Other,
    /// It contained verified bytes and is missing.
    Missing,
    /// Every name that was tried for it is taken.
    Nameless,
}

/// The verified pieces, according to this engine and to the earlier record.
#[derive(Clone, Debug)]
pub(in crate::torrent) struct Proofs<'a> {
    have: Cow<'a, Bitfield>,
    recorded: Option<&'a Bitfield>,
}

impl<'a> Proofs<'a> {
    /// `have` are the verified pieces. `recorded` are those of an earlier engine's record, until
    /// all files were inspected.
    pub(in crate::torrent) fn new(have: &'a Bitfield, recorded: Option<&'a Bitfield>) -> Self {
        Self { have: Cow::Borrowed(have), recorded }
    }

    /// The verified pieces of a file.
    pub(super) fn of(
        &self,
        content: &Content,
        file: FileIndex,
    ) -> impl Iterator<Item = PieceIndex> {
        let pieces = content.geometry.pieces_of_file(file).into_iter().flat_map(each_piece);
        pieces.filter(|piece| {
            self.have.get(piece.get()) || self.recorded.is_some_and(|it| it.get(piece.get()))
        })
    }

    pub(super) fn has_any(&self, content: &Content, file: FileIndex) -> bool {
        self.of(content, file).next().is_some()
    }

    /// This engine's verification of a file's pieces does not hold any more.
    pub(super) fn lose(&mut self, content: &Content, file: FileIndex) {
        for piece in content.geometry.pieces_of_file(file).into_iter().flat_map(each_piece) {
            if self.have.get(piece.get()) {
                self.have.to_mut().clear(piece.get());
            }
        }
    }
}
