//! A disk that fails when a test says so, below the database.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicI32, Ordering};

use redb::backends::FileBackend;
use redb::{BackendError, Database, DatabaseError, StorageBackend};
use rustix::io::Errno;

/// What goes wrong from now on in one test: the number of an error of the system, or 0 for nothing.
#[derive(Debug)]
pub(super) struct Fault {
    write: AtomicI32,
    read: AtomicI32,
}

impl Fault {
    pub(super) const fn none() -> Self {
        Self { write: AtomicI32::new(0), read: AtomicI32::new(0) }
    }

    /// Whatever is written or made longer fails like this.
    pub(super) fn fail_writes(&self, errno: Errno) {
        self.write.store(errno.raw_os_error(), Ordering::SeqCst);
    }

    /// Whatever is read fails like this.
    pub(super) fn fail_reads(&self, errno: Errno) {
        self.read.store(errno.raw_os_error(), Ordering::SeqCst);
    }

    /// The disk is sound again.
    pub(super) fn mend(&self) {
        self.write.store(0, Ordering::SeqCst);
        self.read.store(0, Ordering::SeqCst);
    }
}

fn check(fault: &AtomicI32) -> io::Result<()> {
    match fault.load(Ordering::SeqCst) {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// A file on such a disk.
#[derive(Debug)]
pub(super) struct Faulty {
    file: FileBackend,
    fault: &'static Fault,
}

/// Makes databases on such a disk. One such function per test: tests run at once, and functions hold nothing.
macro_rules! faulty {
    ($fault:ident, $make:ident) => {
        static $fault: crate::state::faults::Fault = crate::state::faults::Fault::none();
        let $make: crate::state::Make = |builder, file| crate::state::faults::Faulty::make(builder, file, &$fault);
    };
}
pub(super) use faulty;

impl Faulty {
    pub(super) fn make(builder: &redb::Builder, file: File, fault: &'static Fault) -> Result<Database, DatabaseError> {
        builder.create_with_backend(Self { file: FileBackend::new(file)?, fault })
    }
}

impl StorageBackend for Faulty {
    fn len(&self) -> io::Result<u64> {
        check(&self.fault.read)?;
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        check(&self.fault.read)?;
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        check(&self.fault.write)?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        check(&self.fault.write)?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        check(&self.fault.write)?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
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
