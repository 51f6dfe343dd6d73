//! Notes: a small file of keys and values that all daemons of a user share.
//!
//! Owns the file's content as last read, and what the engine knows of it. Never looks into a value.
//! Invariants: a put is answered with success when it is durable; two processes that write at once
//! lose nothing, because each reads, merges and writes under one lock and keeps the newest note of
//! each key; an unreadable file is set aside, never deleted; a file of a newer version is neither
//! read nor written.

mod notes_file;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use shared_proto::{
    frame::{MAX_NOTE, MAX_NOTE_KEY, MAX_NOTES},
    io::{Note, Notes, OpError, OpErrorKind},
};

use self::notes_file::{NotesFile, Seen};
use crate::files::error::{from_io, op_error};

/// The version of the file's form.
const VERSION: u32 = 1;

/// The file's content.
#[derive(Serialize, Deserialize)]
struct Form {
    version: u32,
    notes: Vec<Note>,
}

/// The version in a file, whatever else it holds.
#[derive(Deserialize)]
struct Header {
    version: u32,
}

/// The notes. All calls block.
pub struct NoteStore {
    file: NotesFile,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The notes as last read or written.
    notes: BTreeMap<String, Note>,
    /// The file that held them; `None` before the first look.
    seen: Option<Seen>,
    /// The time of each note that the engine knows; `None` before the engine asked.
    reported: Option<BTreeMap<String, u64>>,
    told_aside: Vec<PathBuf>,
}

/// Why the notes cannot be used.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(
        "the notes were written by a newer version of this program (their format is {0}, this \
            program knows {VERSION}): update this program"
    )]
    Newer(u32),
    #[error("another program of yours keeps the notes locked")]
    Locked,
}

impl NoteStore {
    /// The notes in this folder. Touches nothing yet.
    pub fn new(folder: &Path) -> Self {
        Self { file: NotesFile::new(folder), inner: Mutex::default() }
    }

    /// A new engine has connected and knows no notes.
    pub(crate) fn engine_connected(&self) {
        self.lock().reported = None;
    }

    /// Reads all notes. From now on [`NoteStore::news`] returns what has changed.
    ///
    /// # Errors
    /// When the notes cannot be read now.
    pub(crate) fn read(&self) -> Result<Notes, OpError> {
        let mut inner = self.lock();
        self.refresh(&mut inner).map_err(error)?;
        inner.reported = Some(BTreeMap::new());
        inner.told_aside.clear();
        Ok(self.unreported(&mut inner))
    }

    /// Notes of other programs that the engine does not know. `None` if there are none. Reads the
    /// file only if it has changed.
    pub(crate) fn news(&self) -> Option<Notes> {
        let mut inner = self.lock();
        inner.reported.as_ref()?;
        if let Err(trouble) = self.refresh(&mut inner) {
            tracing::debug!(%trouble, "the notes can't be read now");
            return None;
        }
        let is_aside_told = inner.told_aside == self.file.set_aside_before();
        let news = self.unreported(&mut inner);
        (!news.notes.is_empty() || !is_aside_told).then_some(news)
    }

    /// Keeps a note unless a newer one has the same key. Returns the note that is kept.
    ///
    /// # Errors
    /// When the note is too long or cannot be written. Nothing has changed then.
    pub(crate) fn put(&self, note: Note) -> Result<Notes, OpError> {
        if note.key.len() > MAX_NOTE_KEY || note.value.len() > MAX_NOTE {
            return Err(op_error(OpErrorKind::Limit, "the note is too long"));
        }
        let mut inner = self.lock();
        let key = note.key.clone();
        let at_ms = self.merge(&mut inner, note).map_err(error)?;
        if let Some(reported) = &mut inner.reported {
            reported.insert(key.clone(), at_ms);
        }
        let kept = inner.notes.get(&key).cloned();
        Ok(Notes {
            notes: kept.into_iter().collect(),
            set_aside: paths(&self.file.set_aside_before()),
        })
    }

