//! Stores watch marks and choices as notes in the daemon.
//!
//! All programs of the user share the daemon's notes. This module owns the known notes, the changes
//! that are not durable yet, and the time of their next write. The rules about films are in
//! [`crate::marks`]. Invariants: a change stays here until the daemon has answered which note it
//! stores; of two notes with the same key the newer one counts. Positions are written at most every
//! five seconds, everything else at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared_proto::io::{Note, Notes, OpError, OpErrorKind, OpOutput};
use shared_proto::{IoCommand, OpId};

use crate::marks::{CHOICES, Choices, Dated, Mark, Watching, When};
use crate::metainfo::InfoHash;
use crate::time::Instant;
use crate::view::{NoticeKind, NoticeView, Sentence};

/// How long positions are collected before a write; each write costs a disk sync.
const GATHER: Duration = Duration::from_secs(5);
/// Delay before the first retry after a failure.
const FIRST: Duration = Duration::from_secs(5);
/// Longest delay between retries; each delay is twice the one before.
const LAST: Duration = Duration::from_secs(60);

/// The subject of a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// How far a file was watched.
    Film(InfoHash, u32),
    /// The choices for a torrent.
    Choices(InfoHash),
}

impl Subject {
    fn parse(key: &str) -> Option<Self> {
        let mut parts = key.split('/');
        let (kind, info_hash) = (parts.next()?, parts.next()?.parse().ok()?);
        match (kind, parts.next(), parts.next()) {
            ("film", Some(file), None) => Some(Self::Film(info_hash, file.parse().ok()?)),
            ("choices", None, None) => Some(Self::Choices(info_hash)),
            _ => None,
        }
    }

    fn key(self) -> String {
        match self {
            Self::Film(info_hash, file) => format!("film/{info_hash}/{file}"),
            Self::Choices(info_hash) => format!("choices/{info_hash}"),
        }
    }

    fn torrent(self) -> InfoHash {
        match self {
            Self::Film(info_hash, _) | Self::Choices(info_hash) => info_hash,
        }
    }
}

#[derive(Clone, Debug)]
struct Change {
    /// When the change was made.
    since: Instant,
    /// When to write the change.
    due: Instant,
    /// The write in progress.
    op: Option<OpId>,
    /// Whether the value changed again after the write in progress was sent.
    is_newer: bool,
    wait: Duration,
}

/// A command that the notebook needs sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Read all notes.
    Read,
    /// Store one note.
    Put(Subject),
}

/// All known notes and unwritten changes.
#[derive(Debug, Default)]
pub(crate) struct Notebook {
    torrents: BTreeMap<InfoHash, Watching>,
    changes: BTreeMap<Subject, Change>,
    underway: BTreeMap<OpId, Task>,
    /// When to read all notes; `None` when they have been read.
    read_at: Option<Instant>,
    trouble: Option<String>,
    set_aside: Vec<String>,
}

impl Notebook {
    /// Handles a new connection to the daemon.
    pub(crate) fn link(&mut self, now: Instant) {
        self.read_at = Some(now);
    }

    /// Handles a lost connection: writes in progress may or may not have happened.
    pub(crate) fn unlink(&mut self) {
        self.underway.clear();
        (self.read_at, self.trouble) = (None, None);
        for change in self.changes.values_mut() {
            (change.op, change.due, change.wait) = (None, change.since, FIRST);
        }
    }

    /// Returns the marks and choices of a torrent.
    pub(crate) fn of(&self, info_hash: InfoHash) -> Watching {
        self.torrents.get(&info_hash).cloned().unwrap_or_default()
    }

    /// Updates the mark of a file; writes it at once or after [`GATHER`].
    pub(crate) fn mark(
        &mut self,
        (info_hash, file): (InfoHash, u32),
        mark: Mark,
        at_once: bool,
        now: Instant,
    ) {
        let dated = Dated { value: mark, when: When::Fresh(now) };
        self.torrents.entry(info_hash).or_default().marks.insert(file, dated);
        self.change(Subject::Film(info_hash, file), at_once, now);
    }

