//! The daemon's durable state: one table of keys and values in `state.redb`.
//!
//! Owns the queue of requests. A thread (`keeper`) handles them in order and commits all that are
//! queued in one transaction, so that many small puts cost one sync. Never looks into a value.
//! Invariants: a put is answered with success when it is durable; what cannot be written is kept in
//! memory and written later; an unreadable file is set aside, never deleted. [`notes`] is a
//! separate store that all daemons of a user share.

mod durable;
#[cfg(debug_assertions)]
mod faults;
mod keeper;
pub mod notes;
mod open;
mod pending;
mod request;
mod state_file;

use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use shared_proto::io::OpErrorKind;
use tokio::sync::{oneshot, watch};

use self::keeper::{Backoff, Keeper};
use self::open::{Make, open_first};
pub(crate) use self::request::StateRequest;
use self::request::{Asked, Reply};
pub(crate) use self::request::{StateError, StoreStatus};
use self::state_file::StateFile;
use crate::files::error::op_error;
use crate::files::private::make_private_folder;

/// The pauses after a failed write. The first attempt comes soon; later ones as often as a person
/// who frees space would like.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(500), most: Duration::from_secs(15) };

/// The store. Dropping it finishes all requests and closes the file.
pub struct StateStore {
    requests: Option<mpsc::Sender<Asked>>,
    worker: Option<thread::JoinHandle<()>>,
    status: watch::Receiver<StoreStatus>,
}

impl StateStore {
    /// Opens `state.redb` in a folder, and creates both as needed.
    ///
    /// A damaged file is set aside as `state.redb.corrupt-<n>`, and `StateStore::status` reports
    /// it. A file of an older version is migrated after it was copied.
    ///
    /// # Errors
    /// When another daemon has the file open, a newer version wrote it, or the folder cannot be
    /// read or written.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        #[cfg(debug_assertions)]
        let make = faults::make(faults::ordered_in(folder.to_owned()));
        #[cfg(not(debug_assertions))]
        let make: Make = std::sync::Arc::new(|builder: &redb::Builder, file: std::fs::File| {
            builder.create_file(file)
        });
        Self::open_with(folder, make, BACKOFF)
    }

    fn open_with(folder: &Path, make: Make, backoff: Backoff) -> Result<Self, StateError> {
        make_private_folder(folder)?;
        let state_file = StateFile::new(folder);
        let mut status =
            StoreStatus { set_aside: state_file.set_aside_before(), ..StoreStatus::default() };
        let open = open_first(&state_file, &make, &mut status)?;
        let (tell, status) = watch::channel(status);
        let (requests, asked) = mpsc::channel();
        let keeper = Keeper::new(state_file, make, backoff, open, tell);
        let worker =
            thread::Builder::new().name("state".into()).spawn(move || keeper.work(&asked))?;
        Ok(Self { requests: Some(requests), worker: Some(worker), status })
    }

    /// The condition of the store, now and later.
    pub(crate) fn status(&self) -> watch::Receiver<StoreStatus> {
        self.status.clone()
    }

    /// Queues a request. Requests take effect in the order of the calls.
    pub(crate) fn ask(&self, request: StateRequest) -> impl Future<Output = Reply> + use<> {
        let (tell, told) = oneshot::channel();
        let refused = request.check();
        if refused.is_ok()
            && let Some(requests) = &self.requests
        {
            // A thread that has ended drops `tell`, and the answer below is an error.
            let _ = requests.send((request, tell));
        }
        async move {
            refused?;
            told.await
                .unwrap_or_else(|_| Err(op_error(OpErrorKind::Other, "the state store failed")))
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

#[cfg(test)]
mod tests;
#[cfg(test)]
#[cfg(unix)]
mod trouble_tests;
