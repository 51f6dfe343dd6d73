//! A disk in memory. The disk has file times and a limited size, and other programs change it.
//!
//! Sparse files occupy only their written bytes.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use shared_proto::io::{DigestKind, FileStat, OpError, OpErrorKind};
use shared_proto::{FileIdentity, FileRef, OpenMode, RootKey};

use crate::time::Instant;

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    modified_ns: u64,
    changed_ns: u64,
    /// Occupied bytes; exact if nothing is written twice.
    used: u64,
    /// The file's identity, independent of its path.
    number: u64,
}

/// A file that was taken away for a while.
#[derive(Debug)]
pub(super) struct Taken(File);

/// The disk with all roots.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    files: BTreeMap<Vec<String>, File>,
    /// Capacity, bytes; `None` for unlimited.
    pub(super) room: Option<u64>,
    /// Whether the disk is read-only.
    pub(super) is_read_only: bool,
    /// Paths to which moves fail, with the error.
    pub(super) barred: BTreeMap<Vec<String>, OpErrorKind>,
    /// Paths whose deletion fails.
    pub(super) held_fast: BTreeSet<Vec<String>>,
    /// Whether the disk is disconnected.
    pub(super) is_absent: bool,
    /// Whether the file system has no file identities.
    pub(super) is_indistinct: bool,
    /// Whether names are case-insensitive.
    pub(super) ignores_case: bool,
    /// Characters that are forbidden in names.
    pub(super) refuses: Vec<char>,
    numbers: u64,
    /// The file of each handle, whatever its path leads to now.
    held: BTreeMap<FileRef, u64>,
    /// Unlinked files that may still be open.
    nameless: BTreeMap<u64, File>,
}

fn fold(path: &[String]) -> String {
    path.join("/").to_lowercase()
}

/// Returns the digest of bytes, as a daemon computes it.
pub(super) fn digest(kind: DigestKind, bytes: &[u8]) -> Bytes {
    Bytes::from(match kind {
        DigestKind::Sha1 => Sha1::digest(bytes).to_vec(),
        DigestKind::Sha256 => Sha256::digest(bytes).to_vec(),
        DigestKind::Sha256Leaves => bytes.chunks(16 << 10).flat_map(Sha256::digest).collect(),
    })
}

/// Returns a path on the disk; paths in the first root have no prefix.
pub(super) fn path_in(root: &RootKey, path: Vec<String>) -> Vec<String> {
    if root.0 == "d" { path } else { std::iter::once(format!("{}:", root.0)).chain(path).collect() }
}

fn error(kind: OpErrorKind, message: &str) -> OpError {
    OpError { kind, message: message.to_owned() }
}

fn ns(now: Instant) -> u64 {
    // Whole seconds are for file systems with coarse times.
    now.0 * 1_000 + 1
}

impl Disk {
    pub(super) fn paths(&self) -> impl Iterator<Item = &Vec<String>> {
        self.files.keys()
    }

    pub(super) fn read(&self, path: &[String]) -> Option<&[u8]> {
        self.files.get(path).map(|file| file.bytes.as_slice())
    }

    /// Returns the occupied bytes.
    pub(super) fn used(&self) -> u64 {
        self.files.values().map(|file| file.used).sum()
    }

    pub(super) fn check_room(&self, more: u64) -> Result<(), OpError> {
        match self.room {
            Some(room) if self.used() + more > room => {
                Err(error(OpErrorKind::Full, "the disk is full"))
            }
            _ => Ok(()),
        }
    }

    fn check_writable(&self) -> Result<(), OpError> {
        if self.is_read_only {
            Err(error(OpErrorKind::Denied, "the disk is read-only"))
        } else {
            Ok(())
        }
    }