    /// Sets the choices for a torrent.
    pub(crate) fn choose(&mut self, info_hash: InfoHash, choices: Choices, now: Instant) {
        let dated = Dated { value: choices, when: When::Fresh(now) };
        self.torrents.entry(info_hash).or_default().choices = Some(dated);
        self.change(Subject::Choices(info_hash), true, now);
    }

    fn change(&mut self, subject: Subject, at_once: bool, now: Instant) {
        let due = if at_once { now } else { now + GATHER };
        let fresh = Change { since: now, due, op: None, is_newer: false, wait: FIRST };
        let change = self.changes.entry(subject).or_insert(fresh);
        // The write in progress was due earlier; a change after it waits anew.
        let is_first_since = change.op.is_some() && !change.is_newer;
        change.due = if is_first_since { due } else { change.due.min(due) };
        (change.since, change.is_newer) = (now, change.op.is_some());
    }

    /// Returns when the next command is due.
    pub(crate) fn next_wakeup(&self) -> Option<Instant> {
        let waiting =
            self.changes.values().filter(|change| change.op.is_none()).map(|change| change.due);
        waiting.chain(self.read_at).min()
    }

    /// Returns the commands that are due.
    pub(crate) fn due(&self, now: Instant) -> Vec<Task> {
        let read = self.read_at.filter(|&at| at <= now).map(|_| Task::Read);
        let due =
            self.changes.iter().filter(|(_, change)| change.op.is_none() && change.due <= now);
        read.into_iter().chain(due.map(|(&subject, _)| Task::Put(subject))).collect()
    }

    /// Creates the command and marks it as in progress. `None` if there is nothing to write.
    pub(crate) fn command(&mut self, task: Task, op: OpId, now: Instant) -> Option<IoCommand> {
        let command = match task {
            Task::Read => {
                self.read_at = None;
                IoCommand::NotesRead { op }
            }
            Task::Put(subject) => {
                let value = self.value(subject)?;
                let change = self.changes.get_mut(&subject)?;
                (change.op, change.is_newer) = (Some(op), false);
                let age = now.saturating_since(change.since).as_millis();
                let age_ms = u64::try_from(age).unwrap_or(u64::MAX);
                IoCommand::NotePut { op, key: subject.key(), value, age_ms }
            }
        };
        self.underway.insert(op, task);
        Some(command)
    }

    /// Handles the daemon's answer; `None` if `op` is not one of ours.
    ///
    /// Returns the torrents whose notes changed.
    pub(crate) fn answered(
        &mut self,
        op: OpId,
        result: &Result<OpOutput, OpError>,
        now: Instant,
    ) -> Option<BTreeSet<InfoHash>> {
        let task = self.underway.remove(&op)?;
        let notes = match result {
            Ok(OpOutput::Notes(notes)) => Some(notes),
            _ => None,
        };
        let failure = result.as_ref().err();
        match task {
            Task::Read if notes.is_none() => self.read_at = Some(now + FIRST),
            Task::Read => {}
            Task::Put(subject) => {
                let Some(change) =
                    self.changes.get_mut(&subject).filter(|change| change.op == Some(op))
                else {
                    return Some(BTreeSet::new());
                };
                change.op = None;
                let is_refused = failure.is_some_and(|error| error.kind == OpErrorKind::Limit);
                if change.is_newer {
                    change.due = change.due.max(now);
                } else if notes.is_some() || is_refused {
                    self.changes.remove(&subject);
                } else {
                    change.due = now + change.wait;
                    change.wait = LAST.min(change.wait * 2);
                }
            }
        }
        self.trouble = failure.map(|error| error.message.clone());
        Some(notes.map(|notes| self.update(notes)).unwrap_or_default())
    }

    /// Takes notes that the daemon stores. Returns the torrents whose notes changed.
    ///
    /// Changes that are not written yet are newer and stay.
    pub(crate) fn update(&mut self, notes: &Notes) -> BTreeSet<InfoHash> {
        self.set_aside.clone_from(&notes.set_aside);
        let taken = notes.notes.iter().filter_map(|note| self.take(note));
        taken.collect()
    }

