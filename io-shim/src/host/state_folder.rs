//! The state folder: whose it is now, who the daemon is, and where it can be found.
//!
//! Owns `lock` (held by the running daemon), `identity.json` (token and port, kept across restarts,
//! so that a viewer finds a restarted daemon where it left it) and `endpoint.json` (there while the
//! daemon runs). Both files are readable by the user alone. Invariant: while the lock is held,
//! `endpoint.json` is the holder's own or absent.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use shared_proto::token::is_token;

use crate::http::auth::new_token;

/// How long a prober may hold the lock before a starting daemon takes it for another daemon.
const LOCK_WITHIN: Duration = Duration::from_millis(500);

/// Why a state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another daemon uses it.
    #[error("another daemon is running with the state folder {0}")]
    InUse(PathBuf),
    /// It cannot be read or written.
    #[error("state folder {folder}: {error}")]
    Io {
        /// The folder.
        folder: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// How to reach the running daemon.
#[derive(Clone, Serialize, Deserialize)]
pub struct Endpoint {
    /// TCP port on this machine.
    pub port: u16,
    /// Session token.
    pub token: String,
    /// Process.
    pub pid: u32,
    /// Version of the daemon.
    pub version: String,
}

/// What stays the same across restarts.
#[derive(Clone, Serialize, Deserialize)]
pub struct Identity {
    /// Port of last time.
    pub port: Option<u16>,
    /// Session token.
    pub token: String,
}

/// A state folder that this process holds.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    /// Unlocked when dropped.
    _lock: File,
}

impl StateFolder {
    /// Makes the folder if need be and takes it for this process.
    ///
    /// # Errors
    /// [`FolderError::InUse`] while another daemon holds it.
    pub fn take(path: &Path) -> Result<Self, FolderError> {
        let io = |error| FolderError::Io { folder: path.into(), error };
        make_private_folder(path).map_err(io)?;
        let lock = open_lock(path).map_err(io)?;
        let began = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if began.elapsed() < LOCK_WITHIN => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => return Err(FolderError::InUse(path.into())),
                Err(TryLockError::Error(error)) => return Err(io(error)),
            }
        }
        let folder = Self { path: path.into(), _lock: lock };
        // A daemon that was killed could not remove its own.
        folder.remove_endpoint();
        Ok(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who the daemon of this folder is; a new one if there is none or it is damaged.
    ///
    /// # Errors
    /// [`FolderError::Io`] when there is no randomness or no room.
    pub fn identity(&self) -> Result<Identity, FolderError> {
        let kept = fs::read(self.path.join("identity.json")).ok();
        let kept = kept.and_then(|bytes| serde_json::from_slice::<Identity>(&bytes).ok());
        if let Some(identity) = kept.filter(|identity| is_token(&identity.token)) {
            return Ok(identity);
        }
        let token = new_token().map_err(|error| self.io(io::Error::other(error)))?;
        let identity = Identity { port: None, token };
        self.remember(&identity)?;
        Ok(identity)
    }

    /// Keeps the identity for next time.
    ///
    /// # Errors
    /// [`FolderError::Io`] when it cannot be written.
    pub fn remember(&self, identity: &Identity) -> Result<(), FolderError> {
        self.write("identity.json", identity)
    }

    /// Tells where the daemon can be found.
    ///
    /// # Errors
    /// [`FolderError::Io`] when it cannot be written.
    pub fn publish(&self, endpoint: &Endpoint) -> Result<(), FolderError> {
        self.write("endpoint.json", endpoint)
    }

    /// The daemon can be found no more.
    pub fn remove_endpoint(&self) {
        let _ = fs::remove_file(self.path.join("endpoint.json"));
    }

    /// Whole or not at all: a reader never sees half a file.
    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), FolderError> {
        let bytes = serde_json::to_vec(value).map_err(|error| self.io(error.into()))?;
        let draft = self.path.join(format!(".{name}.new"));
        let write = || {
            let _ = fs::remove_file(&draft);
            let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&draft)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&draft, self.path.join(name))
        };
        write().map_err(|error| self.io(error))
    }

    fn io(&self, error: io::Error) -> FolderError {
        FolderError::Io { folder: self.path.clone(), error }
    }
}

/// How to reach the daemon that holds this folder, if one does and is ready.
pub fn running_endpoint(path: &Path) -> Option<Endpoint> {
    let lock = open_lock(path).ok()?;
    // Shared, so that two probers do not take each other for a daemon.
    if !matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)) {
        return None;
    }
    let bytes = fs::read(path.join("endpoint.json")).ok()?;
    serde_json::from_slice::<Endpoint>(&bytes).ok().filter(|endpoint| is_token(&endpoint.token))
}

