//! Folders and files that only the user can read.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

/// Creates a folder that only the user can read. An existing folder becomes private, too, and so do
/// the daemon's files in it.
///
/// # Errors
/// When the folder cannot be created, or all users share it, like `/tmp`.
pub fn make_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    #[cfg(unix)]
    close_to_others(path)?;
    Ok(())
}

/// Removes the permissions of other users.
#[cfg(unix)]
fn close_to_others(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    const OTHERS: u32 = 0o077;
    const STICKY: u32 = 0o1000;
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & OTHERS == 0 {
        return Ok(());
    }
    if mode & STICKY != 0 {
        return Err(io::Error::other("all users share this folder; name one below it"));
    }
    let close = |path: &Path, mode: u32| {
        if let Err(error) = fs::set_permissions(path, fs::Permissions::from_mode(mode)) {
            // Some file systems have no permissions.
            tracing::warn!(path = %path.display(), %error, "other users may read the state");
        }
    };
    close(path, 0o700);
    for entry in fs::read_dir(path)?.flatten() {
        let is_ours = OURS.iter().any(|name| entry.file_name().to_string_lossy().starts_with(name));
        let is_open =
            |found: &fs::Metadata| found.is_file() && found.permissions().mode() & OTHERS != 0;
        // A symbolic link's target is not the daemon's, so the entry itself counts.
        if is_ours && entry.metadata().is_ok_and(|found| is_open(&found)) {
            close(&entry.path(), 0o600);
        }
    }
    Ok(())
}

/// Prefixes of the names of the daemon's files in a state folder.
#[cfg(unix)]
const OURS: [&str; 6] =
    ["state.redb", "identity.json", "endpoint.json", "lock", "daemon.log", "terminal.lock"];

/// Makes new files readable by the user alone.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::testing::TempDir;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_new_folder_and_the_files_in_it_are_the_users_alone() {
        let dir = TempDir::new();
        let folder = dir.path().join("a/state");
        make_private_folder(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        private(OpenOptions::new().write(true).create(true)).open(folder.join("f")).unwrap();
        assert_eq!(mode(&folder.join("f")), 0o600);
    }

    #[test]
    fn an_open_folder_becomes_private_with_the_daemons_files_and_no_others() {
        let dir = TempDir::new();
        let at = |name: &str| dir.path().join("state").join(name);
        fs::create_dir(at("")).unwrap();
        for name in ["state.redb", "daemon.log", "lock", "theirs", "identity.json"] {
            fs::write(at(name), b"").unwrap();
            set(&at(name), 0o644);
        }
        set(&at("identity.json"), 0o500);
        fs::write(dir.path().join("target"), b"").unwrap();
        set(&dir.path().join("target"), 0o644);
        symlink(dir.path().join("target"), at("state.redb.link")).unwrap();
        set(&at(""), 0o755);
        make_private_folder(&at("")).unwrap();
        assert_eq!(mode(&at("")), 0o700);
        for name in ["state.redb", "daemon.log", "lock"] {
            assert_eq!(mode(&at(name)), 0o600, "{name}");
        }
        assert_eq!(mode(&at("theirs")), 0o644);
        assert_eq!(mode(&at("identity.json")), 0o500, "no other user could read it before");
        assert_eq!(mode(&dir.path().join("target")), 0o644);
    }

    #[test]
    fn a_folder_that_is_private_already_is_left_as_it_is() {
        let dir = TempDir::new();
        let folder = dir.path().join("state");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("lock"), b"").unwrap();
        set(&folder.join("lock"), 0o644);
        set(&folder, 0o500);
        make_private_folder(&folder).unwrap();
        assert_eq!((mode(&folder), mode(&folder.join("lock"))), (0o500, 0o644));
        set(&folder, 0o1700);
        make_private_folder(&folder).expect("no other user shares it");
        set(&folder, 0o700);
    }

    #[test]
    fn a_folder_that_all_users_share_is_refused_and_not_changed() {
        let dir = TempDir::new();
        set(dir.path(), 0o1777);
        assert!(make_private_folder(dir.path()).is_err());
        assert_eq!(mode(dir.path()), 0o1777);
    }
}
