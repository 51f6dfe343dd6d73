//! The state folder: which process holds it, and how to reach that process.
//!
//! Owns three files. `lock` is locked by the running daemon. `identity.json` keeps token and port
//! across restarts, so that a viewer finds the daemon again. `endpoint.json` exists while the
//! daemon runs. The user alone can read them. Invariant: while the lock is held, `endpoint.json` is
//! the holder's or absent.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use shared_proto::token::is_token;

use crate::files::private::{make_private_folder, private};
use crate::policy::secrets::new_token;

/// How long another process may hold the lock before it counts as a daemon. A process that only
/// checks the lock holds it for a moment.
const LOCK_WITHIN: Duration = Duration::from_millis(500);

/// Why a state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// Another daemon holds it.
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
    /// TCP port.
    pub port: u16,
    /// Session token.
    pub token: String,
    /// Process id.
    pub pid: u32,
    /// Version of the daemon.
    pub version: String,
}

/// What stays the same across restarts.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Installation {
    /// Port of the last run.
    pub(crate) port: Option<u16>,
    /// Session token.
    pub(crate) token: String,
}

/// A state folder that this process holds.
#[derive(Debug)]
pub(crate) struct StateFolder {
    path: PathBuf,
    /// Unlocked when dropped.
    _lock: File,
}

impl StateFolder {
    /// Creates the folder if need be and locks it for this process.
    ///
    /// # Errors
    /// [`FolderError::InUse`] while another daemon holds it, [`FolderError::Io`].
    pub(crate) fn take(path: &Path) -> Result<Self, FolderError> {
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
        // A daemon that was killed could not remove its own file.
        folder.remove_endpoint();
        Ok(folder)
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The port and token of the last run. New ones if there are none or they are damaged.
    ///
    /// # Errors
    /// [`FolderError::Io`] when the system has no randomness or the file cannot be written.
    pub(crate) fn installation(&self) -> Result<Installation, FolderError> {
        let kept = fs::read(self.path.join("identity.json")).ok();
        let kept = kept.and_then(|bytes| serde_json::from_slice::<Installation>(&bytes).ok());
        if let Some(installation) = kept.filter(|installation| is_token(&installation.token)) {
            return Ok(installation);
        }
        let token = new_token().map_err(|error| self.io(io::Error::other(error)))?;
        let installation = Installation { port: None, token };
        self.remember(&installation)?;
        Ok(installation)
    }

    /// Keeps port and token for the next run.
    ///
    /// # Errors
    /// [`FolderError::Io`] when the file cannot be written.
    pub(crate) fn remember(&self, installation: &Installation) -> Result<(), FolderError> {
        self.write("identity.json", installation)
    }

    /// Publishes how to reach the daemon.
    ///
    /// # Errors
    /// [`FolderError::Io`] when the file cannot be written.
    pub(crate) fn publish(&self, endpoint: &Endpoint) -> Result<(), FolderError> {
        self.write("endpoint.json", endpoint)
    }

    /// Withdraws what [`StateFolder::publish`] wrote.
    pub(crate) fn remove_endpoint(&self) {
        let _ = fs::remove_file(self.path.join("endpoint.json"));
    }

    /// Writes a file as a whole or not at all. A reader never sees half of it.
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

/// How to reach the daemon that holds this folder. `None` if there is none or it is not ready.
pub fn running_endpoint(path: &Path) -> Option<Endpoint> {
    let lock = open_lock(path).ok()?;
    // A shared lock, so that two callers do not take each other for a daemon.
    if !matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)) {
        return None;
    }
    let bytes = fs::read(path.join("endpoint.json")).ok()?;
    serde_json::from_slice::<Endpoint>(&bytes).ok().filter(|endpoint| is_token(&endpoint.token))
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
        let dir = TempDir::new();
        let first = StateFolder::take(dir.path()).unwrap();
        assert!(matches!(StateFolder::take(dir.path()), Err(FolderError::InUse(_))));
        drop(first);
        StateFolder::take(dir.path()).unwrap();
    }

    #[test]
    fn the_token_stays_and_a_damaged_one_is_replaced() {
        let dir = TempDir::new();
        let token = StateFolder::take(dir.path()).unwrap().installation().unwrap().token;
        let folder = StateFolder::take(dir.path()).unwrap();
        assert_eq!(folder.installation().unwrap().token, token);
        fs::write(dir.path().join("identity.json"), "{\"token\":\"short\"}").unwrap();
        let fresh = folder.installation().unwrap().token;
        assert!(fresh != token && is_token(&fresh));
    }

    #[test]
    fn an_endpoint_counts_only_while_its_daemon_holds_the_folder() {
        let dir = TempDir::new();
        assert!(running_endpoint(dir.path()).is_none());
        let folder = StateFolder::take(dir.path()).unwrap();
        let token = folder.installation().unwrap().token;
        assert!(running_endpoint(dir.path()).is_none());
        folder.publish(&endpoint(&token)).unwrap();
        assert_eq!(running_endpoint(dir.path()).unwrap().token, token);
        drop(folder);
        assert!(
            running_endpoint(dir.path()).is_none(),
            "the daemon was killed and left its endpoint behind"
        );
        let _folder = StateFolder::take(dir.path()).unwrap();
        assert!(running_endpoint(dir.path()).is_none(), "the next one has not published yet");
    }

    #[cfg(unix)]
    #[test]
    fn secrets_are_the_users_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = TempDir::new();
        let path = dir.path().join("state");
        let folder = StateFolder::take(&path).unwrap();
        folder.publish(&endpoint(&folder.installation().unwrap().token)).unwrap();
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
        let dir = TempDir::new();
        let path = dir.path().join("state");
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
        let shared = dir.path().join("shared");
        fs::create_dir(&shared).unwrap();
        set(&shared, 0o1777);
        assert!(StateFolder::take(&shared).is_err());
        assert_eq!(mode(&shared), 0o1777);
    }
}
