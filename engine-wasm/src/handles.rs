//! The open files of all torrents.
//!
//! A torrent may have more files than a process may hold open. So files are opened when they are
//! needed, and the least recently used one is closed to make room. This module knows neither paths
//! nor pieces. Invariants: a *pinned* file stays open, because it is being written or hashed; and
//! no more files are open than the daemon allows. A torrent that found every file pinned is named
//! by [`Handles::take_retries`] once a place is free.

use std::collections::{BTreeMap, BTreeSet};

use shared_proto::FileRef;

use crate::geometry::FileIndex;
use crate::limits;
use crate::metainfo::InfoHash;

/// Which of the two files on disk that belong to a torrent's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Which {
    /// The file at the torrent's own path.
    Own,
    /// The existing file with the same name, from which the torrent's file is copied.
    Found,
}

/// Identifies an open file.
pub(crate) type Key = (InfoHash, FileIndex, Which);

/// Why a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Access {
    /// To read it.
    Read,
    /// To read and write it; the file is created if it does not exist.
    Write,
}

#[derive(Debug)]
struct Entry {
    handle: FileRef,
    access: Access,
    used: u64,
}

/// The open and pinned files.
#[derive(Debug)]
pub(crate) struct Handles {
    open: BTreeMap<Key, Entry>,
    /// Open files in order of their last use.
    by_use: BTreeMap<u64, Key>,
    pins: BTreeMap<Key, u32>,
    uses: u64,
    capacity: usize,
    last_number: u32,
    /// Torrents that could not open a file because all places were pinned.
    refused: BTreeSet<InfoHash>,
    /// Whether a place became free since a torrent was refused one.
    was_freed: bool,
}

impl Default for Handles {
    fn default() -> Self {
        Self {
            open: BTreeMap::new(),
            by_use: BTreeMap::new(),
            pins: BTreeMap::new(),
            uses: 0,
            capacity: limits::OPEN_FILES,
            last_number: 0,
            refused: BTreeSet::new(),
            was_freed: false,
        }
    }
}

impl Handles {
    /// Sets how many files the daemon allows to be open.
    pub(crate) fn set_capacity(&mut self, capacity: u32) {
        self.capacity =
            usize::try_from(capacity).unwrap_or(usize::MAX).clamp(1, limits::OPEN_FILES);
    }

    /// Returns how many files may be open.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns the number of pinned files.
    pub(crate) fn pinned(&self) -> usize {
        self.pins.len()
    }

    /// Returns whether a file is pinned.
    pub(crate) fn is_pinned(&self, key: Key) -> bool {
        self.pins.contains_key(&key)
    }

    /// Returns whether a file is open or being opened.
    pub(crate) fn is_open(&self, key: Key) -> bool {
        self.open.contains_key(&key)
    }

    /// Returns a new handle for a file. Handles repeat after 2³² files, when the earlier file is
    /// long closed.
    pub(crate) fn new_number(&mut self) -> FileRef {
        // The largest number is [`FileRef::ZEROS`], which names no file.
        self.last_number = (self.last_number + 1) % FileRef::ZEROS.0;
        FileRef(self.last_number)
    }

    /// Forgets all files after the connection to the daemon was lost.
    pub(crate) fn clear(&mut self) {
        self.open.clear();
        self.by_use.clear();
        self.pins.clear();
        self.refused.clear();
        self.was_freed = false;
    }

    /// Returns the torrents that were refused a place, once after a place became free.
    pub(crate) fn take_retries(&mut self) -> BTreeSet<InfoHash> {
        if std::mem::take(&mut self.was_freed) {
            std::mem::take(&mut self.refused)
        } else {
            BTreeSet::new()
        }
    }

    /// Returns the handle of a file that is open with at least this access. Marks the file as used.
    pub(crate) fn find(&mut self, key: Key, access: Access) -> Option<FileRef> {
        let entry = self.open.get_mut(&key).filter(|entry| entry.access >= access)?;
        self.by_use.remove(&entry.used);
        self.uses += 1;
        entry.used = self.uses;
        self.by_use.insert(entry.used, key);
        Some(entry.handle)
    }

    /// Makes room for one more file of this torrent. Returns the file to close, if one must be
    /// closed.
    ///
    /// # Errors
    /// Every open file is pinned. [`Handles::take_retries`] names the torrent once that changes.
    pub(crate) fn make_room(&mut self, torrent: InfoHash) -> Result<Option<FileRef>, ()> {
        if self.open.len() < self.capacity {
            return Ok(None);
        }
        let idle = self.by_use.values().copied().find(|key| !self.pins.contains_key(key));
        let Some(entry) = idle.and_then(|key| self.take(key)) else {
            self.refused.insert(torrent);
            return Err(());
        };
        Ok(Some(entry.handle))
    }

    /// Records that a file is being opened.
    pub(crate) fn insert(&mut self, key: Key, handle: FileRef, access: Access) {
        self.uses += 1;
        self.by_use.insert(self.uses, key);
        self.open.insert(key, Entry { handle, access, used: self.uses });
    }

    /// Removes a file. Returns its handle, which must be closed, if it was open.
    pub(crate) fn close(&mut self, key: Key) -> Option<FileRef> {
        let entry = self.take(key)?;
        self.freed();
        Some(entry.handle)
    }

    fn take(&mut self, key: Key) -> Option<Entry> {
        let entry = self.open.remove(&key)?;
        self.by_use.remove(&entry.used);
        Some(entry)
    }

    fn freed(&mut self) {
        self.was_freed |= !self.refused.is_empty();
    }