    fn take(&mut self, note: &Note) -> Option<InfoHash> {
        let subject =
            Subject::parse(&note.key).filter(|subject| !self.changes.contains_key(subject))?;
        let when = When::At(note.at_ms);
        match subject {
            Subject::Film(info_hash, file) => {
                let value: Mark = serde_json::from_str(&note.value).ok()?;
                self.torrents
                    .entry(info_hash)
                    .or_default()
                    .marks
                    .insert(file, Dated { value, when });
            }
            Subject::Choices(info_hash) => {
                let value = serde_json::from_str(&note.value).ok().filter(are_within_limits)?;
                self.torrents.entry(info_hash).or_default().choices = Some(Dated { value, when });
            }
        }
        Some(subject.torrent())
    }

    fn value(&self, subject: Subject) -> Option<String> {
        let watching = self.torrents.get(&subject.torrent())?;
        let value = match subject {
            Subject::Film(_, file) => serde_json::to_string(&watching.marks.get(&file)?.value),
            Subject::Choices(_) => serde_json::to_string(&watching.choices.as_ref()?.value),
        };
        Some(value.expect("a note is plain JSON"))
    }

    /// Returns the notices to show to the user.
    pub(crate) fn notices(&self) -> impl Iterator<Item = NoticeView> + '_ {
        let trouble = self.trouble.as_ref().map(|reason| {
            let says = Sentence::WatchedNotSaved { detail: reason.clone() };
            NoticeView::new(NoticeKind::NotSaved, says)
        });
        let aside = self.set_aside.iter().map(|path| {
            let says = Sentence::WatchedSetAside { path: path.clone() };
            NoticeView::new(NoticeKind::SetAside, says)
        });

        trouble.into_iter().chain(aside)
    }
}

