//! The folders that the user chose, and the confinement beneath them.
//!
//! Owns the only use of ambient authority: opening a root. Everything else goes through the
//! directory handle that comes of it, which the operating system itself keeps from leading out.
//! Invariant: no path that a stranger made up, and no link on the disk, reaches a file outside the
//! root it was named under.
//!
//! A key that an engine was told keeps naming its folder for as long as the daemon runs, and after
//! that for as long as the folder is configured or kept among those that were chosen: what an
//! engine stores may wait there for weeks without a file. A folder that shares files with one that
//! a person chose later is only *set aside*: engines that come are not told of it, and those that
//! know its key find it.

use std::{
    collections::HashSet,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use cap_std::{ambient_authority, fs::Dir};
use sha2::{Digest, Sha256};
use shared_proto::{
    Root, RootKey,
    io::{OpError, OpErrorKind},
    path::check_length,
};

use super::{
    error::{from_io, op_error},
    identity::FileSystem,
    seen::Seen,
};

/// The folders that may be used, by key. The first is the default.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    /// Locked for moments only: who holds it waits for no disk.
    entries: Arc<RwLock<Vec<Entry>>>,
    /// Held by whoever changes the entries.
    changes: Arc<Mutex<()>>,
    seen: Arc<Seen>,
}

#[derive(Clone, Debug)]
struct Entry {
    root: Root,
    path: PathBuf,
    /// Shares files with one before it that a person chose since: engines are not told of it.
    is_aside: bool,
}

/// Two roots that share files.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootsError {
    /// Both are the same folder.
    #[error("{0} and {1} are the same folder")]
    Same(PathBuf, PathBuf),
    /// One lies inside the other.
    #[error("{inner} lies inside {outer}: of two download folders none may lie inside the other", inner = .0.display(), outer = .1.display())]
    Nested(PathBuf, PathBuf),
}

impl Roots {
    /// Key, label in front of a person, and path of each.
    pub fn new(entries: Vec<(RootKey, String, PathBuf)>) -> Self {
        let entries = entries
            .into_iter()
            .map(|(key, label, path)| {
                let shown = path.display().to_string();
                Entry { root: Root { key, label, path: shown }, path, is_aside: false }
            })
            .collect();
        Self { entries: Arc::new(RwLock::new(entries)), ..Self::default() }
    }

    /// The same, which remember in a folder of the daemon's own which of them held files.
    #[must_use]
    pub fn remembering_in(self, folder: &Path) -> Self {
        Self { seen: Arc::new(Seen::load(folder)), ..self }
    }

