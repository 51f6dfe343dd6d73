//! The folders of a run, and which of their files may be removed.
//!
//! Each pair of torrent and download folder has its own state folder, as has the download folder of
//! each server. At most one `jstorrent` locks it. Invariant: files that existed before the torrent
//! was added are never removed, not even after a crash, because their names are saved first.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use engine_wasm::view::FileView;

use crate::config::Config;
use crate::source::{Source, key_of};

/// JSON list of the names that existed in the download folder before. It exists while the downloads
/// are to be removed at the end.
const BEFORE: &str = "before.json";

/// How long to wait for a living run to end.
const ENDING_WITHIN: Duration = Duration::from_millis(500);
/// How long a killed run's child may take to load and release the lock.
const LOADED_WITHIN: Duration = Duration::from_secs(15);
/// Interval of attempts to take a lock.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Whether downloads outlive the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The downloads stay.
    Yes,
    /// The downloads are removed, except files that existed before.
    No,
}

/// The folders of one run.
#[derive(Debug)]
pub(crate) struct Place {
    /// The state folder of the daemon.
    pub(crate) state: PathBuf,
    /// The download folder.
    pub(crate) downloads: PathBuf,
    before: Option<BTreeSet<String>>,
    /// Whether no earlier run left state here.
    pub(crate) is_fresh: bool,
    /// The lock of the state folder; dropping it unlocks.
    _lock: File,
}

impl Place {
    /// Creates and locks the folders of one torrent.
    ///
    /// # Errors
    /// The folders are not writable, or another `jstorrent` uses them.
    pub(crate) fn take(config: &Config, source: &Source, keep: Keep) -> Result<Self> {
        let named = match (&config.dir, keep) {
            (Some(dir), _) => Some(resolved(dir)?),
            (None, Keep::Yes) => Some(resolved(Path::new("."))?),
            (None, Keep::No) => None,
        };
        let state = config.state.join(source.key(named.as_deref().unwrap_or(Path::new(""))));
        let is_fresh = !state.exists();
        private_folder(&state)
            .with_context(|| format!("cannot make the state folder {}", state.display()))?;
        let lock = hold(&state, "is at work on this torrent")?;
        let downloads = match named {
            Some(named) => named,
            None => state.join("downloads"),
        };
        if downloads.starts_with(&state) {
            fs::create_dir_all(&downloads)
                .with_context(|| format!("cannot make the folder {}", downloads.display()))?;
        } else {
            ready(&downloads, is_fresh, &config.state)?;
        }
        let before = match keep {
            Keep::No => Some(saved_or_listed_names(&state, &downloads)?),
            Keep::Yes => {
                // The downloads are now kept, also if an earlier run wanted to remove them.
                let _ = fs::remove_file(state.join(BEFORE));
                None
            }
        };
        Ok(Self { state, downloads, before, is_fresh, _lock: lock })
    }

    /// Creates and locks the folders of a daemon that only writes a problem report.
    ///
    /// # Errors
    /// As [`Place::take`].
    pub(crate) fn of_report(config: &Config) -> Result<Self> {
        let state = config.state.join("report");
        private_folder(&state)
            .with_context(|| format!("cannot make the state folder {}", state.display()))?;
        let lock = hold(&state, "writes a report")?;
        let downloads = state.join("downloads");
        fs::create_dir_all(&downloads)
            .with_context(|| format!("cannot make the folder {}", downloads.display()))?;
        Ok(Self { state, downloads, before: None, is_fresh: false, _lock: lock })
    }

    /// Creates and locks the folders of a server. The engine decides what is removed from them.
    ///
    /// # Errors
    /// As [`Place::take`].
    pub(crate) fn of_server(config: &Config) -> Result<Self> {
        let downloads = resolved(config.dir.as_deref().unwrap_or(Path::new(".")))?;
        let state = config.state.join(format!("server-{}", key_of("server", &downloads)));
        let is_fresh = !state.exists();
        private_folder(&state)
            .with_context(|| format!("cannot make the state folder {}", state.display()))?;
        let lock = hold(&state, "serves")?;
        ready(&downloads, is_fresh, &config.state)?;
        Ok(Self { state, downloads, before: None, is_fresh, _lock: lock })
    }

