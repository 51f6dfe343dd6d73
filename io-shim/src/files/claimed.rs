//! Spans of open files, claims on them, and jobs that read and write them.
//!
//! Invariant: no byte is touched without a claim that is ready, and the claim lives in the job that
//! touches the byte.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use shared_proto::io::{DigestKind, OpError, OpErrorKind};
use tokio::sync::watch;

use crate::files::digest::{self, Part};
use crate::files::error::{from_io, op_error};
use crate::files::handle::Handle;
use crate::files::locks::{Access, Claim, Owner, Region, TrackedFile};
use crate::files::positional::{read_at, write_all_at};
use crate::files::store::FileStore;
use crate::metrics::Metrics;

/// The result of opening a file; `None` while it is being opened.
pub(super) type Opened = Option<Result<Arc<Handle>, OpError>>;

/// A file that is open or being opened.
pub(crate) struct OpenFile {
    pub(super) identity: Arc<TrackedFile>,
    handle: watch::Receiver<Opened>,
    closed: AtomicBool,
    /// The file's handle on another disk, once it was moved there.
    moved: Mutex<Option<Arc<Handle>>>,
    metrics: Arc<Metrics>,
}

/// A span of an open file.
#[derive(Clone)]
pub(crate) struct Placed {
    /// `None` for zeros.
    file: Option<Arc<OpenFile>>,
    offset: u64,
    length: u32,
}

impl OpenFile {
    /// A file whose handle comes through `handle`.
    pub(super) fn new(
        identity: Arc<TrackedFile>,
        handle: watch::Receiver<Opened>,
        metrics: Arc<Metrics>,
    ) -> Self {
        metrics.files_open.fetch_add(1, Ordering::Relaxed);
        Self { identity, handle, closed: AtomicBool::new(false), moved: Mutex::default(), metrics }
    }

    /// The engine has closed the file.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// The file's bytes are in another file now, on another disk.
    pub(super) fn move_to(&self, file: Arc<Handle>) {
        *self.moved.lock() = Some(file);
    }

    pub(super) fn has_failed(&self) -> bool {
        match &*self.handle.borrow() {
            Some(result) => result.is_err(),
            // The command that should have opened it was refused or dropped.
            None => self.handle.has_changed().is_err(),
        }
    }

    /// The descriptor, once it is open.
    pub(super) async fn handle(&self) -> Result<Arc<Handle>, OpError> {
        let mut handle = self.handle.clone();
        match handle.wait_for(Option::is_some).await {
            Ok(opened) => {
                let opened = opened.clone().expect("waited for");
                let moved = self.moved.lock().clone();
                opened.map(|file| moved.unwrap_or(file))
            }
            Err(_) => Err(op_error(OpErrorKind::NotFound, "the file was never opened")),
        }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.metrics.files_open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Placed {
    /// A span of a file, or of zeros if there is no file.
    pub(super) fn new(file: Option<Arc<OpenFile>>, offset: u64, length: u32) -> Self {
        Self { file, offset, length }
    }

    pub(crate) fn length(&self) -> u32 {
        self.length
    }

    /// The first `bytes` bytes, and the rest if there is any.
    pub(crate) fn split_at(mut self, bytes: u32) -> (Self, Option<Self>) {
        if bytes >= self.length {
            return (self, None);
        }
        let rest = Self {
            file: self.file.clone(),
            offset: self.offset + u64::from(bytes),
            length: self.length - bytes,
        };
        self.length = bytes;
        (self, Some(rest))
    }

    /// Whether the engine has closed the file.
    pub(crate) fn is_closed(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.closed.load(Ordering::SeqCst))
    }
}

/// Spans with a claim on them.
pub(crate) struct Claimed {
    claim: Claim,
    placed: Vec<Placed>,
}

/// Spans whose claim is ready, with their files, for one job.
pub(crate) struct Ready {
    _claim: Claim,
    parts: Result<Vec<Part>, OpError>,
}

impl Claimed {
    /// Claims the spans.
    pub(crate) fn new(
        store: &FileStore,
        owner: Option<Owner>,
        access: Access,
        placed: Vec<Placed>,
    ) -> Self {
        let regions = placed.iter().filter(|placed| placed.length > 0).filter_map(|placed| {
            let file = Arc::clone(&placed.file.as_ref()?.identity);
            Some(Region {
                file,
                start: placed.offset,
                end: placed.offset + u64::from(placed.length),
            })
        });
        let claim = store.locks().claim(owner, access, regions.collect());
        if access == Access::Write {
            placed
                .iter()
                .filter_map(|placed| placed.file.as_ref())
                .for_each(|file| file.identity.watch().touch());
        }
        Self { claim, placed }
    }

    /// Whether the spans are ready without waiting.
    pub(crate) fn is_ready(&self) -> bool {
        let is_open = |placed: &Placed| {
            placed.file.as_ref().is_none_or(|file| file.handle.borrow().is_some())
        };
        self.claim.is_ready() && self.placed.iter().all(is_open)
    }

