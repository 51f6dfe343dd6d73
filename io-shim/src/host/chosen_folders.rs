//! Download folders that a person chose in the extension.
//!
//! Owns `folders.json` in the state folder: absolute paths, the latest choice first. A choice is
//! dropped only if it never held files and [`MOST`] later choices exist. Chosen folders precede
//! those of flags, environment and `daemon.toml`. Only the engine's connection can choose one,
//! never HTTP. Invariant: no files are stored in a folder that holds the daemon's state or is a
//! home folder, because a stranger's file name could then become a program's setting.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use shared_proto::Root;
use shared_proto::io::{OpError, OpErrorKind};

use crate::files::FileStore;
use crate::files::private::private;
use crate::policy::secrets::new_token;

const NAME: &str = "folders.json";
/// Most choices that are kept. Beyond it, the oldest that never held files are dropped.
const MOST: usize = 32;

/// The chosen folders, the latest first; none if the file is damaged.
pub(crate) fn load(state: &Path) -> Vec<PathBuf> {
    let read = fs::read(state.join(NAME));
    match read.map(|bytes| serde_json::from_slice::<Vec<PathBuf>>(&bytes)) {
        Ok(Ok(folders)) => folders.into_iter().filter(|path| path.is_absolute()).collect(),
        Ok(Err(error)) => {
            tracing::warn!(%error, "{NAME} is damaged: the download folders that were chosen are \
                not known");
            Vec::new()
        }
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(%error, "{NAME} can't be read: the download folders that were \
                    chosen are not known");
            }
            Vec::new()
        }
    }
}

/// The name of a folder for a person. It is the last component, or the path if another folder has
/// that name.
pub(crate) fn label<'a>(path: &Path, mut others: impl Iterator<Item = &'a str>) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    if others.any(|other| other == name) { path.display().to_string() } else { name }
}

/// Makes a folder the default of a store, and saves the choice. Blocking.
///
/// # Errors
/// A phrase for a person, when the folder cannot be used or the choice cannot be saved. Nothing has
/// changed then.
pub(crate) fn prefer(files: &FileStore, state: &Path, path: &str) -> Result<Vec<Root>, OpError> {
    let path = check(path, state)?;
    let named = |roots: &[Root]| label(&path, roots.iter().map(|root| root.label.as_str()));
    let roots = files.prefer_root(&path, named, || {
        write(state, &with_latest(&path, load(state), |other| files.held_files(other)))
    })?;
    tracing::info!("new files are stored in another folder");
    Ok(roots)
}

/// The choices, with the latest one first.
fn with_latest(
    path: &Path,
    others: Vec<PathBuf>,
    held_files: impl Fn(&Path) -> bool,
) -> Vec<PathBuf> {
    let others = others.into_iter().filter(|other| other != path);
    let mut all: Vec<PathBuf> = std::iter::once(path.to_path_buf()).chain(others).collect();
    while all.len() > MOST
        && let Some(index) = all[1..].iter().rposition(|other| !held_files(other))
    {
        all.remove(index + 1);
    }
    all
}

/// The folder, if files can be stored in it.
fn check(path: &str, state: &Path) -> Result<PathBuf, OpError> {
    let path = Path::new(path.trim());
    if !path.is_absolute() {
        return Err(denied("it has to be named by its full path"));
    }
    // Without `.` and `..`, and without a separator at its end.
    let path: PathBuf = path.components().collect();
    if path.components().any(|part| matches!(part, std::path::Component::ParentDir)) {
        return Err(denied("its path must not hold “..”"));
    }
    let found = match fs::metadata(&path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(OpError {
                kind: OpErrorKind::NotFound,
                message: "there is no such folder".to_owned(),
            });
        }
        Err(error) => return Err(denied(&words(&error))),
    };
    if !found.is_dir() {
        return Err(denied("it is a file"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(denied("it belongs to another user"));
        }
    }
    let resolved = fs::canonicalize(&path).map_err(|error| denied(&words(&error)))?;
    let holds =
        |other: &Path| fs::canonicalize(other).is_ok_and(|other| other.starts_with(&resolved));
    if holds(state) || directories::UserDirs::new().is_some_and(|user| holds(user.home_dir())) {
        return Err(denied("it holds settings of programs; choose a folder inside it"));
    }
    if fs::canonicalize(state).is_ok_and(|state| resolved.starts_with(state)) {
        return Err(denied("it is the daemon’s own"));
    }
    probe(&path).map_err(|error| denied(&words(&error)))?;
    Ok(path)
}

