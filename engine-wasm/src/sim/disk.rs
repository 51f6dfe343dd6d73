//! A disk in memory: files with times, a size of its own, and strangers who change files.
//!
//! Sparse files cost what was written to them, as on a real disk.

use std::collections::BTreeMap;

use shared_proto::RootKey;
use shared_proto::io::{FileStat, OpError, OpErrorKind};

use crate::time::Instant;

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    modified_ns: u64,
    changed_ns: u64,
    /// Bytes that take room: an estimate that is exact when nothing is written twice.
    used: u64,
}

/// The disk. All roots lie on it.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    files: BTreeMap<Vec<String>, File>,
    /// Bytes that fit, `None` for no end.
    pub(super) room: Option<u64>,
    /// Whether nothing can be written.
    pub(super) is_read_only: bool,
    /// Where nothing can be moved to, and why.
    pub(super) barred: BTreeMap<Vec<String>, OpErrorKind>,
}

/// A path on the disk: what lies in the first root has no prefix, so that tests read well.
pub(super) fn path_in(root: &RootKey, path: Vec<String>) -> Vec<String> {
    if root.0 == "d" { path } else { std::iter::once(format!("{}:", root.0)).chain(path).collect() }
}

fn error(kind: OpErrorKind, message: &str) -> OpError {
    OpError { kind, message: message.to_owned() }
}

fn ns(now: Instant) -> u64 {
    // Not a whole second: those are for file systems with long ticks.
    now.0 * 1_000 + 1
}

impl Disk {
    pub(super) fn paths(&self) -> impl Iterator<Item = &Vec<String>> {
        self.files.keys()
    }

    pub(super) fn read(&self, path: &[String]) -> Option<&[u8]> {
        self.files.get(path).map(|file| file.bytes.as_slice())
    }

    /// Bytes that take room.
    pub(super) fn used(&self) -> u64 {
        self.files.values().map(|file| file.used).sum()
    }

    pub(super) fn check_room(&self, more: u64) -> Result<(), OpError> {
        match self.room {
            Some(room) if self.used() + more > room => Err(error(OpErrorKind::Full, "the disk is full")),
            _ => Ok(()),
        }
    }

    fn check_writable(&self) -> Result<(), OpError> {
        if self.is_read_only { Err(error(OpErrorKind::Denied, "the disk is read-only")) } else { Ok(()) }
    }

    /// Its length before, `None` when it is new.
    pub(super) fn open(
        &mut self,
        path: &[String],
        length: u64,
        create: bool,
        now: Instant,
    ) -> Result<Option<u64>, OpError> {
        let length = usize::try_from(length).expect("a test's file is small");
        if create {
            self.check_writable()?;
        }
        let existing = self.files.get(path).map(|file| file.bytes.len() as u64);
        if existing.is_none() && !create {
            return Err(error(OpErrorKind::NotFound, "no such file"));
        }
        let fresh = File { modified_ns: ns(now), changed_ns: ns(now), ..File::default() };
        let file = self.files.entry(path.to_vec()).or_insert(fresh);
        if file.bytes.len() < length {
            file.bytes.resize(length, 0);
            (file.modified_ns, file.changed_ns) = (ns(now), ns(now));
        }
        Ok(existing)
    }

    pub(super) fn write(&mut self, path: &[String], offset: u64, data: &[u8], now: Instant) -> Result<(), OpError> {
        self.check_writable()?;
        self.check_room(data.len() as u64)?;
        let from = usize::try_from(offset).expect("a test's file is small");
        let file = self.files.get_mut(path).ok_or_else(|| error(OpErrorKind::NotFound, "no such file"))?;
        if file.bytes.len() < from + data.len() {
            file.bytes.resize(from + data.len(), 0);
        }
        file.bytes[from..from + data.len()].copy_from_slice(data);
        file.used += data.len() as u64;
        (file.modified_ns, file.changed_ns) = (ns(now), ns(now));
        Ok(())
    }

    pub(super) fn stat(&self, path: &[String]) -> Option<FileStat> {
        let file = self.files.get(path)?;
        let length = file.bytes.len() as u64;
        Some(FileStat { length, modified_ns: file.modified_ns, changed_ns: file.changed_ns })
    }

    pub(super) fn rename(&mut self, from: &[String], to: &[String], now: Instant) -> Result<(), OpError> {
        self.check_writable()?;
        if self.files.contains_key(to) {
            return Err(error(OpErrorKind::Exists, "there is something of that name already"));
        }
        if let Some(&kind) = self.barred.get(to) {
            return Err(error(kind, "it can't lie there"));
        }
        let mut file = self.files.remove(from).ok_or_else(|| error(OpErrorKind::NotFound, "no such file"))?;
        file.changed_ns = ns(now);
        self.files.insert(to.to_vec(), file);
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &[String]) {
        self.files.remove(path);
    }

    /// A file that a stranger put there.
    pub(super) fn plant(&mut self, path: Vec<String>, bytes: Vec<u8>, now: Instant) {
        let used = bytes.len() as u64;
        self.files.insert(path, File { bytes, modified_ns: ns(now), changed_ns: ns(now), used });
    }

    /// A stranger changes a byte.
    pub(super) fn change(&mut self, path: &[String], offset: usize, now: Instant) {
        let file = self.files.get_mut(path).expect("the file is there");
        file.bytes[offset] ^= 0xff;
        (file.modified_ns, file.changed_ns) = (ns(now), ns(now));
    }

    /// A byte changes by itself, as on a disk that wears out.
    pub(super) fn change_unseen(&mut self, path: &[String], offset: usize) {
        self.files.get_mut(path).expect("the file is there").bytes[offset] ^= 0xff;
    }

    /// A stranger changes a byte and sets the time of the change back.
    pub(super) fn change_secretly(&mut self, path: &[String], offset: usize, now: Instant) {
        let file = self.files.get_mut(path).expect("the file is there");
        let modified_ns = file.modified_ns;
        file.bytes[offset] ^= 0xff;
        (file.modified_ns, file.changed_ns) = (modified_ns, ns(now));
    }
}