    /// Opens a file as the daemon does.
    pub(super) fn open(
        &mut self,
        path: &[String],
        length: u64,
        mode: OpenMode,
        now: Instant,
    ) -> Result<FileStat, OpError> {
        let length = usize::try_from(length).expect("a test's file is small");
        self.check_there()?;
        let named = path
            .last()
            .is_some_and(|name| self.refuses.iter().any(|refused| name.contains(*refused)));
        if named {
            return Err(error(OpErrorKind::Name, "the disk takes no such name"));
        }
        if mode != OpenMode::Read {
            self.check_writable()?;
        }
        let found = self.files.get(path).map(|file| file.number);
        match (mode, found) {
            (OpenMode::Create, Some(_)) => {
                return Err(error(OpErrorKind::Exists, "there is something of that name"));
            }
            (OpenMode::Create, None) => {
                let is_twin = |other: &Vec<String>| self.ignores_case && fold(other) == fold(path);
                if self.files.keys().any(is_twin) {
                    return Err(error(OpErrorKind::Exists, "there is something of that name"));
                }
                let number = self.number();
                let fresh =
                    File { modified_ns: ns(now), changed_ns: ns(now), number, ..File::default() };
                self.files.insert(path.to_vec(), fresh);
            }
            (_, None) => return Err(error(OpErrorKind::NotFound, "no such file")),
            (OpenMode::Write { identity: Some(identity) }, Some(number))
                if self.identity(number) != Some(identity) =>
            {
                return Err(error(OpErrorKind::Changed, "another file is there"));
            }
            _ => {}
        }
        let file = self.files.get_mut(path).expect("it was found or made");
        if mode != OpenMode::Read && file.bytes.len() < length {
            file.bytes.resize(length, 0);
            (file.modified_ns, file.changed_ns) = (ns(now), ns(now));
        }
        Ok(self.stat(path).expect("it was found or made"))
    }

    fn check_there(&self) -> Result<(), OpError> {
        if self.is_absent {
            Err(error(OpErrorKind::Absent, "its disk is not connected"))
        } else {
            Ok(())
        }
    }

    /// Returns an unused identity.
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn identity(&self, number: u64) -> Option<FileIdentity> {
        (!self.is_indistinct).then(|| FileIdentity(u128::from(number).to_be_bytes()))
    }

    /// Returns the state of the file at a path.
    pub(super) fn look(&self, path: &[String]) -> Result<Option<FileStat>, OpError> {
        self.check_there()?;
        Ok(self.stat(path))
    }

    /// Deletes a file if it has the expected identity.
    pub(super) fn delete(
        &mut self,
        path: &[String],
        identity: Option<FileIdentity>,
    ) -> Result<(), OpError> {
        self.check_there()?;
        self.check_writable()?;
        if self.held_fast.contains(path) {
            return Err(error(OpErrorKind::Denied, "another program holds it"));
        }
        let found = self.stat(path).ok_or_else(|| error(OpErrorKind::NotFound, "no such file"))?;
        if identity.is_some() && identity != found.identity {
            return Err(error(OpErrorKind::Changed, "another file is there"));
        }
        self.unname(path);
        Ok(())
    }

    /// Binds a handle to the file at a path.
    pub(super) fn hold(&mut self, handle: FileRef, path: &[String]) {
        self.held.insert(handle, self.files[path].number);
    }

    /// Returns the content of a handle's file.
    pub(super) fn read_held(&self, handle: FileRef, path: &[String]) -> Option<&[u8]> {
        let number = self.held.get(&handle)?;
        let file = self
            .files
            .get(path)
            .filter(|file| file.number == *number)
            .or_else(|| self.nameless.get(number))?;
        Some(&file.bytes)
    }

    /// Writes to a handle's file.
    pub(super) fn write_held(
        &mut self,
        handle: FileRef,
        path: &[String],
        (offset, data): (u64, &[u8]),
        now: Instant,
    ) -> Result<(), OpError> {
        let number = self.held.get(&handle).copied().unwrap_or_default();
        if self.files.get(path).is_some_and(|file| file.number == number) {
            return self.write(path, offset, data, now);
        }
        let from = usize::try_from(offset).expect("a test's file is small");
        let file = self
            .nameless
            .get_mut(&number)
            .ok_or_else(|| error(OpErrorKind::NotFound, "no such file"))?;
        file.bytes.resize(file.bytes.len().max(from + data.len()), 0);
        file.bytes[from..from + data.len()].copy_from_slice(data);
        Ok(())
    }

