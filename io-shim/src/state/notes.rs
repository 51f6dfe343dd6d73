//! The notes of a user: one small file of keys and values that all daemons of the user share,
//! whatever state folder they use.
//!
//! Owns what is in the file as it was last read, and what of it the engine was told. It looks into
//! no value. Invariants: a put is answered with success when it is durable; two processes that
//! write at once lose nothing, because each reads, merges and writes under one lock, and of each
//! key the newest note is kept; a file that can't be read is set aside, never deleted; a file of a
//! newer version is neither read nor written.

mod place;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use shared_proto::{
    frame::{MAX_NOTE, MAX_NOTE_KEY, MAX_NOTES},
    io::{Note, Notes, OpError, OpErrorKind},
};

use self::place::{Place, Seen};
use crate::files::error::{from_io, op_error};

/// The form of the file.
const VERSION: u32 = 1;

/// The file's content.
#[derive(Serialize, Deserialize)]
struct Form {
    version: u32,
    notes: Vec<Note>,
}

/// What a file says of its version, whatever else is in it.
#[derive(Deserialize)]
struct Header {
    version: u32,
}

/// The notes. Its calls block.
pub struct NoteStore {
    place: Place,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// As they were last read or written.
    notes: BTreeMap<String, Note>,
    /// The file in which they were; `None` before the first look.
    seen: Option<Seen>,
    /// What the engine was told of each key; `None` before it asked.
    told: Option<BTreeMap<String, u64>>,
    told_aside: Vec<PathBuf>,
}

/// Why there are no notes.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(
        "the notes were written by a newer version of this program (their format is {0}, this program knows {VERSION}): update this program"
    )]
    Newer(u32),
    #[error("another program of yours keeps the notes locked")]
    Locked,
}

impl NoteStore {
    /// The notes in this folder. Nothing is read or made yet.
    pub fn new(folder: &Path) -> Self {
        Self { place: Place::new(folder), inner: Mutex::default() }
    }

    /// A new engine: it was told nothing yet.
    pub(crate) fn greet(&self) {
        self.lock().told = None;
    }

    /// All notes. From now on [`NoteStore::news`] says what differs.
    ///
    /// # Errors
    /// They can't be read now.
    pub(crate) fn read(&self) -> Result<Notes, OpError> {
        let mut inner = self.lock();
        self.refresh(&mut inner).map_err(error)?;
        inner.told = Some(BTreeMap::new());
        inner.told_aside.clear();
        Ok(self.untold(&mut inner))
    }

    /// What other programs wrote since the engine was told last; `None` when that is nothing. The
    /// file is read only if it looks otherwise than before.
    pub(crate) fn news(&self) -> Option<Notes> {
        let mut inner = self.lock();
        inner.told.as_ref()?;
        if let Err(trouble) = self.refresh(&mut inner) {
            tracing::debug!(%trouble, "the notes can't be read now");
            return None;
        }
        let is_aside_told = inner.told_aside == self.place.set_aside_before();
        let news = self.untold(&mut inner);
        (!news.notes.is_empty() || !is_aside_told).then_some(news)
    }

    /// Keeps a note unless there is a newer one of its key; the one that is kept.
    ///
    /// # Errors
    /// It is too long, or can't be written: then nothing has changed.
    pub(crate) fn put(&self, note: Note) -> Result<Notes, OpError> {
        if note.key.len() > MAX_NOTE_KEY || note.value.len() > MAX_NOTE {
            return Err(op_error(OpErrorKind::Limit, "the note is too long"));
        }
        let mut inner = self.lock();
        let key = note.key.clone();
        let at_ms = self.merge(&mut inner, note).map_err(error)?;
        if let Some(told) = &mut inner.told {
            told.insert(key.clone(), at_ms);
        }
        let kept = inner.notes.get(&key).cloned();
        Ok(Notes {
            notes: kept.into_iter().collect(),
            set_aside: paths(&self.place.set_aside_before()),
        })
    }

    /// Reads, merges and writes under the lock; when the note that is kept was written.
    fn merge(&self, inner: &mut Inner, note: Note) -> Result<u64, Trouble> {
        let _lock = self.place.lock()?.ok_or(Trouble::Locked)?;
        self.refresh_locked(inner)?;
        // A time that has not come yet is one of a clock that was wrong: it must not keep
        // everything else out until then.
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
        inner.seen = Some(self.place.write(&bytes)?);
        inner.notes = notes;
        Ok(at_ms)
    }

    /// Reads the file if it looks otherwise than before.
    fn refresh(&self, inner: &mut Inner) -> Result<(), Trouble> {
        if self.is_refreshed(inner)? {
            return Ok(());
        }
        // Another process may be about to do the same, and to write a new one.
        let _lock = self.place.lock()?.ok_or(Trouble::Locked)?;
        self.refresh_locked(inner)
    }

    /// The same, under the lock. A file that makes no sense is set aside; what was known of it
    /// counts on.
    fn refresh_locked(&self, inner: &mut Inner) -> Result<(), Trouble> {
        if !self.is_refreshed(inner)? {
            let aside = self.place.set_aside()?;
            tracing::error!(aside = %aside.display(), "the notes were damaged and are set aside");
            inner.seen = Some(self.place.look()?);
        }
        Ok(())
    }

    /// False when there is a file that makes no sense.
    fn is_refreshed(&self, inner: &mut Inner) -> Result<bool, Trouble> {
        let seen = self.place.look()?;
        if inner.seen.as_ref() == Some(&seen) {
            return Ok(true);
        }
        let Some(bytes) = self.place.read()? else {
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

    /// What the engine was not told yet. It is, from now on.
    fn untold(&self, inner: &mut Inner) -> Notes {
        let told = inner.told.get_or_insert_default();
        let is_new = |note: &&Note| told.get(&note.key) != Some(&note.at_ms);
        let notes: Vec<Note> = inner.notes.values().filter(is_new).cloned().collect();
        told.extend(notes.iter().map(|note| (note.key.clone(), note.at_ms)));
        told.retain(|key, _| inner.notes.contains_key(key));
        inner.told_aside = self.place.set_aside_before();
        Notes { notes, set_aside: paths(&inner.told_aside) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The notes in a file; else the version that it names if that is another one.
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