/// Returns whether choices are within their limits.
pub(crate) fn are_within_limits(choices: &Choices) -> bool {
    let (count, name, value) = CHOICES;
    choices.len() <= count
        && choices.iter().all(|(key, text)| key.len() <= name && text.len() <= value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant(seconds * 1_000_000)
    }

    fn hash() -> InfoHash {
        "ab".repeat(20).parse().unwrap()
    }

    fn mark(position_ms: u64) -> Mark {
        Mark { position_ms, ..Mark::default() }
    }

    fn kept(position_ms: u64, at_ms: u64) -> Notes {
        let value = serde_json::to_string(&mark(position_ms)).unwrap();
        let note = Note { key: format!("film/{}/3", "ab".repeat(20)), value, at_ms };
        Notes { notes: vec![note], set_aside: Vec::new() }
    }

    fn position(book: &Notebook) -> u64 {
        book.of(hash()).mark(3).position_ms
    }

    /// Sends the one command that is due; returns the note's age.
    fn send(book: &mut Notebook, op: u64, now: Instant) -> u64 {
        let [task] = book.due(now)[..] else { panic!("{:?}", book.due(now)) };
        match book.command(task, OpId(op), now) {
            Some(IoCommand::NotePut { age_ms, .. }) => age_ms,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn positions_are_collected_and_user_marks_are_written_at_once() {
        let mut book = Notebook::default();
        book.mark((hash(), 3), mark(1), false, at(10));
        assert_eq!(book.next_wakeup(), Some(at(15)));
        book.mark((hash(), 3), mark(2), false, at(13));
        assert_eq!(book.next_wakeup(), Some(at(15)), "later ones do not put it off");
        book.mark((hash(), 3), mark(3), true, at(14));
        assert_eq!((book.next_wakeup(), send(&mut book, 1, at(14))), (Some(at(14)), 0));
        book.answered(OpId(1), &Ok(OpOutput::Notes(kept(3, 99))), at(15)).unwrap();
        assert_eq!((book.next_wakeup(), position(&book)), (None, 3));
    }

    #[test]
    fn a_change_during_a_write_is_written_again() {
        let mut book = Notebook::default();
        book.mark((hash(), 3), mark(1), true, at(10));
        send(&mut book, 1, at(10));
        book.mark((hash(), 3), mark(2), false, at(11));
        assert_eq!(book.next_wakeup(), None, "one command a note");
        book.answered(OpId(1), &Ok(OpOutput::Notes(kept(1, 99))), at(12)).unwrap();
        assert_eq!(position(&book), 2);
        assert_eq!(book.next_wakeup(), Some(at(16)));
        assert_eq!(send(&mut book, 2, at(17)), 6_000);
    }

    #[test]
    fn a_failed_write_is_reported_and_repeated_with_the_notes_age() {
        let mut book = Notebook::default();
        book.mark((hash(), 3), mark(1), true, at(10));
        send(&mut book, 1, at(10));
        let full = Err(OpError { kind: OpErrorKind::Full, message: "the disk is full".into() });
        book.answered(OpId(1), &full, at(10)).unwrap();
        assert!(book.notices().next().unwrap().message.contains("the disk is full"));
        assert_eq!(book.next_wakeup(), Some(at(15)));
        assert_eq!(send(&mut book, 2, at(15)), 5_000);
        book.unlink();
        assert_eq!(book.notices().count(), 0, "the next daemon may do better");
        book.answered(OpId(2), &Ok(OpOutput::Notes(kept(1, 99))), at(16));
        assert_eq!(send(&mut book, 3, at(20)), 10_000, "the former daemon's write is unknown");
        // Another program was later: its note counts.
        assert_eq!(
            book.answered(OpId(3), &Ok(OpOutput::Notes(kept(7, 99))), at(20)).unwrap().len(),
            1
        );
        assert_eq!((position(&book), book.next_wakeup()), (7, None));
        let too_long = Err(OpError { kind: OpErrorKind::Limit, message: "too long".into() });
        book.mark((hash(), 3), mark(1), true, at(30));
        send(&mut book, 4, at(30));
        book.answered(OpId(4), &too_long, at(30)).unwrap();
        assert_eq!(book.next_wakeup(), None, "what is refused once is refused again");
    }

    #[test]
    fn notes_of_others_count_unless_a_newer_change_is_pending() {
        let mut book = Notebook::default();
        assert_eq!(book.update(&kept(7, 99)).into_iter().collect::<Vec<_>>(), [hash()]);
        assert_eq!(position(&book), 7);
        book.mark((hash(), 3), mark(8), false, at(1));
        assert!(book.update(&kept(9, 100)).is_empty());
        assert_eq!(position(&book), 8);
    }

    #[test]
    fn invalid_notes_are_ignored() {
        let mut book = Notebook::default();
        let hash = "ab".repeat(20);
        let many: Choices = (0..17).map(|number| (number.to_string(), String::new())).collect();
        let many = serde_json::to_string(&many).unwrap();
        for (key, value) in [
            ("film/x/3".to_owned(), "{}"),
            (format!("film/{hash}/-1"), "{}"),
            (format!("film/{hash}/3/4"), "{}"),
            (format!("film/{hash}"), "{}"),
            (format!("film/{hash}/3"), "noise"),
            (format!("film/{hash}/3"), "{\"positionMs\":-1}"),
            (format!("choices/{hash}/3"), "{}"),
            (format!("choices/{hash}"), &many),
            ("something else".to_owned(), "{}"),
        ] {
            let notes = Notes {
                notes: vec![Note { key: key.clone(), value: value.into(), at_ms: 1 }],
                set_aside: vec![],
            };
            assert!(book.update(&notes).is_empty(), "{key} {value}");
        }
        let note = Note { key: format!("film/{hash}/3"), value: "{\"later\":1}".into(), at_ms: 1 };
        assert_eq!(
            book.update(&Notes { notes: vec![note], set_aside: vec![] }).len(),
            1,
            "fields of a later version"
        );
    }
}
