//! A file that is open for a reply: read under the locks, and watched for changes by other
//! programs.
//!
//! Owns one handle and one [`Guard`]. Invariant: what [`Source::read`] gives was on the disk while
//! nothing of ours was being written to it, and before another program changed the file, as far as
//! the file's times tell.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::files;
use crate::files::opening;
use crate::files::store::Place;
use crate::files::watch::Guard;

/// An open file.
pub(crate) struct Source {
    file: Arc<File>,
    place: Place,
    guard: Guard,
}

/// Why bytes that are granted can't be read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The file is on another disk by now: it has to be opened again.
    Moved,
    /// Another program changed it.
    Changed,
    /// The disk does not give them.
    Failed(io::Error),
}

impl Source {
    /// A file that was opened just now, at a place that was asked for before.
    pub(crate) fn new(file: File, place: Place) -> Self {
        Self { file: Arc::new(file), place, guard: Guard::default() }
    }

    /// Whether another program changed the file since the engine was told what it looks like, or
    /// since this one looked. Blocking.
    ///
    /// # Errors
    /// It can't be looked at.
    pub(crate) fn is_changed(&mut self) -> io::Result<bool> {
        self.guard.is_changed(self.place.watch(), || opening::stat_briefly(&self.file))
    }

    /// The same for a file that was opened just now: it may be another one than that which the
    /// engine was told of. Blocking.
    pub(crate) fn is_another(&mut self) -> bool {
        self.guard.is_changed(self.place.watch(), || opening::stat(&self.file)).unwrap_or(true)
    }

    /// Whether a handle to it is still one to the file, and its changes are noticed since it was
    /// opened.
    pub(crate) fn is_watched(&self) -> bool {
        self.place.is_current() && self.guard.is_watching(self.place.watch())
    }

    /// Reads `count` bytes from `position` on.
    ///
    /// # Errors
    /// [`Unread`]
    pub(crate) async fn read(&mut self, position: u64, count: usize) -> Result<Bytes, Unread> {
        let claim = self.place.claim(position, position + count as u64);
        claim.ready().await;
        let mut copy =
            Self { file: Arc::clone(&self.file), place: self.place.clone(), guard: self.guard };
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

    /// The same for somebody who holds the claim already. Blocking.
    pub(crate) fn read_now(&mut self, position: u64, count: usize) -> Result<Bytes, Unread> {
        // What was granted is in the file that is now, and maybe not in the one that was opened.
        if !self.place.is_current() {
            return Err(Unread::Moved);
        }
        let is_changed = self.is_changed().map_err(Unread::Failed)?;
        let read = if is_changed {
            Ok(Vec::new())
        } else {
            files::read_bytes_at(&self.file, count, position)
        };
        // A change during the read, and one that made the file shorter.
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
            Source::new(File::open(dir.path().join("film")).unwrap(), store.place(&root, &path));
        let region = Region { file: store.identity(&root, &path), start: 4, end: 8 };
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
        let region = Region { file: store.identity(&root, &path), start: 0, end: 4 };
        let reading = source.place.claim(2, 3);
        let writing = store.locks().claim(None, Access::Write, vec![region]);
        assert!(!writing.is_ready(), "what is being read is not written meanwhile");
        drop(reading);
        assert!(writing.is_ready());
    }
}