    /// Returns whether these files may be removed: the run keeps no downloads, and the files did
    /// not exist before it.
    pub(crate) fn may_remove(&self, files: &[FileView]) -> bool {
        let is_new =
            |before: &BTreeSet<String>| files.iter().all(|file| !before.contains(&key(top(file))));
        self.before.as_ref().is_some_and(is_new)
    }

    /// Ends the run with its downloads kept; the next run lists the folder again.
    pub(crate) fn leave(&self) {
        let _ = fs::remove_file(self.state.join(BEFORE));
    }

    /// Returns whether any of these files still exists.
    pub(crate) fn has_any(&self, files: &[FileView]) -> bool {
        files.iter().any(|file| self.downloads.join(&file.path).exists())
    }

    /// Removes the empty folders of deleted files.
    pub(crate) fn remove_empty_folders(&self, files: &[FileView]) {
        let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
        for file in files {
            let mut folder = Path::new(&file.path).parent();
            while let Some(path) = folder.filter(|path| !path.as_os_str().is_empty()) {
                folders.insert(self.downloads.join(path));
                folder = path.parent();
            }
        }
        // A folder sorts before its contents. Folders that are not empty stay.
        folders.iter().rev().for_each(|folder| drop(fs::remove_dir(folder)));
    }

    /// Removes the state folder. The daemon must have ended.
    pub(crate) fn forget(self) {
        let _ = fs::remove_dir_all(&self.state);
    }
}

fn top(file: &FileView) -> &str {
    file.path.split('/').next().unwrap_or_default()
}

/// Normalizes a name: names that some file system treats as equal become equal.
fn key(name: &str) -> String {
    name.to_lowercase()
}

/// Returns the names that a crashed run saved. Otherwise lists the folder and saves the names.
fn saved_or_listed_names(state: &Path, downloads: &Path) -> Result<BTreeSet<String>> {
    let path = state.join(BEFORE);
    if let Some(before) = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok())
    {
        return Ok(before);
    }
    let entries =
        fs::read_dir(downloads).with_context(|| format!("cannot read {}", downloads.display()))?;
    let before: BTreeSet<String> = entries
        .map(|entry| Ok(key(&entry?.file_name().to_string_lossy())))
        .collect::<std::io::Result<_>>()
        .with_context(|| format!("cannot read {}", downloads.display()))?;
    let write = || {
        let mut file =
            private(File::options().write(true).create(true).truncate(true)).open(&path)?;
        file.write_all(&serde_json::to_vec(&before)?)
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(before)
}

/// Returns the absolute path of a folder, with links resolved in its existing part.
fn resolved(dir: &Path) -> Result<PathBuf> {
    let name = dir.display();
    let full = std::path::absolute(dir).with_context(|| format!("cannot use the folder {name}"))?;
    for there in full.ancestors() {
        match there.canonicalize() {
            Ok(found) => {
                let rest = full.strip_prefix(there).unwrap_or(Path::new(""));
                return Ok(if rest.as_os_str().is_empty() { found } else { found.join(rest) });
            }
            Err(error) if is_missing(&error) => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot use the folder {name}"));
            }
        }
    }
    Ok(full)
}

