//! What is remembered of the roots: that files were opened in them, and on which file system they
//! lay then.
//!
//! That tells a folder that is to be made from one whose disk is not mounted. Owns `roots.json` in
//! the state folder. Invariant: the file is whole or absent; what can't be written down is
//! remembered for as long as the daemon runs.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use shared_proto::RootKey;

use crate::host::state_folder::private;

const NAME: &str = "roots.json";

/// The roots that held files.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Where they are written down.
    folder: Option<PathBuf>,
    roots: Mutex<Roots>,
}

#[derive(Debug, Default)]
struct Roots {
    by_key: BTreeMap<String, Record>,
    /// Whether all of them are written down.
    is_kept: bool,
}

/// One root that held files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// The identity of its file system, in hexadecimal digits.
    file_system: String,
}

impl Seen {
    /// What an earlier daemon wrote down in this folder. A file that can't be understood says
    /// nothing.
    pub(super) fn load(folder: &Path) -> Self {
        let read = fs::read(folder.join(NAME));
        let by_key = match read.map(|bytes| serde_json::from_slice(&bytes)) {
            Ok(Ok(by_key)) => by_key,
            Ok(Err(error)) => {
                tracing::warn!(%error, "{NAME} is damaged: no download folder is known to have held files");
                BTreeMap::default()
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(%error, "{NAME} can't be read: no download folder is known to have held files");
                }
                BTreeMap::default()
            }
        };
        Self { folder: Some(folder.into()), roots: Mutex::new(Roots { by_key, is_kept: true }) }
    }

    /// The file system that the root lay on when a file was opened in it; `None` if none ever was.
    pub(super) fn file_system(&self, key: &RootKey) -> Option<String> {
        let roots = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
        roots.by_key.get(&key.0).map(|record| record.file_system.clone())
    }

    /// A file was opened in the root, which lies on this file system.
    pub(super) fn remember(&self, key: &RootKey, file_system: String) {
        let mut roots = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
        let record = Record { file_system };
        if roots.by_key.get(&key.0) == Some(&record) && roots.is_kept {
            return;
        }
        roots.by_key.insert(key.0.clone(), record);
        let Some(folder) = &self.folder else { return };
        let kept = write(folder, &roots.by_key);
        if let Err(error) = &kept {
            tracing::warn!(%error, "{NAME} can't be written");
        }
        roots.is_kept = kept.is_ok();
    }
}

fn write(folder: &Path, by_key: &BTreeMap<String, Record>) -> io::Result<()> {
    let draft = folder.join(format!(".{NAME}.new"));
    let _ = fs::remove_file(&draft);
    let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&draft)?;
    file.write_all(&serde_json::to_vec(by_key)?)?;
    file.sync_all()?;
    fs::rename(&draft, folder.join(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn what_was_seen_is_known_to_the_next_daemon() {
        let dir = TempDir::new();
        let (films, other) = (RootKey::from("films"), RootKey::from("other"));
        let seen = Seen::load(dir.path());
        assert_eq!(seen.file_system(&films), None);
        seen.remember(&films, "a".into());
        seen.remember(&films, "b".into());
        let next = Seen::load(dir.path());
        assert_eq!((next.file_system(&films), next.file_system(&other)), (Some("b".into()), None));
    }

    #[test]
    fn what_can_not_be_written_is_written_later() {
        let dir = TempDir::new();
        let (state, films) = (dir.path().join("state"), RootKey::from("films"));
        let seen = Seen::load(&state);
        seen.remember(&films, "a".into());
        assert_eq!(seen.file_system(&films), Some("a".into()));
        fs::create_dir(&state).unwrap();
        seen.remember(&films, "a".into());
        assert_eq!(Seen::load(&state).file_system(&films), Some("a".into()));
    }

    #[test]
    fn a_damaged_file_says_nothing() {
        let dir = TempDir::new();
        fs::write(dir.path().join(NAME), "{\"films\":7").unwrap();
        let seen = Seen::load(dir.path());
        assert_eq!(seen.file_system(&RootKey::from("films")), None);
        seen.remember(&RootKey::from("films"), "a".into());
        assert_eq!(Seen::load(dir.path()).file_system(&RootKey::from("films")), Some("a".into()));
    }
}
