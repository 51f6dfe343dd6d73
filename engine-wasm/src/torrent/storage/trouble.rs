//! Errors of the disk: what to tell the user, and when to retry automatically.
//!
//! A torrent with an error is stopped like a paused one: nothing is requested, verified bytes are
//! served, and begun pieces are neither forgotten nor downloaded again. Errors that may pass (a
//! full disk, a read-only or missing folder) are retried, first soon and then seldom; every few
//! seconds while a player waits. The user's Resume retries at once.

use std::time::Duration;

use shared_proto::io::{OpError, OpErrorKind};

use crate::time::Instant;
use crate::view::{Sentence, Trouble as Kind};

/// Returns an error's kind, its sentence for the user, and whether it may pass. An error that may
/// pass needs no act of the user.
pub(in crate::torrent) fn trouble_of(error: &OpError) -> (Kind, Sentence, bool) {
    let why = error.into();
    match error.kind {
        OpErrorKind::Full => (Kind::DiskFull, Sentence::DiskFull, true),
        OpErrorKind::Denied => (Kind::ReadOnly, Sentence::ReadOnly { why }, true),
        OpErrorKind::NotFound => (Kind::FolderMissing, Sentence::FolderMissing, true),
        // The daemon's message names the folder.
        OpErrorKind::Absent => (Kind::FolderMissing, Sentence::DiskMissing { why }, true),
        OpErrorKind::Busy => (Kind::FileBusy, Sentence::FileBusy, true),
        OpErrorKind::Name => (Kind::BadName, Sentence::BadName { why }, false),
        OpErrorKind::Other => (Kind::DiskError, Sentence::DiskProblem { why }, true),
        _ => (Kind::DiskError, Sentence::DiskProblemStays { why }, false),
    }
}

/// A rejected player that still waits repeats its request within this time.
const RETURNS_WITHIN: Duration = Duration::from_secs(60);

/// Interval between retries while a player waits.
const AWAITED: Duration = Duration::from_secs(5);

/// Longest delay between retries; each is twice the one before. Inspecting many files takes work.
const LAST: Duration = Duration::from_secs(300);

/// Delay before the first retry.
const FIRST: Duration = Duration::from_secs(5);

/// When the torrent retries.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    again: Option<Instant>,
    /// When the torrent began to wait.
    since: Instant,
    /// When a player last requested missing bytes.
    awaited: Option<Instant>,
    /// The last delay.
    wait: Option<Duration>,
}

impl Trouble {
    /// Returns when to retry.
    pub(super) fn again_at(&self) -> Option<Instant> {
        self.again
    }

    /// Cancels the next retry, if one is due.
    pub(super) fn call_off(&mut self) {
        self.again = None;
    }

    /// Forgets the error: no retry is due, and the next error is a new one.
    pub(super) fn forget(&mut self) {
        (self.again, self.wait) = (None, None);
    }

    /// A write succeeded: the next error is a new one.
    ///
    /// Ignored while a retry is due: writes that began before the error may still succeed, and the
    /// retry is needed all the same.
    pub(super) fn is_over(&mut self) {
        if self.again.is_none() {
            self.wait = None;
        }
    }

    pub(super) fn wait(&mut self, now: Instant) {
        let wait = self.wait.map_or(FIRST, |wait| LAST.min(wait * 2));
        (self.wait, self.again, self.since) = (Some(wait), Some(now + wait), now);
        self.hurry();
    }

    pub(super) fn await_it(&mut self, now: Instant) {
        self.awaited = Some(now);
        self.hurry();
    }

    /// Retries soon if a player waits.
    fn hurry(&mut self) {
        let is_awaited = self
            .awaited
            .is_some_and(|awaited| self.since.saturating_since(awaited) < RETURNS_WITHIN);
        if is_awaited {
            self.again = self.again.map(|again| again.min(self.since + AWAITED));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_become_rarer_until_one_succeeds() {
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
    fn a_waiting_player_causes_retries_every_five_seconds() {
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
            "a player that waited a minute ago has left"
        );
    }

    #[test]
    fn a_late_successful_write_does_not_cancel_the_retry() {
        let mut trouble = Trouble::default();
        trouble.wait(Instant(0));
        trouble.is_over();
        assert_eq!(trouble.again, Some(Instant(0) + FIRST));
    }

    #[test]
    fn only_errors_that_may_pass_are_retried() {
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