    /// Handles a failed open. Returns false if the file was closed or reopened meanwhile.
    pub(crate) fn failed(&mut self, key: Key, handle: FileRef) -> bool {
        let is_same = self.open.get(&key).is_some_and(|entry| entry.handle == handle);
        if is_same {
            self.close(key);
        }
        is_same
    }

    /// Removes all files of a torrent and their pins. Returns the handles to close.
    pub(crate) fn close_all_of(&mut self, torrent: InfoHash) -> Vec<FileRef> {
        let keys: Vec<Key> = self.open.keys().copied().filter(|key| key.0 == torrent).collect();
        self.pins.retain(|key, _| key.0 != torrent);
        self.freed();
        keys.into_iter().filter_map(|key| self.close(key)).collect()
    }

    /// Adds a pin to a file.
    pub(crate) fn pin(&mut self, key: Key) {
        *self.pins.entry(key).or_default() += 1;
    }

    /// Removes a pin from a file.
    pub(crate) fn unpin(&mut self, key: Key) {
        if self.release(key) {
            self.freed();
        }
    }

    /// Removes a pin that was held only while other files were opened.
    ///
    /// Torrents that were refused a place are not named for it, because their chances did not
    /// improve. Returns whether it was the file's last pin.
    pub(crate) fn release(&mut self, key: Key) -> bool {
        let Some(pins) = self.pins.get_mut(&key) else { return false };
        *pins -= 1;
        *pins == 0 && self.pins.remove(&key).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::testing;

    fn key(file: u32) -> Key {
        (InfoHash([7; 20]), testing::file(file), Which::Own)
    }

    /// Opens files one after the other; the handle of each is its index. Returns the closed
    /// handles.
    fn open(handles: &mut Handles, files: &[u32]) -> Vec<Result<Option<u32>, ()>> {
        let one = |&file: &u32| {
            let closed = handles.make_room(key(file).0)?;
            handles.insert(key(file), FileRef(file), Access::Read);
            Ok(closed.map(|handle| handle.0))
        };
        files.iter().map(one).collect()
    }

    #[test]
    fn the_least_recently_used_file_is_closed_unless_pinned() {
        let mut handles = Handles::default();
        handles.set_capacity(3);
        assert_eq!(open(&mut handles, &[1, 2, 3]), [Ok(None); 3]);
        handles.find(key(1), Access::Read).unwrap();
        assert_eq!(open(&mut handles, &[4]), [Ok(Some(2))]);
        handles.pin(key(3));
        handles.pin(key(3));
        assert_eq!(open(&mut handles, &[5, 6]), [Ok(Some(1)), Ok(Some(4))]);
        handles.pin(key(5));
        handles.pin(key(6));
        assert_eq!(open(&mut handles, &[7]), [Err(())], "all are pinned");
        handles.unpin(key(3));
        assert_eq!(open(&mut handles, &[7]), [Err(())], "it was pinned twice");
        handles.unpin(key(3));
        assert_eq!(open(&mut handles, &[7]), [Ok(Some(3))]);
    }

    #[test]
    fn a_file_open_for_reading_is_not_used_for_writing() {
        let mut handles = Handles::default();
        open(&mut handles, &[1]);
        assert_eq!(handles.find(key(1), Access::Write), None);
        assert_eq!(handles.find(key(1), Access::Read), Some(FileRef(1)));
    }

    #[test]
    fn removing_a_torrent_removes_its_files_and_pins() {
        let mut handles = Handles::default();
        open(&mut handles, &[1, 2]);
        handles.pin(key(1));
        let other = (InfoHash([8; 20]), testing::file(0), Which::Own);
        handles.insert(other, FileRef(9), Access::Write);
        assert_eq!(handles.close_all_of(key(0).0), [FileRef(1), FileRef(2)]);
        assert_eq!((handles.pinned(), handles.find(other, Access::Write)), (0, Some(FileRef(9))));
        assert!(!handles.failed(key(1), FileRef(1)));
    }

    #[test]
    fn a_torrent_that_was_refused_a_place_is_named_once_when_a_place_is_free() {
        let (torrent, other) = (key(0).0, InfoHash([8; 20]));
        let mut handles = Handles::default();
        handles.set_capacity(1);
        open(&mut handles, &[1]);
        handles.pin(key(1));
        assert_eq!(open(&mut handles, &[2]), [Err(())]);
        assert_eq!(handles.make_room(other), Err(()));
        assert!(handles.take_retries().is_empty(), "nothing is free yet");
        handles.pin(key(1));
        handles.unpin(key(1));
        assert!(handles.take_retries().is_empty(), "it is still pinned once");
        handles.unpin(key(1));
        assert_eq!(handles.take_retries(), BTreeSet::from([torrent, other]));
        assert!(handles.take_retries().is_empty(), "each is named once");
    }

    #[test]
    fn a_pin_that_lasted_only_while_files_were_opened_frees_no_place() {
        let mut handles = Handles::default();
        handles.set_capacity(1);
        open(&mut handles, &[1]);
        handles.pin(key(1));
        assert_eq!(open(&mut handles, &[2]), [Err(())]);
        handles.release(key(1));
        assert!(handles.take_retries().is_empty(), "else a refused torrent would retry forever");
        assert_eq!(handles.close(key(1)), Some(FileRef(1)));
        assert_eq!(handles.take_retries(), BTreeSet::from([key(0).0]));
    }

    #[test]
    fn no_file_gets_the_number_of_zeros() {
        let mut handles = Handles { last_number: FileRef::ZEROS.0 - 2, ..Handles::default() };
        assert_eq!(handles.new_number(), FileRef(FileRef::ZEROS.0 - 1));
        assert_eq!(handles.new_number(), FileRef(0));
    }
}
