//! A reply's open file: read under the locks, and watched for changes by other programs.
//!
//! Owns one handle and one [`Guard`]. Invariant: the bytes that [`Source::read`] returns were on
//! disk while the daemon wrote nothing to them, and before another program changed the file, as far
//! as the file's times tell.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::files;
use crate::files::opening;
use crate::files::store::Location;
use crate::files::watch::Guard;

/// A file that is open for a reply.
pub(crate) struct Source {
    file: Arc<File>,
    location: Location,
    guard: Guard,
}

/// Why granted bytes cannot be read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The file is on another disk now and has to be opened again.
    Moved,
    /// Another program changed the file.
    Changed,
    /// The disk failed.
    Failed(io::Error),
}

impl Source {
    /// A file that was opened just now. Its location was looked up before.
    pub(crate) fn new(file: File, location: Location) -> Self {
        Self { file: Arc::new(file), location, guard: Guard::default() }
    }

    /// Whether another program has changed the file. The file is compared with the state that the
    /// engine learned, or that this source last saw. Blocking.
    ///
    /// # Errors
    /// When the operating system does not tell the file's state.
    pub(crate) fn is_changed(&mut self) -> io::Result<bool> {
        self.guard.is_changed(self.location.watch(), || opening::stat_briefly(&self.file))
    }

    /// As [`Self::is_changed`], for a file that was opened just now. It may be another file than
    /// the one that the engine knows. Blocking.
    pub(crate) fn is_another(&mut self) -> bool {
        self.guard.is_changed(self.location.watch(), || opening::stat(&self.file)).unwrap_or(true)
    }

    /// Whether the handle still leads to the file and changes would be noticed.
    pub(crate) fn is_watched(&self) -> bool {
        self.location.is_current() && self.guard.is_watching(self.location.watch())
    }

    /// Reads `count` bytes from `position`.
    ///
    /// # Errors
    /// [`Unread`]
    pub(crate) async fn read(&mut self, position: u64, count: usize) -> Result<Bytes, Unread> {
        let claim = self.location.claim(position, position + count as u64);
        claim.ready().await;
        let mut copy = Self {
            file: Arc::clone(&self.file),
            location: self.location.clone(),
            guard: self.guard,
        };
        let job = tokio::task::spawn_blocking(move || {
            let _claim = claim;
            let read = copy.read_now(position, count);
            (copy.guard, read)
        });
        let gone =
            |_| (self.guard, Err(Unread::Failed(io::Error::other("the reading thread is gone"))));
        let (guard, read) = job.await.unwrap_or_else(gone);
        self.guard = guard;
        read
    }

    /// As [`Self::read`], for a caller that already holds the claim. Blocking.
    pub(crate) fn read_now(&mut self, position: u64, count: usize) -> Result<Bytes, Unread> {
        // The granted bytes are in the file at its new location, and maybe not in the one that is
        // open.
        if !self.location.is_current() {
            return Err(Unread::Moved);
        }
        let is_changed = self.is_changed().map_err(Unread::Failed)?;
        let read = if is_changed {
            Ok(Vec::new())
        } else {
            files::positional::read_bytes_at(&self.file, count, position)
        };
        // Another program changed the file during the read, or made it shorter.
        if is_changed || self.is_changed().map_err(Unread::Failed)? {
            return Err(Unread::Changed);
        }
        let bytes = read.map_err(Unread::Failed)?;
        if bytes.len() < count {
            let short = io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file is shorter than what was granted",
            );
            return Err(Unread::Failed(short));
        }
        Ok(Bytes::from(bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shared_proto::RootKey;
    use tokio::time::timeout;

    use super::*;
    use crate::files::locks::{Access, Region};
    use crate::files::writers::Writers;
    use crate::files::{FileStore, Roots};
    use crate::testing::TempDir;

    #[tokio::test]
    async fn nothing_is_read_while_it_is_written() {
        let dir = TempDir::new();
        std::fs::write(dir.path().join("film"), b"0123456789").unwrap();
        let store = FileStore::new(Roots::default(), Writers::open(dir.path()).unwrap());
        let (root, path) = (RootKey::from("d"), ["film".to_owned()]);
        let mut source =
            Source::new(File::open(dir.path().join("film")).unwrap(), store.location(&root, &path));
        let region = Region { file: store.tracked_file(&root, &path), start: 4, end: 8 };
        let writing = store.locks().claim(None, Access::Write, vec![region]);
        assert_eq!(source.read(0, 4).await.unwrap(), &b"0123"[..]);
        {
            let reading = source.read(7, 3);
            tokio::pin!(reading);
            assert!(timeout(Duration::from_millis(50), &mut reading).await.is_err());
            std::fs::write(dir.path().join("film"), b"01234567xy").unwrap();
            drop(writing);
            assert_eq!(reading.await.unwrap(), &b"7xy"[..]);
        }
        let region = Region { file: store.tracked_file(&root, &path), start: 0, end: 4 };
        let reading = source.location.claim(2, 3);
        let writing = store.locks().claim(None, Access::Write, vec![region]);
        assert!(!writing.is_ready(), "what is being read is not written meanwhile");
        drop(reading);
        assert!(writing.is_ready());
    }
}
