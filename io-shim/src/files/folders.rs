//! Creates, removes and renames names beneath a directory handle.
//!
//! Blocking code; knows no roots and no locks. Invariant: no existing file or folder is replaced.

use std::{
    io,
    path::{Path, PathBuf},
};

use cap_std::fs::Dir;
use shared_proto::io::OpError;

use super::{
    error::{from_io, from_name_io},
    faults,
};

/// Creates the folders above a path. Returns the outermost one that was created.
pub(super) fn make_parents(dir: &Dir, path: &Path) -> Result<Option<PathBuf>, OpError> {
    let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
        return Ok(None);
    };
    let made = outermost_missing(dir, parent);
    match faults::check(faults::Access::Make).and_then(|()| dir.create_dir_all(parent)) {
        Ok(()) => Ok(made),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let is_taken = |folder: &Path| match dir.symlink_metadata(folder) {
                Ok(found) if found.is_symlink() => {
                    !dir.metadata(folder).is_ok_and(|found| found.is_dir())
                }
                found => found.is_ok_and(|found| !found.is_dir()),
            };
            let taken =
                parent.ancestors().any(|folder| !folder.as_os_str().is_empty() && is_taken(folder));
            // A folder that existed a moment ago is gone.
            let cause = if taken { io::ErrorKind::NotADirectory } else { io::ErrorKind::NotFound };
            Err(from_io(&cause.into()))
        }
        Err(error) => Err(from_name_io(&error)),
    }
}

fn outermost_missing(dir: &Dir, folder: &Path) -> Option<PathBuf> {
    let is_missing = |folder: &&Path| {
        !folder.as_os_str().is_empty()
            && dir
                .symlink_metadata(folder)
                .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    folder.ancestors().take_while(is_missing).last().map(Path::to_path_buf)
}

/// Removes the empty folders above a path, up to and including `outermost`.
pub(super) fn unmake_parents(dir: &Dir, path: &Path, outermost: Option<&Path>) {
    let Some(outermost) = outermost else { return };
    let own = path.ancestors().skip(1).take_while(|folder| folder.starts_with(outermost));
    for folder in own {
        if dir.remove_dir(folder).is_err() {
            break;
        }
    }
}

/// Removes the empty folders above a path.
pub(super) fn remove_empty_parents(dir: &Dir, path: &Path) {
    for folder in path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
        if dir.remove_dir(folder).is_err() {
            break;
        }
    }
}

/// Removes a file.
pub(super) fn remove_file(dir: &Dir, path: &Path) -> io::Result<()> {
    faults::check(faults::Access::Remove)?;
    dir.remove_file(path)
}

/// A handle to the folder of the path's last name, and that name.
pub(super) fn parent_of<'a>(dir: &Dir, path: &'a Path) -> io::Result<(Dir, &'a Path)> {
    let name = path.file_name().map(Path::new).expect("a checked path ends in a name");
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => dir.open_dir(parent),
        _ => dir.try_clone(),
    };
    Ok((parent?, name))
}

