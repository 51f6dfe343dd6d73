//! Remembers which roots held files, and on which file system.
//!
//! A missing folder that never held files may be created; one that did is on a disk that is not
//! mounted. Owns `roots.json` in the state folder. Invariant: the file is whole or absent; what
//! cannot be saved is remembered for as long as the daemon runs.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use shared_proto::RootKey;

use crate::files::private::private;

const NAME: &str = "roots.json";

/// The roots that held files.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Where they are saved.
    folder: Option<PathBuf>,
    roots: Mutex<Roots>,
}

#[derive(Debug, Default)]
struct Roots {
    by_key: BTreeMap<String, Record>,
    /// Whether all of them are saved.
    is_kept: bool,
}

/// One root that held files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// The identity of its file system, hexadecimal.
    file_system: String,
}

impl Seen {
    /// Reads what an earlier daemon saved in this folder. A malformed file counts as empty.
    pub(super) fn load(folder: &Path) -> Self {
        let read = fs::read(folder.join(NAME));
        let by_key = match read.map(|bytes| serde_json::from_slice(&bytes)) {
            Ok(Ok(by_key)) => by_key,
            Ok(Err(error)) => {
                tracing::warn!(%error, "{NAME} is damaged: no download folder is known to have \
                    held files");
                BTreeMap::default()
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(%error, "{NAME} can't be read: no download folder is known to \
                        have held files");
                }
                BTreeMap::default()
            }
        };
        Self { folder: Some(folder.into()), roots: Mutex::new(Roots { by_key, is_kept: true }) }
    }

    /// The root's file system when a file was last opened there. `None` if none ever was.
    pub(super) fn file_system(&self, key: &RootKey) -> Option<String> {
        let roots = self.roots.lock();
        roots.by_key.get(&key.0).map(|record| record.file_system.clone())
    }

    /// Remembers that a file was opened in the root, on this file system.
    pub(super) fn remember(&self, key: &RootKey, file_system: String) {
        let mut roots = self.roots.lock();
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
