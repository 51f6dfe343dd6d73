//! The identity of an open file, independent of its name: two files never share one.
//!
//! Owns what is known about this machine's file systems. A file system is identified by its UUID
//! where the operating system tells it, because device numbers change when a disk is plugged in
//! again. Invariant: a file gets no identity where its number may pass to another file and its time
//! of birth is unknown.

use std::{
    fs::{File, Metadata},
    time::SystemTime,
};

use sha2::{Digest, Sha256};
use shared_proto::FileIdentity;

/// A file system, and whether it tells files apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileSystem {
    /// Stays the same when the disk is plugged in again.
    pub(crate) id: [u8; 16],
    /// Whether a file keeps its number for its whole life.
    pub(crate) numbers_stay: bool,
}

/// The file's identity; `None` where the file system does not tell files apart reliably.
///
/// FAT and exFAT store times of birth in steps of 10 ms. Two files created within one step have the
/// same identity there.
pub(crate) fn of(file: &File, found: &Metadata) -> Option<FileIdentity> {
    let system = FileSystem::of(file, found);
    let born = found.created().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let number = system.numbers_stay.then(|| number_of(file, found)).flatten();
    if number.is_none() && born.is_none() {
        return None;
    }
    let mut hash = Sha256::new();
    hash.update(system.id);
    hash.update([u8::from(number.is_some()), u8::from(born.is_some())]);
    hash.update(number.unwrap_or(0).to_le_bytes());
    hash.update(born.map_or(0, |born| born.as_nanos()).to_le_bytes());
    Some(FileIdentity(first_half(hash)))
}

/// As [`of`], but also `None` where two files may share the identity for a moment.
pub(crate) fn by_number(file: &File, found: &Metadata) -> Option<FileIdentity> {
    FileSystem::of(file, found).numbers_stay.then(|| of(file, found)).flatten()
}

fn first_half(hash: Sha256) -> [u8; 16] {
    hash.finalize()[..16].try_into().expect("half of 32 bytes")
}

/// Hashes what is known of a file system.
fn hashed(kind: &str, value: &[u8]) -> [u8; 16] {
    first_half(Sha256::new().chain_update(kind).chain_update([0]).chain_update(value))
}

#[cfg(unix)]
fn number_of(_: &File, found: &Metadata) -> Option<u64> {
    Some(std::os::unix::fs::MetadataExt::ino(found))
}

#[cfg(windows)]
fn number_of(file: &File, _: &Metadata) -> Option<u64> {
    winapi_util::file::information(file).ok().map(|found| found.file_index())
}