/// Creates a download folder that was never used before. A missing folder that was used before is
/// not created again, because its disk may be disconnected; the engine then reports it and waits.
/// Write access is not checked here: complete downloads can be used without it.
fn ready(downloads: &Path, is_fresh: bool, state: &Path) -> Result<()> {
    let name = downloads.display();
    let marks = state.join("folders");
    let mark = marks.join(key_of("folder", downloads));
    match fs::metadata(downloads) {
        Ok(found) if found.is_dir() => probe(downloads)?,
        Ok(_) => bail!("{name} is not a folder"),
        Err(error) if is_missing(&error) => {
            if !is_fresh {
                return Ok(());
            }
            if mark.exists() {
                bail!(
                    "the folder {name} is missing, but was used before: is its disk connected? To \
                     start again, create the folder first"
                );
            }
            fs::create_dir_all(downloads)
                .with_context(|| format!("cannot make the folder {name}"))?;
        }
        Err(error) => return Err(error).with_context(|| format!("cannot use the folder {name}")),
    }
    private_folder(&marks)
        .and_then(|()| File::create(&mark))
        .with_context(|| format!("cannot write {}", mark.display()))?;
    Ok(())
}

/// Creates a folder that only the user can read. The daemon protects the files in it.
fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

/// Rejects folders that cannot hold files, such as `/proc`. A read-only folder is accepted.
fn probe(dir: &Path) -> Result<()> {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, StorageFull};
    let probe = dir.join(format!(".jstorrent-{}", std::process::id()));
    match File::create_new(&probe) {
        Ok(_) => {
            let _ = fs::remove_file(&probe);
            Ok(())
        }
        Err(error)
            if matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | StorageFull) =>
        {
            Ok(())
        }
        Err(error) => {
            Err(error).with_context(|| format!("the folder {} can't be written", dir.display()))
        }
    }
}

fn private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
            // Some file systems have no access rights.
            let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
        }
    }
    Ok(())
}

/// Makes a path readable by the user only.
pub(crate) fn private(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Locks a state folder, and saves the process id of the holder.
///
/// A living holder is another run. A dead holder was killed, perhaps while it started a child: the
/// child shares the lock until it is loaded, which may take seconds on a busy computer.
fn hold(state: &Path, what: &str) -> Result<File> {
    let path = state.join("terminal.lock");
    let lock =
        private(File::options().read(true).write(true).create(true).truncate(false)).open(&path);
    let mut lock = lock.with_context(|| format!("cannot write {}", path.display()))?;
    let began = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&path).ok().and_then(|pid| pid.trim().parse().ok());
                let patience =
                    if holder.is_none_or(is_alive) { ENDING_WITHIN } else { LOADED_WITHIN };
                if began.elapsed() > patience {
                    bail!(
                        "another jstorrent {what} in this folder (its state folder is {})",
                        state.display()
                    );
                }
                std::thread::sleep(LOOK_EVERY);
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
    }
    // Only tells the next run how long to wait.
    let _ = lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id()));
    Ok(lock)
}