    /// Whether no two of them share files, links included. Those that are set aside don't count.
    ///
    /// # Errors
    /// The first two that do.
    pub fn check_apart(&self) -> Result<(), RootsError> {
        let entries: Vec<Entry> =
            self.entries().into_iter().filter(|entry| !entry.is_aside).collect();
        for (index, entry) in entries.iter().enumerate() {
            for other in &entries[..index] {
                if let Some(error) = shared(&other.path, &entry.path) {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Sets those aside that share files with one before them that a person chose: that was allowed
    /// because they had not held any by then. Of two that nobody chose, the later one is set aside
    /// only if it never held files. Blocking.
    pub fn set_aside(&self, chosen: &[PathBuf]) {
        let _alone = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let chosen: HashSet<RootKey> = chosen.iter().map(|path| Self::key_of(path)).collect();
        let mut entries = self.entries();
        arrange(&mut entries, |other, later| {
            chosen.contains(&other.key) || !self.held_files(&later.key)
        });
        self.swap(entries);
    }

    /// Makes a folder the first, once `keep` has written that down. Those that share files with it
    /// and never held any are set aside; they are still found by their keys. Blocking.
    ///
    /// # Errors
    /// [`OpErrorKind::Denied`] when the folder shares files with one that held some, or what `keep`
    /// says; then nothing has changed.
    pub(crate) fn prefer(
        &self,
        label: impl FnOnce(&[Root]) -> String,
        path: &Path,
        keep: impl FnOnce() -> Result<(), OpError>,
    ) -> Result<Vec<Root>, OpError> {
        let _alone = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Self::key_of(path);
        let (known, others): (Vec<Entry>, Vec<Entry>) =
            self.entries().into_iter().partition(|entry| entry.root.key == key);
        let known = known.into_iter().next();
        for other in others.iter().filter(|other| self.held_files(&other.root.key)) {
            // One that was set aside may have got files since. Who chose this folder before may do
            // so again.
            if other.is_aside && known.is_some() {
                continue;
            }
            if let Some(error) = shared(&other.path, path) {
                return Err(op_error(OpErrorKind::Denied, error.in_words(path)));
            }
        }
        let first = known.unwrap_or_else(|| {
            let roots: Vec<Root> = others.iter().map(|other| other.root.clone()).collect();
            let root = Root { key, label: label(&roots), path: path.display().to_string() };
            Entry { root, path: path.to_path_buf(), is_aside: false }
        });
        let mut entries: Vec<Entry> = std::iter::once(first).chain(others).collect();
        arrange(&mut entries, |_, _| true);
        keep()?;
        self.swap(entries);
        Ok(self.list())
    }

    /// Whether files were ever opened in a folder.
    pub(crate) fn held_files(&self, key: &RootKey) -> bool {
        self.seen.file_system(key).is_some()
    }

    fn swap(&self, entries: Vec<Entry>) {
        *self.entries.write().unwrap_or_else(PoisonError::into_inner) = entries;
    }

    /// The key of a folder: the same for the same folder, whatever else is configured; it says
    /// nothing about where the folder lies.
    pub fn key_of(path: &Path) -> RootKey {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
        RootKey(digest[..8].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn entries(&self) -> Vec<Entry> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those that are set aside: files may lie there, and no new ones come.
    pub(crate) fn list_aside(&self) -> Vec<Root> {
        self.entries().into_iter().filter(|entry| entry.is_aside).map(|entry| entry.root).collect()
    }

    /// What the engine is told of them.
    pub fn list(&self) -> Vec<Root> {
        self.entries().into_iter().filter(|entry| !entry.is_aside).map(|entry| entry.root).collect()
    }

    /// A handle to a root's folder, which is made first if it is to be created and never held
    /// files. It is opened anew each time, because the folder may be moved or its disk changed at
    /// any time.
    pub(crate) fn open(&self, key: &RootKey, create: bool) -> Result<Dir, OpError> {
        let not_there = || from_io(&io::ErrorKind::NotFound.into());
        if let Some(dir) = self.open_if_there(key)? {
            return Ok(dir);
        }
        if !create {
            return Err(not_there());
        }
        let Entry { path, .. } = self.find(key)?;
        std::fs::create_dir_all(&path).map_err(|error| unusable(&error))?;
        self.open_if_there(key)?.ok_or_else(not_there)
    }

    /// A handle to a root's folder, `None` while there is no folder and never was one.
    pub(crate) fn open_if_there(&self, key: &RootKey) -> Result<Option<Dir>, OpError> {
        let Entry { root, path, .. } = self.find(key)?;
        let path = &path;
        let Some(file_system) = self.seen.file_system(key) else {
            return match Dir::open_ambient_dir(path, ambient_authority()) {
                Ok(dir) => Ok(Some(dir)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(unusable(&error)),
            };
        };
        let dir = match Dir::open_ambient_dir(path, ambient_authority()) {
            Ok(dir) => dir,
            Err(error) if is_absence(&error) => return Err(absent(&root)),
            Err(error) => return Err(unusable(&error)),
        };
        // The folder on which a disk would be mounted.
        if file_system_of(&dir) != Some(file_system) && is_empty(&dir) {
            Err(absent(&root))
        } else {
            Ok(Some(dir))
        }
    }

    /// A file was opened in this folder of the root: from now on the root is one that held files.
    pub(crate) fn remember(&self, key: &RootKey, dir: &Dir) {
        if let Some(file_system) = file_system_of(dir) {
            self.seen.remember(key, file_system);
        }
    }

    /// Bytes that may still be written where a root lies, and bytes in all. A root that was never
    /// made has the room of the folder above it.
    pub(crate) fn room(&self, key: &RootKey) -> Result<(u64, u64), OpError> {
        if let Some(dir) = self.open_if_there(key)? {
            return room_of(&dir);
        }
        let Entry { path, .. } = self.find(key)?;
        let above = path
            .ancestors()
            .skip(1)
            .find_map(|above| Dir::open_ambient_dir(above, ambient_authority()).ok());
        above.map_or_else(|| Err(from_io(&io::ErrorKind::NotFound.into())), |dir| room_of(&dir))
    }

    /// The path below a root as the system itself would write it.
    pub(crate) fn canonical_path(&self, key: &RootKey, path: &Path) -> Result<PathBuf, OpError> {
        Ok(canonical(&self.find(key)?.path).join(path))
    }

    fn find(&self, key: &RootKey) -> Result<Entry, OpError> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let found = entries.iter().find(|entry| entry.root.key == *key).cloned();
        found.ok_or_else(|| op_error(OpErrorKind::NotFound, "no such folder is configured"))
    }
}

/// Sets each aside that shares files with one before it that is not, if it `yields` to that one.
/// Blocking.
fn arrange(entries: &mut [Entry], yields: impl Fn(&Root, &Root) -> bool) {
    for index in 0..entries.len() {
        let (before, rest) = entries.split_at_mut(index);
        let entry = &mut rest[0];
        entry.is_aside = before.iter().any(|other| {
            !other.is_aside
                && shared(&other.path, &entry.path).is_some()
                && yields(&other.root, &entry.root)
        });
    }
}

/// What two folders share, if they do, links included; `path` is the later one.
fn shared(other: &Path, path: &Path) -> Option<RootsError> {
    let (place, other_place) = (canonical(path), canonical(other));
    let (path, other) = (path.to_path_buf(), other.to_path_buf());
    if place == other_place {
        Some(RootsError::Same(other, path))
    } else if place.starts_with(&other_place) {
        Some(RootsError::Nested(path, other))
    } else if other_place.starts_with(&place) {
        Some(RootsError::Nested(other, path))
    } else {
        None
    }
}

impl RootsError {
    /// Why this folder can't be used beside the others.
    fn in_words(&self, path: &Path) -> &'static str {
        match self {
            Self::Same(..) => "it is a download folder already",
            Self::Nested(inner, _) if inner == path => "it lies inside another download folder",
            Self::Nested(..) => "another download folder lies inside it",
        }
    }
}

fn absent(root: &Root) -> OpError {
    let label = &root.label;
    op_error(
        OpErrorKind::Absent,
        format!(
            "the download folder “{label}” is not there, maybe because its disk is not connected"
        ),
    )
}

/// Why a root's folder can't be opened or made. [`OpErrorKind::Exists`] is kept for names below it:
/// there, another name helps.
fn unusable(error: &io::Error) -> OpError {
    match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            op_error(OpErrorKind::Denied, "a file is where the download folder should be")
        }
        _ => from_io(error),
    }
}

/// Whether a folder could not be opened because its disk is gone: unmounted, unplugged, or a server
/// that is away.
fn is_absence(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let gone =
            [Errno::NOTCONN, Errno::NODEV, Errno::NXIO, Errno::STALE, Errno::HOSTDOWN, Errno::IO];
        if Errno::from_io_error(error).is_some_and(|errno| gone.contains(&errno)) {
            return true;
        }
    }
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn file_system_of(dir: &Dir) -> Option<String> {
    let dir: File = dir.try_clone().ok()?.into_std_file();
    let found = dir.metadata().ok()?;
    Some(FileSystem::of(&dir, &found).id.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Free bytes, without those that are kept for the administrator, and all bytes.
#[cfg(unix)]
fn room_of(dir: &Dir) -> Result<(u64, u64), OpError> {
    let found = rustix::fs::fstatvfs(dir).map_err(|errno| from_io(&errno.into()))?;
    Ok((
        found.f_bavail.saturating_mul(found.f_frsize),
        found.f_blocks.saturating_mul(found.f_frsize),
    ))
}

#[cfg(not(unix))]
fn room_of(_: &Dir) -> Result<(u64, u64), OpError> {
    Err(op_error(OpErrorKind::Other, "this system does not say how much room there is"))
}

fn is_empty(dir: &Dir) -> bool {
    dir.entries().is_ok_and(|mut entries| entries.next().is_none())
}

/// The path without links, as far as it leads to something.
fn canonical(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let known =
        path.ancestors().find_map(|above| Some((above, std::fs::canonicalize(above).ok()?)));
    match known {
        Some((above, place)) => place.join(path.strip_prefix(above).unwrap_or(Path::new(""))),
        None => path,
    }
}

/// The components as a relative path, if they are names and nothing else.
pub(crate) fn checked_path(components: &[String]) -> Result<PathBuf, OpError> {
    check_length(components)
        .map_err(|why| op_error(OpErrorKind::Name, format!("the path is too long: {why}")))?;
    if components.is_empty() {
        return Err(op_error(OpErrorKind::Denied, "a path without a name is not allowed"));
    }
    if !components.iter().all(|name| is_name(name)) {
        return Err(op_error(OpErrorKind::Denied, "a name in the path is not allowed"));
    }
    Ok(components.iter().collect())
}

fn is_name(name: &str) -> bool {
    let separators: &[char] = if cfg!(windows) { &['/', '\0', '\\', ':'] } else { &['/', '\0'] };
    !name.is_empty() && name != "." && name != ".." && !name.contains(separators)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::TempDir;

    fn roots(paths: &[PathBuf]) -> Roots {
        let entry = |(n, path): (usize, &PathBuf)| {
            (RootKey(n.to_string()), format!("Root {n}"), path.clone())
        };
        Roots::new(paths.iter().enumerate().map(entry).collect())
    }

    #[test]
    fn of_two_roots_none_lies_inside_the_other() {
        let dir = TempDir::new();
        let at = |path: &str| dir.path().join(path);
        fs::create_dir_all(at("films/new")).unwrap();
        let apart = |paths: &[&str]| {
            roots(&paths.iter().map(|path| at(path)).collect::<Vec<_>>()).check_apart()
        };
        assert_eq!(apart(&["films", "films-2", "not there", "other/not there"]), Ok(()));
        for (outer, inner) in [
            ("films", "films/new"),
            ("films", "films/not/there"),
            ("no", "no/inner"),
            ("films/../films", "films/new"),
        ] {
            assert_eq!(apart(&[outer, inner]), Err(RootsError::Nested(at(inner), at(outer))));
            assert_eq!(
                apart(&["apart", inner, outer]),
                Err(RootsError::Nested(at(inner), at(outer)))
            );
        }
        assert_eq!(apart(&["films", "films/"]), Err(RootsError::Same(at("films"), at("films/"))));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(at("films"), at("link")).unwrap();
            assert_eq!(apart(&["films", "link"]), Err(RootsError::Same(at("films"), at("link"))));
            assert_eq!(
                apart(&["link/new/er", "films"]),
                Err(RootsError::Nested(at("link/new/er"), at("films")))
            );
        }
    }

    /// Roots by what they are called below a folder, which remember there, and their keys.
    fn named(dir: &TempDir, names: &[&str]) -> (Roots, Vec<RootKey>) {
        let paths: Vec<PathBuf> = names.iter().map(|name| dir.path().join(name)).collect();
        let keys: Vec<RootKey> = paths.iter().map(|path| Roots::key_of(path)).collect();
        let entries = names
            .iter()
            .zip(&keys)
            .zip(paths)
            .map(|((name, key), path)| (key.clone(), (*name).into(), path));
        (Roots::new(entries.collect()).remembering_in(dir.path()), keys)
    }

    fn labels(roots: &Roots) -> Vec<String> {
        roots.list().into_iter().map(|root| root.label).collect()
    }

    fn prefer(roots: &Roots, path: &Path) -> Result<Vec<Root>, OpError> {
        roots.prefer(|_| path.file_name().unwrap().to_string_lossy().into_owned(), path, || Ok(()))
    }

    fn hold_files(roots: &Roots, key: &RootKey) {
        roots.remember(key, &roots.open(key, true).unwrap());
    }

    #[test]
    fn a_folder_that_another_choice_set_aside_is_still_found_and_its_files_open() {
        let dir = TempDir::new();
        let (roots, keys) = named(&dir, &["films"]);
        let inner = dir.path().join("films/inner");
        prefer(&roots, &inner).unwrap();
        assert_eq!(labels(&roots), ["inner"]);
        assert_eq!(roots.list_aside().len(), 1, "it is still named");
        assert_eq!(roots.list_aside()[0].key, keys[0]);
        hold_files(&roots, &keys[0]);
        hold_files(&roots, &Roots::key_of(&inner));
        assert_eq!(roots.check_apart(), Ok(()));
        // No choice gives files that are there a second name.
        assert_eq!(
            prefer(&roots, &dir.path().join("films")).unwrap_err().kind,
            OpErrorKind::Denied
        );
        assert_eq!(
            prefer(&roots, &dir.path().join("films/more")).unwrap_err().kind,
            OpErrorKind::Denied
        );
        prefer(&roots, &dir.path().join("other")).unwrap();
        prefer(&roots, &inner).unwrap();
        assert_eq!(labels(&roots), ["inner", "other"]);
        // While the inner one has held none, the outer one may come back.
        let (roots, _) = named(&TempDir::new(), &["films"]);
        let films = PathBuf::from(&roots.list()[0].path);
        prefer(&roots, &films.join("inner")).unwrap();
        prefer(&roots, &films).unwrap();
        assert_eq!(labels(&roots), ["films"]);
    }

    #[test]
    fn a_start_finds_all_that_was_chosen_and_tells_of_the_latest() {
        let dir = TempDir::new();
        let names = ["films/inner", "films", "other", "films/deep/er"];
        let chosen: Vec<PathBuf> = names[..3].iter().map(|name| dir.path().join(name)).collect();
        for held in [[].as_slice(), &[1], &[0, 1, 2, 3]] {
            let (roots, keys) = named(&dir, &names);
            held.iter().for_each(|index| hold_files(&roots, &keys[*index]));
            let (roots, keys) = named(&dir, &names);
            roots.set_aside(&chosen);
            assert_eq!(labels(&roots), ["films/inner", "other", "films/deep/er"], "{held:?}");
            roots.check_apart().unwrap();
            keys.iter().for_each(|key| drop(roots.open(key, true).unwrap()));
        }
    }

    #[test]
    fn two_folders_that_nobody_chose_and_that_share_files_are_an_error_once_both_hold_some() {
        let dir = TempDir::new();
        let (roots, keys) = named(&dir, &["films", "films/inner"]);
        roots.set_aside(&[]);
        assert_eq!(labels(&roots), ["films"]);
        hold_files(&roots, &keys[1]);
        let (roots, _) = named(&dir, &["films", "films/inner"]);
        roots.set_aside(&[]);
        roots.check_apart().unwrap_err();
    }

    #[test]
    fn while_a_choice_is_written_down_files_are_found_and_another_choice_waits() {
        let dir = TempDir::new();
        let (roots, keys) = named(&dir, &["films"]);
        let (begun, begins) = std::sync::mpsc::channel();
        let (go_on, goes_on) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let (roots, slow_path, next_path) =
                (&roots, dir.path().join("slow"), dir.path().join("next"));
            let slow = scope.spawn(move || {
                let keep = || {
                    begun.send(()).unwrap();
                    goes_on.recv_timeout(std::time::Duration::from_secs(5)).unwrap();
                    Ok(())
                };
                roots.prefer(|_| "slow".into(), &slow_path, keep).unwrap()
            });
            begins.recv().unwrap();
            assert_eq!(labels(roots), ["films"]);
            roots.open(&keys[0], true).unwrap();
            let next = scope.spawn(move || prefer(roots, &next_path).unwrap());
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert!(!next.is_finished());
            go_on.send(()).unwrap();
            slow.join().unwrap();
            next.join().unwrap();
            assert_eq!(labels(roots), ["next", "slow", "films"], "no choice undoes another");
        });
    }

    #[test]
    fn a_root_that_held_files_is_absent_when_it_is_gone_and_is_never_made_anew() {
        let dir = TempDir::new();
        let (state, films) = (dir.path().join("state"), dir.path().join("films"));
        fs::create_dir(&state).unwrap();
        let key = RootKey::from("0");
        let new = || roots(std::slice::from_ref(&films)).remembering_in(&state);
        assert!(new().open_if_there(&key).unwrap().is_none());
        assert_eq!(new().open(&key, false).unwrap_err().kind, OpErrorKind::NotFound);
        let roots = new();
        roots.remember(&key, &roots.open(&key, true).unwrap());
        fs::rename(&films, dir.path().join("away")).unwrap();
        for roots in [roots, new()] {
            for create in [true, false] {
                let error = roots.open(&key, create).unwrap_err();
                assert_eq!(error.kind, OpErrorKind::Absent);
                assert!(
                    error.message.contains("Root 0")
                        && !error.message.contains(dir.path().to_str().unwrap())
                );
            }
            assert_eq!(roots.open_if_there(&key).unwrap_err().kind, OpErrorKind::Absent);
            assert!(!films.exists());
        }
        fs::write(&films, b"a file").unwrap();
        assert_eq!(new().open(&key, true).unwrap_err().kind, OpErrorKind::Absent);
        fs::remove_file(&films).unwrap();
        fs::rename(dir.path().join("away"), &films).unwrap();
        new().open(&key, false).unwrap();
    }

    #[test]
    fn a_root_that_is_a_file_is_not_taken_for_a_name_in_use() {
        let dir = TempDir::new();
        fs::write(dir.path().join("films"), b"a file").unwrap();
        for path in ["films", "films/inner"] {
            let roots = roots(&[dir.path().join(path)]);
            for create in [true, false] {
                let error = roots.open(&RootKey::from("0"), create).unwrap_err();
                assert_eq!(error.kind, OpErrorKind::Denied, "{path} {create}");
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_folder_under_a_disk_that_is_not_mounted_is_not_taken_for_the_disk() {
        let dir = TempDir::new();
        let memory = PathBuf::from("/dev/shm").join(dir.path().file_name().unwrap());
        if fs::create_dir(&memory).is_err() {
            panic!("this test needs a second file system at /dev/shm");
        }
        let (films, key) = (dir.path().join("films"), RootKey::from("0"));
        let new = || roots(std::slice::from_ref(&films)).remembering_in(dir.path());
        std::os::unix::fs::symlink(&memory, &films).unwrap();
        new().remember(&key, &new().open(&key, true).unwrap());
        fs::remove_file(&films).unwrap();
        fs::create_dir(&films).unwrap();
        assert_eq!(new().open(&key, true).unwrap_err().kind, OpErrorKind::Absent);
        assert_eq!(fs::read_dir(&films).unwrap().count(), 0);
        // The user moved to another disk.
        fs::write(films.join("film"), b"film").unwrap();
        let dir_now = new().open(&key, true).unwrap();
        new().remember(&key, &dir_now);
        fs::remove_file(films.join("film")).unwrap();
        new().open(&key, false).unwrap();
        fs::remove_dir_all(&memory).unwrap();
    }

    fn refusal(path: &[&str]) -> Option<OpErrorKind> {
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        checked_path(&path).err().map(|error| error.kind)
    }

    fn check(path: &[&str], allowed: bool) {
        assert_eq!(refusal(path), (!allowed).then_some(OpErrorKind::Denied), "{path:?}");
    }

    #[test]
    fn plain_names_are_allowed_however_odd() {
        check(&["film.mkv"], true);
        check(&["a..b", "...", " ", "-rf", "~", "C:film", "ünï", "a\\b", "nul"], !cfg!(windows));
        check(&["..a", "a..", "...."], true);
    }

    #[test]
    fn what_is_not_a_name_is_refused() {
        for name in ["", ".", "..", "/", "/etc/passwd", "a/b", "a/../b", "../x", "a\0b", "\0"] {
            check(&[name], false);
            check(&["ok", name], false);
            check(&[name, "ok"], false);
        }
        check(&[], false);
    }

    #[test]
    fn lengths_are_bounded() {
        check(&[&"n".repeat(255)], true);
        check(&["d"; 64], true);
        check(&["n".repeat(255).as_str(); 16], true);
        let (longest, longer) = ("n".repeat(255), "n".repeat(256));
        let too_long: [&[&str]; 3] = [&[&longer], &["d"; 65], &[longest.as_str(); 17]];
        for path in too_long {
            assert_eq!(refusal(path), Some(OpErrorKind::Name), "{path:?}");
        }
    }
}