    /// Waits for older claims, and for files that are still being opened.
    pub(crate) async fn ready(self) -> Ready {
        self.claim.ready().await;
        let mut parts = Ok(Vec::with_capacity(self.placed.len()));
        for placed in &self.placed {
            let file = match &placed.file {
                Some(file) => file.handle().await.map(Some),
                None => Ok(None),
            };
            match (file, &mut parts) {
                (Ok(file), Ok(parts)) => {
                    parts.push(Part {
                        file,
                        offset: placed.offset,
                        length: u64::from(placed.length),
                    });
                }
                (Err(error), _) => parts = Err(error),
                (Ok(_), Err(_)) => {}
            }
        }
        Ready { _claim: self.claim, parts }
    }
}

impl Ready {
    /// Writes data that is as long as all spans together. Blocking.
    pub(crate) fn write(self, data: Bytes) -> Result<(), OpError> {
        let mut rest = &data[..];
        for part in self.parts? {
            let length = usize::try_from(part.length).unwrap_or(usize::MAX).min(rest.len());
            let (now, later) = rest.split_at(length);
            if let Some(file) = &part.file {
                write_all_at(file, now, part.offset).map_err(|error| from_io(&error))?;
            }
            rest = later;
        }
        Ok(())
    }

    pub(super) fn read(self) -> Result<Bytes, OpError> {
        let mut bytes = Vec::new();
        for part in self.parts? {
            let start = bytes.len();
            bytes.resize(start + usize::try_from(part.length).unwrap_or(usize::MAX), 0);
            if let Some(file) = &part.file {
                let read = read_at(file, &mut bytes[start..], part.offset)
                    .map_err(|error| from_io(&error))?;
                bytes.truncate(start + read);
            }
        }
        Ok(bytes.into())
    }

    /// Reads groups of spans; `spans` holds how many spans each group has. A group that cannot be
    /// read whole is an error. Blocking.
    pub(crate) fn read_groups(self, spans: &[usize]) -> Vec<Result<Bytes, OpError>> {
        let parts = match self.parts {
            Ok(parts) => parts,
            Err(error) => return spans.iter().map(|_| Err(error.clone())).collect(),
        };
        let mut parts = parts.into_iter();
        spans.iter().map(|count| read_whole(parts.by_ref().take(*count))).collect()
    }

    pub(super) fn digest(
        self,
        kind: DigestKind,
        cancelled: impl Fn() -> bool,
    ) -> Result<Bytes, OpError> {
        digest::digest(kind, &self.parts?, cancelled)
    }
}

fn read_whole(parts: impl Iterator<Item = Part>) -> Result<Bytes, OpError> {
    let mut bytes = Vec::new();
    for part in parts {
        let start = bytes.len();
        bytes.resize(start + usize::try_from(part.length).unwrap_or(usize::MAX), 0);
        // The buffer holds zeros already.
        let Some(file) = &part.file else { continue };
        let read =
            read_at(file, &mut bytes[start..], part.offset).map_err(|error| from_io(&error))?;
        if start + read < bytes.len() {
            return Err(op_error(OpErrorKind::NotFound, "the file ends before these bytes do"));
        }
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{Roots, Writers};
    use crate::testing::TempDir;

    #[test]
    fn a_span_splits_at_any_byte() {
        let span = || Placed::new(None, 100, 10);
        let cut = |bytes| {
            let (first, rest) = span().split_at(bytes);
            ((first.offset, first.length), rest.map(|rest| (rest.offset, rest.length)))
        };
        assert_eq!(cut(0), ((100, 0), Some((100, 10))));
        assert_eq!(cut(4), ((100, 4), Some((104, 6))));
        assert_eq!(cut(9), ((100, 9), Some((109, 1))));
        assert_eq!(cut(10), ((100, 10), None));
        assert_eq!(cut(11), ((100, 10), None));
    }

    #[test]
    fn spans_are_ready_when_their_file_is_open_and_no_claim_is_in_the_way() {
        let dir = TempDir::new();
        let store = FileStore::new(Roots::default(), Writers::open(dir.path()).unwrap());
        let metrics = Arc::new(Metrics::default());
        let identity = Arc::new(TrackedFile::new(1));
        let (opened, handle) = watch::channel(None);
        let file = Arc::new(OpenFile::new(identity, handle, Arc::clone(&metrics)));
        let claim = |access, offset| {
            let placed = Placed::new(Some(Arc::clone(&file)), offset, 10);
            Claimed::new(&store, None, access, vec![placed])
        };
        assert_eq!(metrics.files_open.load(Ordering::Relaxed), 1);
        assert!(!claim(Access::Read, 0).is_ready(), "the file is being opened");
        let path = dir.path().join("film");
        std::fs::write(&path, b"").unwrap();
        opened.send_replace(Some(Ok(Arc::new(Handle::from(std::fs::File::open(path).unwrap())))));
        assert!(claim(Access::Read, 0).is_ready());
        let writing = claim(Access::Write, 5);
        let (reading, beside) = (claim(Access::Read, 0), claim(Access::Read, 15));
        assert!(!reading.is_ready() && beside.is_ready());
        drop(writing);
        assert!(reading.is_ready());
        drop((reading, beside, file));
        assert_eq!(metrics.files_open.load(Ordering::Relaxed), 0);
    }
}
