//! The daemon's durable state: one table of keys and values in `state.redb`.
//!
//! Owns the way in: requests are worked off in order by a thread (`keeper`) that commits all that
//! have gathered in one transaction, so that many small puts cost one sync. It never looks into a
//! value. Invariants: a put is answered with success when it is durable; what could not be written
//! is kept in memory and written when that works; a file that cannot be read is set aside, never
//! deleted.

#[cfg(debug_assertions)]
mod faults;
mod keeper;
pub mod notes;
mod open;
mod pending;
mod place;

use std::{
    io,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use bytes::Bytes;
use redb::TableDefinition;
use shared_proto::{
    frame::{MAX_KEY, MAX_VALUE},
    io::{OpError, OpErrorKind, OpOutput},
};
use tokio::sync::{oneshot, watch};

use self::keeper::{Keeper, Waits};
use self::open::{Make, open_first};
use self::place::Place;
use crate::files::error::op_error;
use crate::host::state_folder::make_private_folder;

const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("state");
/// A full disk is looked at again soon at first, and then as often as a person who makes room would
/// like.
const WAITS: Waits = Waits { first: Duration::from_millis(500), most: Duration::from_secs(15) };

/// What is asked of the state.
#[derive(Debug)]
pub(crate) enum StateRequest {
    Put { key: String, value: Bytes },
    Get { key: String },
    Delete { key: String },
    Scan { prefix: String },
}

type Reply = Result<OpOutput, OpError>;
type Asked = (StateRequest, oneshot::Sender<Reply>);

/// How the store is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// Why nothing can be written now, in plain words; `None` when all is well.
    pub trouble: Option<String>,
    /// Files that could not be read and were set aside, those of earlier runs included.
    pub set_aside: Vec<PathBuf>,
    /// How often in this run a new file was begun without what the former one held.
    pub begun_anew: u32,
}

/// The store. Dropping it finishes what was asked and closes the file.
pub struct StateStore {
    requests: Option<mpsc::Sender<Asked>>,
    worker: Option<thread::JoinHandle<()>>,
    status: watch::Receiver<StoreStatus>,
}

/// Why there is no state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another daemon uses the same state folder.
    #[error("another daemon uses this state folder")]
    InUse,
    /// A newer program wrote it.
    #[error(
        "the saved state was written by a newer version of this program (its format is {found}, this program knows formats up to {known}): update this program. The state was left as it is"
    )]
    Newer {
        /// The version in the file.
        found: u64,
        /// The newest that this program knows.
        known: u64,
    },
    /// Its file has another format than the database knows.
    #[error(
        "the saved state was written by another version of this program: use that one. The state was left as it is ({0})"
    )]
    Format(String),
    /// It has to be migrated, and there is no copy of what it was.
    #[error(
        "the saved state is of an older version, and no copy of it could be kept before changing it: {0}"
    )]
    NoCopy(io::Error),
    /// The file can be neither used nor set aside.
    #[error("the state cannot be opened: {0}")]
    Io(#[from] io::Error),
}

impl StateStore {
    /// Opens `state.redb` in a folder, making both as needed. A damaged file is set aside as
    /// `state.redb.corrupt-<n>` and a new one begun; [`StateStore::status`] says so. A file of an
    /// older version is migrated after a copy was kept.
    ///
    /// # Errors
    /// When another daemon has it open, a newer version wrote it, or the folder cannot be read or
    /// written.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        #[cfg(debug_assertions)]
        let make = faults::make(faults::ordered_in(folder.to_owned()));
        #[cfg(not(debug_assertions))]
        let make: Make = std::sync::Arc::new(|builder: &redb::Builder, file: std::fs::File| {
            builder.create_file(file)
        });
        Self::open_with(folder, make, WAITS)
    }

    fn open_with(folder: &Path, make: Make, waits: Waits) -> Result<Self, StateError> {
        make_private_folder(folder)?;
        let place = Place::new(folder);
        let mut status =
            StoreStatus { set_aside: place.set_aside_before(), ..StoreStatus::default() };
        let open = open_first(&place, &make, &mut status)?;
        let (tell, status) = watch::channel(status);
        let (requests, asked) = mpsc::channel();
        let keeper = Keeper::new(place, make, waits, open, tell);
        let worker =
            thread::Builder::new().name("state".into()).spawn(move || keeper.work(&asked))?;
        Ok(Self { requests: Some(requests), worker: Some(worker), status })
    }

    /// How the store is, now and later.
    pub fn status(&self) -> watch::Receiver<StoreStatus> {
        self.status.clone()
    }

    /// Queues a request; requests take effect in the order of the calls.
    pub(crate) fn ask(&self, request: StateRequest) -> impl Future<Output = Reply> + use<> {
        let (tell, told) = oneshot::channel();
        let refused = request.check();
        if refused.is_ok()
            && let Some(requests) = &self.requests
        {
            // A worker that is gone drops `tell`, which is answered below.
            let _ = requests.send((request, tell));
        }
        async move {
            refused?;
            told.await
                .unwrap_or_else(|_| Err(op_error(OpErrorKind::Other, "the state store has failed")))
        }
    }
}

impl Drop for StateStore {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(worker) = self.worker.take()
            && worker.join().is_err()
        {
            tracing::error!("the state store failed");
        }
    }
}

impl StateRequest {
    fn check(&self) -> Result<(), OpError> {
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

    fn writes(&self) -> bool {
        matches!(self, Self::Put { .. } | Self::Delete { .. })
    }
}

#[cfg(test)]
mod tests;
#[cfg(all(test, unix))]
mod trouble_tests;