#[cfg(unix)]
fn is_alive(pid: u32) -> bool {
    use rustix::process::{Pid, test_kill_process};
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// On Windows a process that holds a lock is alive. A lock ends with its process.
#[cfg(not(unix))]
fn is_alive(_: u32) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder for one test, removed at the end.
    struct Ground(PathBuf);

    impl Ground {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("jstorrent-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("dir")).unwrap();
            Self(path)
        }

        fn take(&self, keep: Keep) -> Result<Place> {
            let (dir, state) = (Some(self.0.join("dir")), self.0.join("state"));
            let config = Config {
                dir,
                state,
                listen: None,
                allow_private_peers: false,
                peer_addresses: Vec::new(),
                dht: None,
                download_limit_bps: None,
                upload_limit_bps: None,
                listen_port: 0,
                port_mapping: false,
                max_connections: None,
                goals: engine_wasm::Goals::default(),
                queue: engine_wasm::QueueConfig::default(),
                sources: engine_wasm::discover::Sources::default(),
                policy: engine_wasm::peer::policy::ConnectionPolicy::default(),
                player: None,
            };
            Place::take(&config, &Source::Url { url: "http://example.com/a".into() }, keep)
        }

        fn write(&self, path: &str) {
            let path = self.0.join("dir").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
    }

    impl Drop for Ground {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn file(path: &str) -> FileView {
        FileView::new(0, path.into(), 1)
    }

    #[test]
    fn earlier_files_are_not_removed_even_after_a_crash() {
        let ground = Ground::new("before");
        ground.write("Old/film.mp4");
        let place = ground.take(Keep::No).unwrap();
        ground.write("New/film.mp4");
        let (old, other_case, new) =
            (file("Old/film.mp4"), file("old/other.mp4"), file("New/film.mp4"));
        for _crashes in 0..2 {
            assert!(!place.may_remove(std::slice::from_ref(&old)));
            assert!(!place.may_remove(std::slice::from_ref(&other_case)));
            assert!(!place.may_remove(&[old.clone(), new.clone()]));
            assert!(place.may_remove(std::slice::from_ref(&new)));
        }
        drop(place);
        let place = ground.take(Keep::No).unwrap();
        assert!(
            place.may_remove(std::slice::from_ref(&new))
                && !place.may_remove(std::slice::from_ref(&old))
        );
    }

    #[test]
    fn downloads_once_marked_to_keep_are_kept() {
        let ground = Ground::new("kept");
        drop(ground.take(Keep::No).unwrap());
        ground.write("New/film.mp4");
        let place = ground.take(Keep::Yes).unwrap();
        assert!(!place.may_remove(&[file("New/film.mp4")]));
        drop(place);
        assert!(!ground.take(Keep::No).unwrap().may_remove(&[file("New/film.mp4")]));
    }

    #[test]
    fn a_place_is_locked_by_one_process() {
        let ground = Ground::new("lock");
        let first = ground.take(Keep::Yes).unwrap();
        assert!(ground.take(Keep::Yes).unwrap_err().to_string().contains("another jstorrent"));
        drop(first);
        ground.take(Keep::Yes).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_place_locked_by_a_killed_run_is_waited_for() {
        use std::process::{Command, Stdio};
        let ground = Ground::new("killed");
        let first = ground.take(Keep::Yes).unwrap();
        let path = first.state.join("terminal.lock");
        // A program that the run had just started shares its lock, as every child does until it is
        // loaded.
        let shared = Stdio::from(first._lock.try_clone().unwrap());
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(shared).spawn().unwrap();
        drop(first);
        let mut dead = Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        fs::write(&path, dead.id().to_string()).unwrap();
        let loaded = std::thread::spawn(move || {
            std::thread::sleep(2 * ENDING_WITHIN);
            drop(child.stdin.take());
            child.wait().unwrap();
        });
        ground.take(Keep::Yes).unwrap();
        loaded.join().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), std::process::id().to_string());
    }

    #[test]
    fn a_missing_folder_that_was_used_is_not_created_again() {
        let ground = Ground::new("gone");
        drop(ground.take(Keep::Yes).unwrap());
        fs::remove_dir(ground.0.join("dir")).unwrap();
        let place = ground.take(Keep::Yes).unwrap();
        assert!(!place.downloads.exists(), "its disk may not be connected");
        drop(place);
        let states =
            fs::read_dir(ground.0.join("state")).unwrap().map(|entry| entry.unwrap().path());
        for state in states.filter(|path| !path.ends_with("folders")).collect::<Vec<_>>() {
            fs::remove_dir_all(state).unwrap();
        }
        assert!(
            ground.take(Keep::Yes).unwrap_err().to_string().contains("disk"),
            "another torrent was there"
        );
        fs::remove_dir_all(ground.0.join("state")).unwrap();
        assert!(ground.take(Keep::Yes).unwrap().downloads.is_dir(), "a new one is made");
    }

    #[test]
    fn only_empty_folders_are_removed() {
        let ground = Ground::new("empty");
        let place = ground.take(Keep::No).unwrap();
        ground.write("New/extras/other.txt");
        fs::create_dir_all(ground.0.join("dir/New/season/1")).unwrap();
        place.remove_empty_folders(&[file("New/season/1/a.mp4"), file("New/extras/b.mp4")]);
        assert!(!ground.0.join("dir/New/season").exists());
        assert!(ground.0.join("dir/New/extras/other.txt").exists());
    }
}
