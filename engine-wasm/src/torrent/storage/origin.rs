//! Whose the files at a torrent's paths are, decided file by file.
//!
//! Owns the rule that no byte of a file that we did not create is changed or deleted without the
//! person's word for this torrent. A file is recognised by its identity, never by its name. A file
//! that was there before is read only: it is used in place when it verifies, and otherwise
//! *displaces* ours, which then gets a name with a number. What of the found file verifies is
//! copied into ours ([`super::donor`]).
//!
//! A found file counts as verified when all pieces that lie wholly in it are right. A piece that it
//! shares with a file of ours is checked when our part has arrived; only then are its bytes served.

use serde::{Deserialize, Serialize};
use shared_proto::FileIdentity;

/// Whose a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::torrent) enum Origin {
    /// Nobody looked yet.
    #[default]
    Unknown,
    /// Nothing has its path: it is made when it is first written to.
    Nothing,
    /// We made it.
    Ours(Option<FileIdentity>),
    /// It was there before, and the person said to go on with it. It is written to and never
    /// deleted.
    Adopted(Option<FileIdentity>),
    /// It was there before: it is only read.
    Theirs(Option<FileIdentity>),
    /// The record says that we made it, and the file system cannot tell whether it still is that
    /// file. Until a hash decides it is only read.
    Unsure,
}

/// What is written down of a file that is there.
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
    /// As an earlier engine left it.
    pub(in crate::torrent) fn restored(kept: Kept) -> Self {
        match kept {
            Kept::Ours(identity) => Self::Ours(identity),
            Kept::Adopted(identity) => Self::Adopted(identity),
            Kept::Theirs(identity) => Self::Theirs(identity),
        }
    }

    /// For the record; `None` when there is no file.
    pub(in crate::torrent) fn kept(self) -> Option<Kept> {
        match self {
            Self::Unknown | Self::Nothing => None,
            Self::Ours(identity) => Some(Kept::Ours(identity)),
            Self::Adopted(identity) => Some(Kept::Adopted(identity)),
            Self::Theirs(identity) => Some(Kept::Theirs(identity)),
            Self::Unsure => Some(Kept::Ours(None)),
        }
    }

    /// Whether it may be written to once it is there.
    pub(in crate::torrent) fn is_writable(self) -> bool {
        !matches!(self, Self::Theirs(_) | Self::Unsure)
    }

    pub(in crate::torrent) fn identity(self) -> Option<FileIdentity> {
        match self {
            Self::Ours(identity) | Self::Adopted(identity) | Self::Theirs(identity) => identity,
            Self::Unknown | Self::Nothing | Self::Unsure => None,
        }
    }

    pub(in crate::torrent) fn with_identity(self, identity: Option<FileIdentity>) -> Self {
        match self {
            Self::Ours(_) | Self::Unsure => Self::Ours(identity),
            Self::Adopted(_) => Self::Adopted(identity),
            Self::Theirs(_) => Self::Theirs(identity),
            Self::Unknown | Self::Nothing => self,
        }
    }
}

/// What a look at a file came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::torrent) enum Verdict {
    /// It is the file that was there, or still nothing: its stamp decides about its content.
    Same,
    /// It is another file, or it is gone and need not be there: nothing that was known of its
    /// content holds.
    Other,
    /// It held verified bytes and is gone.
    Missing,
}
