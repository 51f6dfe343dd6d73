//! A torrent and trouble with its disk: what to tell of it, and going on by itself when it may be
//! over.
//!
//! A torrent in trouble is stopped as a paused one is: nothing is asked for, what is verified is
//! served, and what was begun is neither forgotten nor fetched again. Trouble that may pass by
//! itself (a full disk, a folder that can't be written or is not there) is tried again, soon at
//! first and then seldom; while a player waits for the torrent, every few seconds. A person's
//! resume tries at once.

use std::time::Duration;

use shared_proto::io::{OpError, OpErrorKind};

use super::Storage;
use crate::geometry::FileIndex;
use crate::time::Instant;
use crate::torrent::content::Content;
use crate::view::{Sentence, Trouble as Kind};

/// What kind of trouble it is, what to tell the user, and whether it may pass by itself.
pub(in crate::torrent) fn trouble_of(error: &OpError) -> (Kind, Sentence, bool) {
    let why = error.into();
    match error.kind {
        OpErrorKind::Full => (Kind::DiskFull, Sentence::DiskFull, true),
        OpErrorKind::Denied => (Kind::ReadOnly, Sentence::ReadOnly { why }, true),
        OpErrorKind::NotFound => (Kind::FolderMissing, Sentence::FolderMissing, true),
        // The daemon names the folder.
        OpErrorKind::Absent => (Kind::FolderMissing, Sentence::DiskMissing { why }, true),
        OpErrorKind::Busy => (Kind::FileBusy, Sentence::FileBusy, true),
        OpErrorKind::Name => (Kind::BadName, Sentence::BadName { why }, false),
        OpErrorKind::Other => (Kind::DiskError, Sentence::DiskProblem { why }, true),
        _ => (Kind::DiskError, Sentence::DiskProblemStays { why }, false),
    }
}

/// A player that was turned away asks again within this time, if it still waits.
const RETURNS_WITHIN: Duration = Duration::from_secs(60);

/// How often to try while a player waits.
const AWAITED: Duration = Duration::from_secs(5);

/// Each further try comes after twice as long, and never after longer than this: looking at many
/// files is work.
const LAST: Duration = Duration::from_secs(300);

/// The first try comes after this.
const FIRST: Duration = Duration::from_secs(5);

/// When the torrent is tried again.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    again: Option<Instant>,
    /// When the torrent began to wait.
    since: Instant,
    /// When a player last asked for what is not there.
    awaited: Option<Instant>,
    /// How long the last wait was.
    wait: Option<Duration>,
}

impl Trouble {
    /// Something could be written: the next trouble is a new one. While a try is due this is no
    /// news: what had begun before the trouble may still succeed, and the try has to come all the
    /// same.
    fn is_over(&mut self) {
        if self.again.is_none() {
            self.wait = None;
        }
    }

    fn wait(&mut self, now: Instant) {
        let wait = self.wait.map_or(FIRST, |wait| LAST.min(wait * 2));
        (self.wait, self.again, self.since) = (Some(wait), Some(now + wait), now);
        self.hurry();
    }

    fn await_it(&mut self, now: Instant) {
        self.awaited = Some(now);
        self.hurry();
    }

    /// Tries soon if a player waits.
    fn hurry(&mut self) {
        let is_awaited = self
            .awaited
            .is_some_and(|awaited| self.since.saturating_since(awaited) < RETURNS_WITHIN);
        if is_awaited {
            self.again = self.again.map(|again| again.min(self.since + AWAITED));
        }
    }
}

impl Storage {
    /// When to try again after trouble that may pass.
    pub(in crate::torrent) fn tried_again_at(&self) -> Option<Instant> {
        self.trouble.again
    }

    /// Calls the next try off, if one is due.
    pub(in crate::torrent) fn call_try_off(&mut self) {
        self.trouble.again = None;
    }

    /// Waits for trouble to pass: longer each time.
    pub(in crate::torrent) fn wait_for_disk(&mut self, now: Instant) {
        self.trouble.wait(now);
    }

    /// What was fetched could be written: the next trouble is a new one.
    pub(in crate::torrent) fn has_written(&mut self) {
        self.trouble.is_over();
    }

    /// A person does something about the trouble: no try is due, and the next trouble is a new one.
    pub(in crate::torrent) fn forget_trouble(&mut self) {
        (self.trouble.again, self.trouble.wait) = (None, None);
    }

    /// A player asks for what is not there: a try that is due comes soon.
    pub(in crate::torrent) fn await_disk(&mut self, now: Instant) {
        self.trouble.await_it(now);
    }

    /// What to tell the user about files that are missing.
    pub(in crate::torrent) fn says_missing(
        &self,
        content: &Content,
        files: &[FileIndex],
    ) -> Sentence {
        let first = files.first().map(|&file| self.shown_path(content, file).join("/"));
        let others = files.len().saturating_sub(1);
        Sentence::FilesMissing { name: first.unwrap_or_default(), others }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_become_rarer_until_one_succeeds() {
        let mut trouble = Trouble::default();
        let waits: Vec<u64> = (0..9)
            .map(|_| {
                trouble.wait(Instant(0));
                trouble.again.unwrap().0 / 1_000_000
            })
            .collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        trouble.again = None;
        trouble.is_over();
        trouble.wait(Instant(0));
        assert_eq!(trouble.again, Some(Instant(0) + FIRST));
    }

    #[test]
    fn while_somebody_waits_it_is_tried_every_five_seconds_and_then_seldom_again() {
        let mut trouble = Trouble::default();
        let mut now = Instant(0);
        let mut next = |trouble: &mut Trouble| {
            trouble.wait(now);
            let wait = trouble.again.unwrap().saturating_since(now);
            now = trouble.again.unwrap();
            wait.as_secs()
        };
        for _ in 0..6 {
            next(&mut trouble);
        }
        assert_eq!(next(&mut trouble), 300);
        trouble.wait(Instant(0));
        trouble.await_it(Instant(2_000_000));
        assert_eq!(trouble.again, Some(Instant(0) + AWAITED), "the try that is due comes sooner");
        let mut now = Instant(2_000_000);
        let mut waits = Vec::new();
        for _ in 0..16 {
            trouble.wait(now);
            waits.push(trouble.again.unwrap().saturating_since(now).as_secs());
            now = trouble.again.unwrap();
        }
        assert_eq!(
            (&waits[..12], waits[15]),
            (&[5; 12][..], 300),
            "whoever waited a minute ago is gone"
        );
    }

    #[test]
    fn a_write_that_succeeds_after_the_trouble_does_not_call_the_next_try_off() {
        let mut trouble = Trouble::default();
        trouble.wait(Instant(0));
        trouble.is_over();
        assert_eq!(trouble.again, Some(Instant(0) + FIRST));
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let check = |kind, may_pass| {
            assert_eq!(trouble_of(&OpError { kind, message: "x".into() }).2, may_pass, "{kind:?}")
        };
        check(OpErrorKind::Full, true);
        check(OpErrorKind::Denied, true);
        check(OpErrorKind::NotFound, true);
        check(OpErrorKind::Absent, true);
        check(OpErrorKind::Busy, true);
        check(OpErrorKind::Name, false);
        check(OpErrorKind::Exists, false);
        check(OpErrorKind::Limit, false);
        check(OpErrorKind::Other, true);
    }
}