/// Renames a file unless the target exists. The operating system checks and renames in one step
/// where it can, so a target that appears meanwhile is not replaced.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(super) fn rename_no_replace(
    from_dir: &Dir,
    from: &Path,
    to_dir: &Dir,
    to: &Path,
) -> io::Result<()> {
    use rustix::{fs::RenameFlags, io::Errno};
    faults::check(faults::Access::Rename)?;
    match rustix::fs::renameat_with(from_dir, from, to_dir, to, RenameFlags::NOREPLACE) {
        // How file systems without the call report that (some network and FAT drivers).
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            check_and_rename(from_dir, from, to_dir, to)
        }
        result => Ok(result?),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(super) fn rename_no_replace(
    from_dir: &Dir,
    from: &Path,
    to_dir: &Dir,
    to: &Path,
) -> io::Result<()> {
    check_and_rename(from_dir, from, to_dir, to)
}

/// Checks the target, then renames. A target that another program creates in between is replaced.
fn check_and_rename(from_dir: &Dir, from: &Path, to_dir: &Dir, to: &Path) -> io::Result<()> {
    match to_dir.symlink_metadata(to) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => from_dir.rename(from, to_dir, to),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;
    use shared_proto::io::OpErrorKind;

    use super::*;
    use crate::testing::TempDir;

    fn open(dir: &TempDir) -> Dir {
        Dir::open_ambient_dir(dir.path(), ambient_authority()).unwrap()
    }

    #[test]
    fn only_the_folders_that_were_made_are_unmade() {
        let temp = TempDir::new();
        let dir = open(&temp);
        dir.create_dir("a").unwrap();
        let film = Path::new("a/b/c/film");
        let made = make_parents(&dir, film).unwrap();
        assert_eq!(made.as_deref(), Some(Path::new("a/b")));
        assert!(dir.is_dir("a/b/c"));
        assert_eq!(make_parents(&dir, film).unwrap(), None, "they exist");
        unmake_parents(&dir, film, None);
        assert!(dir.is_dir("a/b/c"));
        unmake_parents(&dir, film, made.as_deref());
        assert!(!dir.exists("a/b") && dir.is_dir("a"));
        assert_eq!(make_parents(&dir, Path::new("film")).unwrap(), None);
    }

    #[test]
    fn a_folder_with_something_in_it_stays() {
        let temp = TempDir::new();
        let dir = open(&temp);
        dir.create_dir_all("a/b/c").unwrap();
        dir.write("a/other", b"").unwrap();
        unmake_parents(&dir, Path::new("a/b/c/film"), Some(Path::new("a")));
        assert!(!dir.exists("a/b") && dir.exists("a/other"));
        dir.create_dir_all("a/b/c").unwrap();
        remove_empty_parents(&dir, Path::new("a/b/c/film"));
        assert!(!dir.exists("a/b") && dir.exists("a/other"));
        dir.remove_file("a/other").unwrap();
        remove_empty_parents(&dir, Path::new("a/film"));
        assert!(!dir.exists("a") && temp.path().is_dir());
    }

    #[test]
    fn a_file_in_the_place_of_a_folder_is_said_to_be_one() {
        let temp = TempDir::new();
        let dir = open(&temp);
        dir.write("a", b"").unwrap();
        dir.create_dir("folder").unwrap();
        for path in ["a/film", "a/b/film"] {
            let error = make_parents(&dir, Path::new(path)).unwrap_err();
            assert_eq!(error.kind, OpErrorKind::Exists, "{path}: {error:?}");
        }
        #[cfg(unix)]
        {
            dir.symlink("not there", "dangling").unwrap();
            let error = make_parents(&dir, Path::new("dangling/film")).unwrap_err();
            assert_eq!(error.kind, OpErrorKind::Exists, "{error:?}");
            dir.symlink("folder", "link").unwrap();
            assert_eq!(make_parents(&dir, Path::new("link/film")), Ok(None));
        }
    }

    #[test]
    fn a_file_gets_a_new_name_only_where_nothing_has_it() {
        let temp = TempDir::new();
        let dir = open(&temp);
        for rename in [rename_no_replace, check_and_rename] {
            dir.write("film", b"film").unwrap();
            dir.write("taken", b"taken").unwrap();
            let to = |name| rename(&dir, Path::new("film"), &dir, Path::new(name));
            assert_eq!(to("taken").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(dir.read("taken").unwrap(), b"taken");
            to("free").unwrap();
            assert_eq!(dir.read("free").unwrap(), b"film");
            assert_eq!(to("other").unwrap_err().kind(), io::ErrorKind::NotFound);
            dir.remove_file("free").unwrap();
        }
    }

    #[test]
    fn the_last_name_is_found_in_its_folder() {
        let temp = TempDir::new();
        let dir = open(&temp);
        dir.create_dir("a").unwrap();
        dir.write("a/film", b"inner").unwrap();
        dir.write("film", b"outer").unwrap();
        for (path, content) in [("a/film", b"inner"), ("film", b"outer")] {
            let (parent, name) = parent_of(&dir, Path::new(path)).unwrap();
            assert_eq!(parent.read(name).unwrap(), content);
            remove_file(&dir, Path::new(path)).unwrap();
            assert!(!dir.exists(path));
        }
        assert!(parent_of(&dir, Path::new("b/film")).is_err());
    }
}
