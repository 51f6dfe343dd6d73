//! A disk below the database that fails on request, in debug builds only.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

use super::open::Make;

/// Name of a file in the state folder that orders failures. Its lines are `write 28` or `read 5`,
/// with error numbers of the system.
const ORDERS: &str = "faults-for-tests";

/// What may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Every read.
    Read,
    /// Every write, extension and sync.
    Write,
}

/// Decides whether an access fails, and how.
pub(super) type Fault = Arc<dyn Fn(Deed) -> io::Result<()> + Send + Sync>;

/// Makes databases on such a disk.
pub(super) fn make(fault: Fault) -> Make {
    Arc::new(move |builder: &redb::Builder, file: File| {
        builder.create_with_backend(Faulty {
            file: FileBackend::new(file)?,
            fault: Fault::clone(&fault),
        })
    })
}

/// A fault that follows the file [`ORDERS`] in a state folder.
pub(super) fn ordered_in(folder: PathBuf) -> Fault {
    Arc::new(move |deed: Deed| {
        let word = if deed == Deed::Read { "read" } else { "write" };
        let orders = std::fs::read_to_string(folder.join(ORDERS)).unwrap_or_default();
        let order =
            orders.lines().filter_map(|line| line.split_once(' ')).find(|(what, _)| *what == word);
        order
            .and_then(|(_, number)| number.trim().parse().ok())
            .map_or(Ok(()), |number| Err(io::Error::from_raw_os_error(number)))
    })
}

/// A file on such a disk.
struct Faulty {
    file: FileBackend,
    fault: Fault,
}

impl std::fmt::Debug for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faulty").field("file", &self.file).finish_non_exhaustive()
    }
}

impl StorageBackend for Faulty {
    fn len(&self) -> io::Result<u64> {
        (self.fault)(Deed::Read)?;
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        (self.fault)(Deed::Read)?;
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        (self.fault)(Deed::Write)?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        (self.fault)(Deed::Write)?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        (self.fault)(Deed::Write)?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