    /// Unlinks a file; open handles keep it.
    fn unname(&mut self, path: &[String]) -> Option<File> {
        let file = self.files.remove(path)?;
        self.nameless.insert(file.number, file.clone());
        Some(file)
    }

    /// Takes a file away as another program would, to restore it later.
    pub(super) fn take_away(&mut self, path: &[String]) -> Taken {
        Taken(self.unname(path).expect("the file is there"))
    }

    pub(super) fn bring_back(&mut self, path: &[String], taken: Taken) {
        self.files.insert(path.to_vec(), taken.0);
    }

    /// Replaces a file as another program would.
    pub(super) fn swap_in(&mut self, path: &[String], bytes: Vec<u8>, now: Instant) {
        self.unname(path);
        self.plant(path.to_vec(), bytes, now);
    }

    pub(super) fn write(
        &mut self,
        path: &[String],
        offset: u64,
        data: &[u8],
        now: Instant,
    ) -> Result<(), OpError> {
        self.check_writable()?;
        self.check_room(data.len() as u64)?;
        let from = usize::try_from(offset).expect("a test's file is small");
        let file =
            self.files.get_mut(path).ok_or_else(|| error(OpErrorKind::NotFound, "no such file"))?;
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
        let identity = self.identity(file.number);
        Some(FileStat {
            length,
            modified_ns: file.modified_ns,
            changed_ns: file.changed_ns,
            identity,
        })
    }

    pub(super) fn rename(
        &mut self,
        from: &[String],
        to: &[String],
        now: Instant,
    ) -> Result<(), OpError> {
        self.check_writable()?;
        if self.files.contains_key(to) {
            return Err(error(OpErrorKind::Exists, "there is something of that name already"));
        }
        if let Some(&kind) = self.barred.get(to) {
            return Err(error(kind, "it can't lie there"));
        }
        let mut file =
            self.files.remove(from).ok_or_else(|| error(OpErrorKind::NotFound, "no such file"))?;
        file.changed_ns = ns(now);
        self.files.insert(to.to_vec(), file);
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &[String]) {
        self.files.remove(path);
    }

    /// Creates a file as another program would.
    pub(super) fn plant(&mut self, path: Vec<String>, bytes: Vec<u8>, now: Instant) {
        let (used, number) = (bytes.len() as u64, self.number());
        self.files
            .insert(path, File { bytes, modified_ns: ns(now), changed_ns: ns(now), used, number });
    }

    /// Truncates a file as another program would.
    pub(super) fn cut(&mut self, path: &[String], length: usize, now: Instant) {
        let file = self.files.get_mut(path).expect("the file is there");
        file.bytes.truncate(length);
        (file.modified_ns, file.changed_ns) = (ns(now), ns(now));
    }

    /// Changes a byte as another program would.
    pub(super) fn change(&mut self, path: &[String], offset: usize, now: Instant) {
        let file = self.files.get_mut(path).expect("the file is there");
        file.bytes[offset] ^= 0xff;
        (file.modified_ns, file.changed_ns) = (ns(now), ns(now));
    }

    /// Changes a byte without changing times, as a failing disk does.
    pub(super) fn change_unseen(&mut self, path: &[String], offset: usize) {
        self.files.get_mut(path).expect("the file is there").bytes[offset] ^= 0xff;
    }

    /// Changes a byte as another program would, and restores the modification time.
    pub(super) fn change_secretly(&mut self, path: &[String], offset: usize, now: Instant) {
        let file = self.files.get_mut(path).expect("the file is there");
        let modified_ns = file.modified_ns;
        file.bytes[offset] ^= 0xff;
        (file.modified_ns, file.changed_ns) = (modified_ns, ns(now));
    }
}