/// Makes a folder that only the user can read. A folder that is there already becomes private as
/// well, and so do our files in it.
///
/// # Errors
/// When it cannot be made, or is a folder that all users share, as `/tmp` is.
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

/// Takes the rights of everybody else away.
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
            // Some file systems have no such rights.
            tracing::warn!(path = %path.display(), %error, "others may read the state");
        }
    };
    close(path, 0o700);
    for entry in fs::read_dir(path)?.flatten() {
        let is_ours = OURS.iter().any(|name| entry.file_name().to_string_lossy().starts_with(name));
        let is_open =
            |found: &fs::Metadata| found.is_file() && found.permissions().mode() & OTHERS != 0;
        // The rights of what a link leads to are not ours to change, so the entry itself is looked
        // at.
        if is_ours && entry.metadata().is_ok_and(|found| is_open(&found)) {
            close(&entry.path(), 0o600);
        }
    }
    Ok(())
}

/// How the names of the files begin that we keep in a state folder.
#[cfg(unix)]
const OURS: [&str; 6] =
    ["state.redb", "identity.json", "endpoint.json", "lock", "daemon.log", "terminal.lock"];

/// Makes files readable by the user alone.
pub fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn open_lock(path: &Path) -> io::Result<File> {
    private(OpenOptions::new().write(true).create(true).truncate(false)).open(path.join("lock"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    fn endpoint(token: &str) -> Endpoint {
        Endpoint { port: 4000, token: token.into(), pid: 1, version: "0".into() }
    }

    #[test]
    fn two_daemons_never_share_a_folder() {
        let place = TempDir::new();
        let first = StateFolder::take(place.path()).unwrap();
        assert!(matches!(StateFolder::take(place.path()), Err(FolderError::InUse(_))));
        drop(first);
        StateFolder::take(place.path()).unwrap();
    }

    #[test]
    fn the_token_stays_and_a_damaged_one_is_replaced() {
        let place = TempDir::new();
        let token = StateFolder::take(place.path()).unwrap().identity().unwrap().token;
        let folder = StateFolder::take(place.path()).unwrap();
        assert_eq!(folder.identity().unwrap().token, token);
        fs::write(place.path().join("identity.json"), "{\"token\":\"short\"}").unwrap();
        let fresh = folder.identity().unwrap().token;
        assert!(fresh != token && is_token(&fresh));
    }

    #[test]
    fn an_endpoint_counts_only_while_its_daemon_holds_the_folder() {
        let place = TempDir::new();
        assert!(running_endpoint(place.path()).is_none());
        let folder = StateFolder::take(place.path()).unwrap();
        let token = folder.identity().unwrap().token;
        assert!(running_endpoint(place.path()).is_none());
        folder.publish(&endpoint(&token)).unwrap();
        assert_eq!(running_endpoint(place.path()).unwrap().token, token);
        drop(folder);
        assert!(
            running_endpoint(place.path()).is_none(),
            "the daemon was killed and left its endpoint behind"
        );
        let _folder = StateFolder::take(place.path()).unwrap();
        assert!(running_endpoint(place.path()).is_none(), "the next one has not published yet");
    }

    #[cfg(unix)]
    #[test]
    fn secrets_are_the_users_alone() {
        use std::os::unix::fs::PermissionsExt;
        let place = TempDir::new();
        let path = place.path().join("state");
        let folder = StateFolder::take(&path).unwrap();
        folder.publish(&endpoint(&folder.identity().unwrap().token)).unwrap();
        let mode = |name: &str| fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode("."), mode("identity.json"), mode("endpoint.json")),
            (0o700, 0o600, 0o600)
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_was_open_to_others_is_closed_to_them() {
        use std::os::unix::fs::PermissionsExt;
        let place = TempDir::new();
        let path = place.path().join("state");
        fs::create_dir(&path).unwrap();
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap()
        };
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        for name in ["state.redb", "daemon.log", "a film.mp4"] {
            fs::write(path.join(name), "").unwrap();
            set(&path.join(name), 0o644);
        }
        set(&path, 0o755);
        StateFolder::take(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        assert_eq!(
            ["state.redb", "daemon.log", "lock"].map(|name| mode(&path.join(name))),
            [0o600; 3]
        );
        assert_eq!(mode(&path.join("a film.mp4")), 0o644, "it is not ours");
        let shared = place.path().join("shared");
        fs::create_dir(&shared).unwrap();
        set(&shared, 0o1777);
        assert!(StateFolder::take(&shared).is_err());
        assert_eq!(mode(&shared), 0o1777);
    }
}