#[cfg(windows)]
impl FileSystem {
    /// The file system of an open file.
    pub(crate) fn of(file: &File, _: &Metadata) -> Self {
        match winapi_util::file::information(file) {
            Ok(found) => Self {
                id: hashed("volume", &found.volume_serial_number().to_le_bytes()),
                numbers_stay: true,
            },
            Err(_) => Self { id: [0; 16], numbers_stay: false },
        }
    }
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
impl FileSystem {
    /// The file system of an open file.
    pub(crate) fn of(file: &File, found: &Metadata) -> Self {
        let device = std::os::unix::fs::MetadataExt::dev(found);
        Self { id: hashed("device", &device.to_le_bytes()), numbers_stay: numbers_stay(file) }
    }
}

#[cfg(target_vendor = "apple")]
fn numbers_stay(file: &File) -> bool {
    let unsteady: [&[u8]; 8] =
        [b"msdos", b"exfat", b"smbfs", b"afpfs", b"webdav", b"macfuse", b"osxfuse", b"fusefs"];
    rustix::fs::fstatfs(file).is_ok_and(|found| {
        let name: Vec<u8> = found
            .f_fstypename
            .iter()
            .map(|byte| byte.to_ne_bytes()[0])
            .take_while(|byte| *byte != 0)
            .collect();
        !unsteady.contains(&name.as_slice())
    })
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android", target_vendor = "apple"))))]
fn numbers_stay(_: &File) -> bool {
    true
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux {
    use std::{
        collections::HashMap,
        fs::{self, File, Metadata},
        os::unix::fs::MetadataExt,
        time::{Duration, Instant},
    };

    use parking_lot::Mutex;

    use super::{FileSystem, hashed};

    /// The folder of symbolic links to disks, named by the UUIDs of their file systems.
    const BY_UUID: &str = "/dev/disk/by-uuid";

    /// How long an answer counts. Another disk may get the same device number.
    const BELIEVED: Duration = Duration::from_secs(2);

    /// File systems whose drivers renumber files now and then (see `statfs(2)` and
    /// `linux/magic.h`). They are FAT, exFAT, FUSE, SMB in three versions, 9P, AFS in two,
    /// VirtualBox's shared folders.
    const UNSTEADY: [u64; 10] = [
        0x4d44,
        0x2011_bab0,
        0x6573_5546,
        0xff53_4d42,
        0xfe53_4d42,
        0x517b,
        0x0102_1997,
        0x5346_414f,
        0x6b41_4653,
        0x786f_4256,
    ];

    /// Device number, the file system's own number, its type.
    type Key = (u64, u64, u64);

    /// When the operating system was asked, and its answer.
    type Known = HashMap<Key, (Instant, [u8; 16])>;

    static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

    impl FileSystem {
        /// The file system of an open file.
        pub(crate) fn of(file: &File, found: &Metadata) -> Self {
            let own_number = rustix::fs::fstatvfs(file).map_or(0, |found| found.f_fsid);
            let kind =
                rustix::fs::fstatfs(file).ok().and_then(|found| u64::try_from(found.f_type).ok());
            let numbers_stay = kind.is_some_and(|kind| !UNSTEADY.contains(&kind));
            let key = (found.dev(), own_number, kind.unwrap_or(0));
            Self { id: known(key), numbers_stay }
        }
    }

    fn known(key: Key) -> [u8; 16] {
        let mut known = KNOWN.lock();
        let known = known.get_or_insert_default();
        known.retain(|_, (asked, _)| asked.elapsed() < BELIEVED);
        known.entry(key).or_insert_with(|| (Instant::now(), ask(key))).1
    }

    fn ask((device, own_number, kind): Key) -> [u8; 16] {
        if let Some(uuid) = uuid_of(device) {
            return hashed("uuid", &uuid);
        }
        match own_number {
            0 => hashed("device", &device.to_le_bytes()),
            _ => hashed("number", &[own_number.to_le_bytes(), kind.to_le_bytes()].concat()),
        }
    }

    fn uuid_of(device: u64) -> Option<Vec<u8>> {
        let links = fs::read_dir(BY_UUID).ok()?.filter_map(Result::ok);
        let leads_here =
            |link: &fs::DirEntry| fs::metadata(link.path()).is_ok_and(|disk| disk.rdev() == device);
        links.filter(leads_here).map(|link| link.file_name().into_encoded_bytes()).min()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;
    use crate::testing::TempDir;

    fn identity(path: &Path) -> FileIdentity {
        let file = File::open(path).unwrap();
        of(&file, &file.metadata().unwrap()).expect("the temporary folder's disk tells files apart")
    }

    #[test]
    fn a_file_stays_the_same_whatever_it_is_called_and_whatever_is_in_it() {
        let dir = TempDir::new();
        let [film, other] = ["film", "other"].map(|name| dir.path().join(name));
        fs::write(&film, b"film").unwrap();
        let before = identity(&film);
        fs::rename(&film, &other).unwrap();
        fs::OpenOptions::new().write(true).open(&other).unwrap().set_len(1 << 20).unwrap();
        assert_eq!(identity(&other), before);
        fs::hard_link(&other, &film).unwrap();
        assert_eq!(identity(&film), before, "two names of one file");
    }

    #[test]
    fn another_file_at_the_same_place_is_another_one() {
        let dir = TempDir::new();
        let [film, other] = ["film", "other"].map(|name| dir.path().join(name));
        fs::write(&film, b"film").unwrap();
        fs::write(&other, b"film").unwrap();
        let before = identity(&film);
        assert_ne!(identity(&other), before);
        fs::rename(&other, &film).unwrap();
        assert_ne!(identity(&film), before);
    }

    #[test]
    fn a_file_that_gets_the_number_of_a_deleted_one_is_another_one() {
        let dir = TempDir::new();
        let film = dir.path().join("film");
        let mut seen = BTreeSet::new();
        for round in 0..50 {
            fs::write(&film, b"film").unwrap();
            assert!(seen.insert(identity(&film)), "round {round}");
            fs::remove_file(&film).unwrap();
        }
    }

    #[test]
    fn every_handle_to_a_file_system_gives_the_same_answer() {
        let dir = TempDir::new();
        fs::write(dir.path().join("film"), b"film").unwrap();
        let system = |path: &Path| {
            let file = File::open(path).unwrap();
            FileSystem::of(&file, &file.metadata().unwrap())
        };
        assert_eq!(system(&dir.path().join("film")), system(dir.path()));
        let memory = Path::new("/dev/shm");
        if cfg!(target_os = "linux") && memory.is_dir() {
            assert_ne!(system(memory).id, system(dir.path()).id);
        }
    }
}
