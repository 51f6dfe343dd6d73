//! The open files of all torrents: which are open, which of them may be closed, and how many there
//! may be.
//!
//! A torrent may have more files than a process may hold open, so a file is opened when it is
//! needed and closed when its place is, the least recently used first. It never knows paths or
//! pieces. Invariant: a file that is *pinned* is not closed, because somebody may yet write to it
//! or is hashing it; and there are never more open than the daemon allows.

use std::collections::BTreeMap;

use shared_proto::FileRef;

use crate::geometry::FileIndex;
use crate::limits;
use crate::metainfo::InfoHash;

/// Which of the files that a torrent's file has to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Which {
    /// The one at its path.
    Own,
    /// The one that had its name, which it is copied from.
    Found,
}

/// A file of a torrent.
pub(crate) type Key = (InfoHash, FileIndex, Which);

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Access {
    /// Reading what is there.
    Read,
    /// Writing, too: it is made if it is not there.
    Write,
}

#[derive(Debug)]
struct Entry {
    handle: FileRef,
    access: Access,
    used: u64,
}

/// What is open, and what must stay so.
#[derive(Debug)]
pub(crate) struct Handles {
    open: BTreeMap<Key, Entry>,
    /// Open files by when they were used last.
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
    /// A daemon is there that lets so many be open.
    pub(crate) fn set_most(&mut self, most: u32) {
        self.most = usize::try_from(most).unwrap_or(usize::MAX).clamp(1, limits::OPEN_FILES);
    }

    /// How many may be open.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// How many must stay open if they are.
    pub(crate) fn pinned(&self) -> usize {
        self.pins.len()
    }

    /// Whether a file must stay open if it is.
    pub(crate) fn is_pinned(&self, key: Key) -> bool {
        self.pins.contains_key(&key)
    }

    /// Whether a file is open, or being opened.
    pub(crate) fn is_open(&self, key: Key) -> bool {
        self.open.contains_key(&key)
    }

    /// The daemon is gone, and with it all that was open.
    pub(crate) fn clear(&mut self) {
        self.open.clear();
        self.by_use.clear();
        self.pins.clear();
    }

    /// The number of a file that is open for this, or for more.
    pub(crate) fn find(&mut self, key: Key, access: Access) -> Option<FileRef> {
        let entry = self.open.get_mut(&key).filter(|entry| entry.access >= access)?;
        self.by_use.remove(&entry.used);
        self.uses += 1;
        entry.used = self.uses;
        self.by_use.insert(entry.used, key);
        Some(entry.handle)
    }

    /// Makes room for one more: what is to be closed for it, or `Err` when all that is open is
    /// pinned.
    pub(crate) fn make_room(&mut self) -> Result<Option<FileRef>, ()> {
        if self.open.len() < self.most {
            return Ok(None);
        }
        let idle = self.by_use.values().copied().find(|key| !self.pins.contains_key(key));
        idle.and_then(|key| self.close(key)).map(Some).ok_or(())
    }

    /// A file is being opened.
    pub(crate) fn insert(&mut self, key: Key, handle: FileRef, access: Access) {
        self.uses += 1;
        self.by_use.insert(self.uses, key);
        self.open.insert(key, Entry { handle, access, used: self.uses });
    }

    /// A file is no longer open: the number to close, if it was.
    pub(crate) fn close(&mut self, key: Key) -> Option<FileRef> {
        let entry = self.open.remove(&key)?;
        self.by_use.remove(&entry.used);
        Some(entry.handle)
    }

    /// Opening failed. False when the file was closed or opened anew meanwhile: then nothing of it
    /// is left.
    pub(crate) fn failed(&mut self, key: Key, handle: FileRef) -> bool {
        let is_same = self.open.get(&key).is_some_and(|entry| entry.handle == handle);
        if is_same {
            self.close(key);
        }
        is_same
    }

    /// All files of a torrent: the numbers to close. Its pins are gone, too.
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

    /// A file must stay open, once more.
    pub(crate) fn pin(&mut self, key: Key) {
        *self.pins.entry(key).or_default() += 1;
    }

    /// A file need not stay open, once less.
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

    /// Opens files one after the other; which numbers had to be closed for them. The number of a
    /// file is its index.
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
