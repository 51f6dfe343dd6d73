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
