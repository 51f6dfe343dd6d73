//! Requests to the store, its answers, and its condition.

use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use redb::TableDefinition;
use shared_proto::frame::{MAX_KEY, MAX_VALUE};
use shared_proto::io::{OpError, OpErrorKind, OpOutput};
use tokio::sync::oneshot;

use crate::files::error::op_error;

/// The one table of keys and values.
pub(super) const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("state");
/// A request to the store.
#[derive(Debug)]
pub(crate) enum StateRequest {
    Put { key: String, value: Bytes },
    Get { key: String },
    Delete { key: String },
    Scan { prefix: String },
}

pub(super) type Reply = Result<OpOutput, OpError>;
pub(super) type Asked = (StateRequest, oneshot::Sender<Reply>);

/// The condition of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoreStatus {
    /// Why the store cannot write, a phrase for a person; `None` when it can.
    pub(crate) trouble: Option<String>,
    /// Unreadable files that were set aside, in this run or earlier.
    pub(crate) set_aside: Vec<PathBuf>,
    /// How often in this run the store started empty after it lost its file.
    pub(crate) begun_anew: u32,
}

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another daemon uses the same state folder.
    #[error("another daemon uses this state folder")]
    InUse,
    /// A newer version of the program wrote the file.
    #[error(
        "the saved state was written by a newer version of this program (its format is {found}, \
            this program knows formats up to {known}): update this program. The state was left as \
            it is"
    )]
    Newer {
        /// The version of the file.
        found: u64,
        /// The newest version that this program knows.
        known: u64,
    },
    /// The file has another format of the database.
    #[error(
        "the saved state was written by another version of this program: use that one. The state \
            was left as it is ({0})"
    )]
    Format(String),
    /// The file has to be migrated, and cannot be copied first.
    #[error(
        "the saved state is of an older version, and no copy of it could be kept before changing \
            it: {0}"
    )]
    NoCopy(io::Error),
    /// The file can be neither used nor set aside.
    #[error("the state cannot be opened: {0}")]
    Io(#[from] io::Error),
}

impl StateRequest {
    pub(super) fn check(&self) -> Result<(), OpError> {
        let (key, value) = match self {
            Self::Put { key, value } => (key, value.len()),
            Self::Get { key } | Self::Delete { key } => (key, 0),
            Self::Scan { prefix } => (prefix, 0),
        };
        if key.len() > MAX_KEY || value > MAX_VALUE {
            return Err(op_error(OpErrorKind::Limit, "the key or the value is too long"));
        }
        Ok(())
    }

    pub(super) fn writes(&self) -> bool {
        matches!(self, Self::Put { .. } | Self::Delete { .. })
    }
}