    /// Reads, merges and writes under the lock. Returns the time of the note that is kept.
    fn merge(&self, inner: &mut Inner, note: Note) -> Result<u64, Trouble> {
        let _lock = self.file.lock()?.ok_or(Trouble::Locked)?;
        self.refresh_locked(inner)?;
        // A time in the future comes from a wrong clock. It must not exclude all other notes until
        // then.
        let now = now_ms();
        if let Some(before) = inner.notes.get(&note.key)
            && before.at_ms > note.at_ms
            && before.at_ms <= now
        {
            return Ok(before.at_ms);
        }
        let at_ms = note.at_ms;
        let mut notes = inner.notes.clone();
        notes.insert(note.key.clone(), note);
        while notes.len() > MAX_NOTES {
            let oldest = notes.values().min_by_key(|note| note.at_ms).map(|note| note.key.clone());
            oldest.and_then(|key| notes.remove(&key));
        }
        let form = Form { version: VERSION, notes: notes.values().cloned().collect() };
        let bytes = serde_json::to_vec(&form).map_err(io::Error::from)?;
        inner.seen = Some(self.file.write(&bytes)?);
        inner.notes = notes;
        Ok(at_ms)
    }

    /// Reads the file if it has changed.
    fn refresh(&self, inner: &mut Inner) -> Result<(), Trouble> {
        if self.is_refreshed(inner)? {
            return Ok(());
        }
        // Another process may be about to set the file aside, too, and to write a new one.
        let _lock = self.file.lock()?.ok_or(Trouble::Locked)?;
        self.refresh_locked(inner)
    }

    /// The same, under the lock. A malformed file is set aside; the notes that are known stay.
    fn refresh_locked(&self, inner: &mut Inner) -> Result<(), Trouble> {
        if !self.is_refreshed(inner)? {
            let aside = self.file.set_aside()?;
            tracing::error!(aside = %aside.display(), "the notes were damaged and are set aside");
            inner.seen = Some(self.file.look()?);
        }
        Ok(())
    }

    /// Returns `false` if the file is malformed.
    fn is_refreshed(&self, inner: &mut Inner) -> Result<bool, Trouble> {
        let seen = self.file.look()?;
        if inner.seen.as_ref() == Some(&seen) {
            return Ok(true);
        }
        let Some(bytes) = self.file.read()? else {
            inner.notes.clear();
            inner.seen = Some(seen);
            return Ok(true);
        };
        match parse(&bytes) {
            Ok(notes) => inner.notes = notes,
            Err(Some(version)) => return Err(Trouble::Newer(version)),
            Err(None) => return Ok(false),
        }
        inner.seen = Some(seen);
        Ok(true)
    }

    /// Returns the notes that the engine does not know, and marks them as known.
    fn unreported(&self, inner: &mut Inner) -> Notes {
        let reported = inner.reported.get_or_insert_default();
        let is_new = |note: &&Note| reported.get(&note.key) != Some(&note.at_ms);
        let notes: Vec<Note> = inner.notes.values().filter(is_new).cloned().collect();
        reported.extend(notes.iter().map(|note| (note.key.clone(), note.at_ms)));
        reported.retain(|key, _| inner.notes.contains_key(key));
        inner.told_aside = self.file.set_aside_before();
        Notes { notes, set_aside: paths(&inner.told_aside) }
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

/// Parses a file. The error is the version that it names, if that is another one.
fn parse(bytes: &[u8]) -> Result<BTreeMap<String, Note>, Option<u32>> {
    let header: Header = serde_json::from_slice(bytes).map_err(|_| None)?;
    if header.version > VERSION {
        return Err(Some(header.version));
    }
    let form: Form = serde_json::from_slice(bytes).map_err(|_| None)?;
    let fits = |note: &Note| note.key.len() <= MAX_NOTE_KEY && note.value.len() <= MAX_NOTE;
    Ok(form.notes.into_iter().filter(fits).map(|note| (note.key.clone(), note)).collect())
}

fn error(trouble: Trouble) -> OpError {
    match trouble {
        Trouble::Io(error) => from_io(&error),
        Trouble::Newer(_) => op_error(OpErrorKind::Denied, trouble.to_string()),
        Trouble::Locked => op_error(OpErrorKind::Busy, trouble.to_string()),
    }
}

fn paths(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.display().to_string()).collect()
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
