//! The open files of all torrents.
//!
//! A torrent may have more files than a process may hold open, so files are opened when they are
//! needed, and the least recently used one is closed to make room. This module knows neither paths
//! nor pieces. Invariants: a *pinned* file stays open, because it is being written or hashed; and
//! no more files are open than the daemon allows.

use std::collections::BTreeMap;

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
    most: usize,
}

impl Default for Handles {
    fn default() -> Self {
        Self {
            open: BTreeMap::new(),
            by_use: BTreeMap::new(),
            pins: BTreeMap::new(),
            uses: 0,
            most: limits::OPEN_FILES,
        }
    }
}

impl Handles {
    /// Sets how many files the daemon allows to be open.
    pub(crate) fn set_most(&mut self, most: u32) {
        self.most = usize::try_from(most).unwrap_or(usize::MAX).clamp(1, limits::OPEN_FILES);
    }

    /// Returns how many files may be open.
    pub(crate) fn most(&self) -> usize {
        self.most
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

    /// Forgets all files after the connection to the daemon was lost.
    pub(crate) fn clear(&mut self) {
        self.open.clear();
        self.by_use.clear();
        self.pins.clear();
    }

    /// Returns the handle of a file that is open with at least this access, and marks it as used.
    pub(crate) fn find(&mut self, key: Key, access: Access) -> Option<FileRef> {
        let entry = self.open.get_mut(&key).filter(|entry| entry.access >= access)?;
        self.by_use.remove(&entry.used);
        self.uses += 1;
        entry.used = self.uses;
        self.by_use.insert(entry.used, key);
        Some(entry.handle)
    }

    /// Makes room for one more file. Returns the file to close, if one must be closed.
    ///
    /// `Err` if every open file is pinned.
    pub(crate) fn make_room(&mut self) -> Result<Option<FileRef>, ()> {
        if self.open.len() < self.most {
            return Ok(None);
        }
        let idle = self.by_use.values().copied().find(|key| !self.pins.contains_key(key));
        idle.and_then(|key| self.close(key)).map(Some).ok_or(())
    }

    /// Records that a file is being opened.
    pub(crate) fn insert(&mut self, key: Key, handle: FileRef, access: Access) {
        self.uses += 1;
        self.by_use.insert(self.uses, key);
        self.open.insert(key, Entry { handle, access, used: self.uses });
    }

    /// Removes a file. Returns its handle, which must be closed, if it was open.
    pub(crate) fn close(&mut self, key: Key) -> Option<FileRef> {
        let entry = self.open.remove(&key)?;
        self.by_use.remove(&entry.used);
        Some(entry.handle)
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
        let all =
            (torrent, FileIndex(0), Which::Own)..=(torrent, FileIndex(u32::MAX), Which::Found);
        let keys: Vec<Key> = self.open.range(all.clone()).map(|(&key, _)| key).collect();
        let pinned: Vec<Key> = self.pins.range(all).map(|(&key, _)| key).collect();
        for key in pinned {
            self.pins.remove(&key);
        }
        keys.into_iter().filter_map(|key| self.close(key)).collect()
    }

    /// Adds a pin to a file.
    pub(crate) fn pin(&mut self, key: Key) {
        *self.pins.entry(key).or_default() += 1;
    }

    /// Removes a pin from a file.
    pub(crate) fn unpin(&mut self, key: Key) {
        if let Some(pins) = self.pins.get_mut(&key) {
            *pins -= 1;
            if *pins == 0 {
                self.pins.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(file: u32) -> Key {
        (InfoHash([7; 20]), FileIndex(file), Which::Own)
    }

    /// Opens files one after the other; the handle of each is its index. Returns the closed
    /// handles.
    fn open(handles: &mut Handles, files: &[u32]) -> Vec<Result<Option<u32>, ()>> {
        let one = |&file: &u32| {
            let closed = handles.make_room()?;
            handles.insert(key(file), FileRef(file), Access::Read);
            Ok(closed.map(|handle| handle.0))
        };
        files.iter().map(one).collect()
    }

    #[test]
    fn the_least_recently_used_gives_way_unless_it_is_pinned() {
        let mut handles = Handles::default();
        handles.set_most(3);
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
    fn who_wants_to_write_is_not_given_what_is_open_for_reading() {
        let mut handles = Handles::default();
        open(&mut handles, &[1]);
        assert_eq!(handles.find(key(1), Access::Write), None);
        assert_eq!(handles.find(key(1), Access::Read), Some(FileRef(1)));
    }

    #[test]
    fn a_torrent_that_goes_takes_its_files_and_pins_along() {
        let mut handles = Handles::default();
        open(&mut handles, &[1, 2]);
        handles.pin(key(1));
        let other = (InfoHash([8; 20]), FileIndex(0), Which::Own);
        handles.insert(other, FileRef(9), Access::Write);
        assert_eq!(handles.close_all_of(key(0).0), [FileRef(1), FileRef(2)]);
        assert_eq!((handles.pinned(), handles.find(other, Access::Write)), (0, Some(FileRef(9))));
        assert!(!handles.failed(key(1), FileRef(1)));
    }
}