/// Writes and deletes a file, which is the only reliable test of write access.
fn probe(folder: &Path) -> io::Result<()> {
    let name = new_token().map_err(io::Error::other)?;
    let path = folder.join(format!(".jstorrent-{}", &name[..16]));
    OpenOptions::new().write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)
}

/// Writes the file as a whole or not at all.
fn write(state: &Path, folders: &[PathBuf]) -> Result<(), OpError> {
    let draft = state.join(format!(".{NAME}.new"));
    let write = || {
        let _ = fs::remove_file(&draft);
        let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&draft)?;
        file.write_all(&serde_json::to_vec(folders)?)?;
        file.sync_all()?;
        fs::rename(&draft, state.join(NAME))
    };
    write().map_err(|error: io::Error| OpError {
        kind: OpErrorKind::Other,
        message: format!("that can’t be kept: {}", words(&error)),
    })
}

fn denied(message: &str) -> OpError {
    OpError { kind: OpErrorKind::Denied, message: message.to_owned() }
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "the operating system does not allow writing there".to_owned()
        }
        io::ErrorKind::ReadOnlyFilesystem => "its disk is read-only".to_owned(),
        io::ErrorKind::StorageFull => "its disk is full".to_owned(),
        _ => match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code).to_string(),
            None => error.kind().to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{Roots, Writers};
    use crate::testing::TempDir;

    /// A store with one root, the folder of that root, and a state folder.
    fn rig() -> (TempDir, FileStore, PathBuf, PathBuf) {
        let dir = TempDir::new();
        let (films, state) = (dir.path().join("films"), dir.path().join("state"));
        fs::create_dir_all(&films).unwrap();
        fs::create_dir_all(&state).unwrap();
        let roots = Roots::new(vec![(Roots::key_of(&films), "Films".into(), films.clone())]);
        let store = FileStore::new(
            roots.remembering_in(&state),
            Writers::open(&dir.path().join("locks")).unwrap(),
        );
        (dir, store, films, state)
    }

    fn paths(roots: &[Root]) -> Vec<&str> {
        roots.iter().map(|root| root.path.as_str()).collect()
    }

    #[test]
    fn the_latest_choice_comes_first_and_is_kept_while_the_others_stay() {
        let (dir, store, films, state) = rig();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        let named: Vec<&str> = [&one, &two, &films].map(|path| path.to_str().unwrap()).to_vec();
        fs::create_dir(&one).unwrap();
        fs::create_dir(&two).unwrap();
        let first = prefer(&store, &state, named[0]).unwrap();
        assert_eq!((paths(&first), first[0].label.as_str()), (vec![named[0], named[2]], "one"));
        let second = prefer(&store, &state, &format!(" {}/ ", named[1])).unwrap();
        assert_eq!(paths(&second), [named[1], named[0], named[2]]);
        assert_eq!(paths(&store.roots()), paths(&second));
        assert_eq!(first[0].key, second[1].key, "what lies there is found again");
        let third = prefer(&store, &state, named[2]).unwrap();
        assert_eq!(
            (paths(&third), third[0].label.as_str()),
            (vec![named[2], named[1], named[0]], "Films")
        );
        assert_eq!(load(&state), [films, two, one]);
        assert_eq!(
            fs::read_dir(dir.path().join("one")).unwrap().count(),
            0,
            "nothing is left of the probe"
        );
    }

    fn check_refused(path: &str, expected: &str) {
        let (_dir, store, films, state) = rig();
        let path = path
            .replace("FILMS", films.to_str().unwrap())
            .replace("STATE", state.to_str().unwrap())
            .replace("DIR", films.parent().unwrap().to_str().unwrap());
        let refused = prefer(&store, &state, &path).unwrap_err().message;
        assert!(refused.contains(expected), "{path}: {refused}");
        assert_eq!((load(&state), store.roots().len()), (Vec::new(), 1), "nothing has changed");
    }

    #[test]
    fn what_can_not_be_used_is_refused_with_a_reason() {
        check_refused("films", "full path");
        check_refused("", "full path");
        check_refused("FILMS/../films", "..");
        check_refused("FILMS/not there", "no such folder");
        check_refused("STATE", "inside it");
        check_refused("DIR", "inside it");
        check_refused("/", if cfg!(unix) { "" } else { "full path" });
    }

    #[test]
    fn a_file_a_folder_of_the_daemon_and_one_inside_a_download_folder_are_refused() {
        let (_dir, store, films, state) = rig();
        fs::write(films.join("a"), b"").unwrap();
        fs::create_dir(films.join("inner")).unwrap();
        fs::create_dir(state.join("inner")).unwrap();
        let refused =
            |path: PathBuf| prefer(&store, &state, path.to_str().unwrap()).unwrap_err().message;
        assert!(refused(films.join("a")).contains("a file"));
        assert!(refused(state.join("inner")).contains("own"));
        // Once the folder holds files.
        let key = Roots::key_of(&films);
        store.open(&key, &["b".to_owned()], 0, shared_proto::OpenMode::Create).unwrap();
        assert!(
            refused(films.join("inner")).contains("inside"),
            "{}",
            refused(films.join("inner"))
        );
    }

    #[test]
    fn beyond_the_bound_the_oldest_go_that_never_held_files() {
        let path = |n: usize| PathBuf::from(format!("/{n}"));
        let full: Vec<PathBuf> = (1..=MOST).map(path).collect();
        let chosen = with_latest(&path(0), full.clone(), |other| *other == path(MOST));
        assert_eq!(
            (chosen.len(), chosen[0].clone(), chosen[MOST - 1].clone()),
            (MOST, path(0), path(MOST))
        );
        assert!(!chosen.contains(&path(MOST - 1)));
        assert_eq!(with_latest(&path(0), full.clone(), |_| true).len(), MOST + 1);
        assert_eq!(with_latest(&path(MOST), full, |_| false).len(), MOST, "chosen again");
    }

    #[test]
    fn a_folder_inside_one_that_never_held_files_takes_its_place() {
        let (_dir, store, films, state) = rig();
        let inner = films.join("inner");
        fs::create_dir(&inner).unwrap();
        let roots = prefer(&store, &state, inner.to_str().unwrap()).unwrap();
        assert_eq!(paths(&roots), [inner.to_str().unwrap()]);
        // An engine that knows the former folder still finds it.
        store
            .open(&Roots::key_of(&films), &["later".to_owned()], 0, shared_proto::OpenMode::Create)
            .unwrap();
        assert!(films.join("later").exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_of_somebody_else_is_refused() {
        let (_dir, store, _, state) = rig();
        let theirs = ["/usr", "/proc/1"].iter().find(|path| {
            use std::os::unix::fs::MetadataExt;
            fs::metadata(path).is_ok_and(|found| found.uid() != rustix::process::geteuid().as_raw())
        });
        if let Some(theirs) = theirs {
            let refused = prefer(&store, &state, theirs).unwrap_err().message;
            assert!(refused.contains("another user"), "{refused}");
        }
    }

    #[test]
    fn a_damaged_list_says_nothing() {
        let (_dir, _, _, state) = rig();
        for rubbish in ["", "{}", "[1]", "[\"relative\"]"] {
            fs::write(state.join(NAME), rubbish).unwrap();
            assert_eq!(load(&state), Vec::<PathBuf>::new(), "{rubbish}");
        }
    }

    #[test]
    fn two_folders_of_one_name_are_told_apart() {
        assert_eq!(label(Path::new("/b/Films"), ["Films"].into_iter()), "/b/Films");
        assert_eq!(label(Path::new("/b/Films"), ["Downloads"].into_iter()), "Films");
    }
}
