//! The identity of an open file, independent of its name: two files never share one.
//!
//! Owns what is known about this machine's file systems. A file system is identified by its UUID
//! where the operating system tells it, because device numbers change when a disk is plugged in
//! again. Invariant: a file gets no identity where its number may pass to another file and its time
//! of birth is unknown.

use std::{
    fs::{File, Metadata},
    time::{Duration, SystemTime},
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
    identity_of(system.id, number, born)
}

/// The identity of a file by its file system, number and time of birth. The time counts from 1970.
/// `None` if neither the number nor the time is known.
fn identity_of(
    system: [u8; 16],
    number: Option<u64>,
    born: Option<Duration>,
) -> Option<FileIdentity> {
    if number.is_none() && born.is_none() {
        return None;
    }
    let mut hash = Sha256::new();
    hash.update(system);
    hash.update([u8::from(number.is_some()), u8::from(born.is_some())]);
    hash.update(number.unwrap_or(0).to_le_bytes());
    hash.update(born.map_or(0, |born| born.as_nanos()).to_le_bytes());
    Some(FileIdentity(first_half(hash)))
}

/// As [`of`], but only where numbers of files stay. Elsewhere, two files may share the identity for
/// a moment, and this is `None`.
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
        path::Path,
        time::{Duration, Instant},
    };

    use parking_lot::Mutex;

    use super::{FileSystem, hashed};

    /// The folder with a link to each disk, named by its file system's UUID.
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
        if let Some(uuid) = uuid_of(Path::new(BY_UUID), device) {
            return hashed("uuid", &uuid);
        }
        match own_number {
            0 => hashed("device", &device.to_le_bytes()),
            _ => hashed("number", &[own_number.to_le_bytes(), kind.to_le_bytes()].concat()),
        }
    }

    fn uuid_of(links: &Path, device: u64) -> Option<Vec<u8>> {
        let links = fs::read_dir(links).ok()?.filter_map(Result::ok);
        let leads_here =
            |link: &fs::DirEntry| fs::metadata(link.path()).is_ok_and(|disk| disk.rdev() == device);
        links.filter(leads_here).map(|link| link.file_name().into_encoded_bytes()).min()
    }

    #[cfg(test)]
    mod tests {
        use std::os::unix::fs::symlink;

        use super::*;
        use crate::testing::TempDir;

        #[test]
        fn the_uuid_is_the_name_of_the_link_to_the_device() {
            let dir = TempDir::new();
            symlink("/dev/zero", dir.path().join("0000")).unwrap();
            symlink("/dev/null", dir.path().join("5a5a")).unwrap();
            symlink("/dev/not there", dir.path().join("1111")).unwrap();
            let device = fs::metadata("/dev/null").unwrap().rdev();
            assert_eq!(uuid_of(dir.path(), device).unwrap(), b"5a5a");
            assert_eq!(uuid_of(dir.path(), device + 1_000), None);
            assert_eq!(uuid_of(&dir.path().join("not there"), device), None);
        }

        #[test]
        fn without_a_uuid_the_systems_own_number_counts_or_the_device() {
            // No disk has this device number.
            const DEVICE: u64 = u64::MAX - 1;
            let systems = [(DEVICE, 0, 1), (DEVICE - 1, 0, 1), (DEVICE, 5, 1), (DEVICE, 5, 2)];
            for (at, system) in systems.iter().enumerate() {
                for other in &systems[at + 1..] {
                    assert_ne!(ask(*system), ask(*other), "{system:?} {other:?}");
                }
            }
            assert_eq!(ask((DEVICE, 0, 1)), ask((DEVICE, 0, 2)));
            assert_eq!(ask((DEVICE, 5, 1)), ask((DEVICE - 1, 5, 1)), "plugged in elsewhere");
        }
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

    #[test]
    fn an_identity_needs_a_number_or_a_time_of_birth() {
        let born = Some(Duration::from_nanos(5));
        let known = [
            identity_of([1; 16], Some(7), born),
            identity_of([1; 16], Some(7), None),
            identity_of([1; 16], None, born),
            identity_of([2; 16], Some(7), born),
            identity_of([1; 16], Some(8), born),
            identity_of([1; 16], Some(7), Some(Duration::from_nanos(6))),
        ];
        assert!(known.iter().all(Option::is_some));
        assert_eq!(known.iter().collect::<BTreeSet<_>>().len(), known.len());
        assert_eq!(identity_of([1; 16], None, None), None);
    }

    #[test]
    fn where_numbers_stay_they_identify_a_file() {
        let dir = TempDir::new();
        let path = dir.path().join("film");
        fs::write(&path, b"film").unwrap();
        let file = File::open(&path).unwrap();
        let found = file.metadata().unwrap();
        assert!(FileSystem::of(&file, &found).numbers_stay);
        assert_eq!(by_number(&file, &found), of(&file, &found));
    }
}
