//! One tracker of a torrent: its knowledge of us, its times, and its last answer.
//!
//! Knows no other tracker and no round. Invariant: at most one announce is pending.

use std::time::Duration;

use crate::discover::tracker::status::{Activity, Said, TrackerStatus};
use crate::discover::tracker::url::TrackerUrl;
use crate::discover::tracker::{AnnounceResponse, Counts, Event, Retry, TrackerError};
use crate::time::Instant;

/// Back-off after a tracker's first failure; each further failure doubles it.
const FIRST_RETRY: Duration = Duration::from_secs(15);
/// Longest back-off, unless the tracker asks for more.
pub(super) const MAX_RETRY: Duration = Duration::from_secs(1800);
/// Longest back-off that a tracker may ask for, other than "never".
pub(super) const MAX_ASKED_RETRY: Duration = Duration::from_secs(24 * 3600);
/// Minimum time between announces that the user starts, unless the tracker sets its own.
const BY_HAND: Duration = Duration::from_secs(60);
/// Time between two scrapes of a tracker that receives no announces.
const SCRAPE_EVERY: Duration = Duration::from_secs(1800);

/// A tracker of one torrent, numbered in order of addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TrackerId(pub(super) u32);

/// One announce to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Announce {
    /// Which tracker.
    pub id: TrackerId,
    /// The event to report.
    pub event: Option<Event>,
    /// The tracker's URL.
    pub url: TrackerUrl,
    /// The `trackerid` of its last answer.
    pub tracker_id: Option<Vec<u8>>,
    /// Failures in a row: after a failure another of its addresses may be better.
    pub failures: u32,
}

/// One scrape to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scrape {
    /// Which tracker.
    pub id: TrackerId,
    /// The tracker's URL.
    pub url: TrackerUrl,
}

/// What the tracker knows about us.
#[derive(Debug, Default)]
struct Standing {
    /// Whether the tracker may have received `started`.
    started: bool,
    /// Whether it must still learn that the download is complete.
    completion_untold: bool,
    /// Whether it must still learn our new port or address.
    move_untold: bool,
}

/// When the tracker may be asked.
#[derive(Debug, Default)]
struct Turns {
    /// Failures in a row.
    failures: u32,
    /// After a failure: not asked before this time.
    retry_at: Instant,
    /// Not asked before this time, not even for the user.
    by_hand_at: Instant,
    /// After an answer: not asked before this time.
    next_at: Option<Instant>,
    /// Whether the tracker asked never to be asked again.
    gone: bool,
}

/// What the tracker answered.
#[derive(Debug, Default)]
struct Answers {
    tracker_id: Option<Vec<u8>>,
    counts: Counts,
    /// When its numbers of peers arrived or were requested.
    counted_at: Option<Instant>,
    said: Option<Said>,
}

/// One tracker of a torrent.
#[derive(Debug)]
pub(super) struct Tracker {
    id: TrackerId,
    url: TrackerUrl,
    underway: bool,
    /// Whether the user wants this tracker asked, whatever the round does.
    asked_for: bool,
    /// Whether it was asked in this round.
    tried: bool,
    standing: Standing,
    turns: Turns,
    answers: Answers,
}

impl Tracker {
    /// Creates a tracker that was never asked.
    pub(super) fn new(id: TrackerId, url: TrackerUrl) -> Self {
        Self {
            id,
            url,
            underway: false,
            asked_for: false,
            tried: false,
            standing: Standing::default(),
            turns: Turns::default(),
            answers: Answers::default(),
        }
    }

    /// Its number.
    pub(super) fn id(&self) -> TrackerId {
        self.id
    }

    /// Its URL.
    pub(super) fn url(&self) -> &TrackerUrl {
        &self.url
    }

    /// Whether an announce is pending.
    pub(super) fn is_underway(&self) -> bool {
        self.underway
    }

    /// Whether the tracker knows us.
    pub(super) fn knows_us(&self) -> bool {
        self.standing.started
    }

    /// Whether the tracker knows us or is about to.
    pub(super) fn may_know_us(&self) -> bool {
        self.standing.started || self.underway
    }

    /// When the tracker may be asked again; `None` for never.
    pub(super) fn next_turn(&self) -> Option<Instant> {
        let Turns { next_at, retry_at, gone, .. } = self.turns;
        (!gone).then(|| next_at.unwrap_or_default().max(retry_at))
    }

    /// When to ask the tracker for the user. `None` if the user has not requested it.
    #[cfg(test)]
    pub(super) fn asked_for_at(&self) -> Option<Instant> {
        let is_due = self.asked_for && !self.turns.gone && !self.underway;
        is_due.then_some(self.turns.retry_at)
    }

    /// When the user may have the tracker asked; `None` for never.
    pub(super) fn by_hand_at(&self) -> Option<Instant> {
        (!self.turns.gone).then_some(self.turns.by_hand_at)
    }

    /// Makes the tracker due because the user wants it, whatever the round does.
    pub(super) fn ask_for(&mut self) {
        self.asked_for = true;
    }

    /// Makes the tracker due at once, as the user wants. This holds for the next round, too.
    pub(super) fn ask_by_hand(&mut self, now: Instant) {
        (self.tried, self.asked_for) = (false, true);
        (self.turns.next_at, self.turns.retry_at) = (None, now);
    }

    /// A round begins.
    pub(super) fn begin_round(&mut self) {
        self.tried = false;
    }

    /// Takes the announce that the download is complete, if it is due.
    pub(super) fn take_completion(&mut self, now: Instant) -> Option<Announce> {
        if !self.standing.completion_untold || !self.is_usable(now) {
            return None;
        }
        self.underway = true;
        (self.standing.completion_untold, self.standing.move_untold) = (false, false);
        Some(self.announce(Some(Event::Completed)))
    }

    /// Takes the announce of our new port or address, if it is due.
    pub(super) fn take_move(&mut self, now: Instant) -> Option<Announce> {
        let Standing { started, move_untold, .. } = self.standing;
        if !move_untold || !started || !self.is_usable(now) {
            return None;
        }
        (self.underway, self.standing.move_untold) = (true, false);
        Some(self.announce(None))
    }

    /// Takes the announce that the user wants, if it is due.
    pub(super) fn take_asked_for(&mut self, now: Instant) -> Option<Announce> {
        if !self.asked_for || !self.is_usable(now) {
            return None;
        }
        (self.underway, self.asked_for, self.tried) = (true, false, true);
        Some(self.announce(self.first_event()))
    }

    /// Takes the announce of the round. `None` if the tracker was asked in the round or may not be
    /// asked.
    pub(super) fn take_turn(&mut self, now: Instant) -> Option<Announce> {
        let is_due = self.turns.next_at.is_none_or(|at| at <= now);
        if self.tried || !is_due || !self.is_usable(now) {
            return None;
        }
        (self.underway, self.tried) = (true, true);
        Some(self.announce(self.first_event()))
    }

    /// The announce with which the tracker forgets us.
    pub(super) fn goodbye(&self) -> Announce {
        self.announce(Some(Event::Stopped))
    }

    /// Takes a scrape, if its numbers are old and it may be asked.
    pub(super) fn take_scrape(&mut self, now: Instant) -> Option<Scrape> {
        let is_fresh = |at: Instant| now.saturating_since(at) < SCRAPE_EVERY;
        if !self.is_usable(now) || self.answers.counted_at.is_some_and(is_fresh) {
            return None;
        }
        self.answers.counted_at = Some(now);
        Some(Scrape { id: self.id, url: self.url.clone() })
    }

    /// Ends the pending announce. Returns false if none was pending.
    pub(super) fn end(&mut self) -> bool {
        std::mem::take(&mut self.underway)
    }

    /// The tracker answered. Returns when its next announce is due.
    pub(super) fn succeeded(&mut self, answer: &AnnounceResponse, now: Instant) -> Instant {
        let next_at = now + answer.interval;
        self.standing.started = true;
        (self.turns.failures, self.turns.next_at) = (0, Some(next_at));
        let pause = answer.min_interval.unwrap_or(BY_HAND.min(answer.interval));
        self.turns.by_hand_at = now + pause;
        self.answers.said = answer.warning.clone().map(Said::Warning);
        if answer.tracker_id.is_some() {
            self.answers.tracker_id.clone_from(&answer.tracker_id);
        }
        if answer.counts != Counts::default() {
            (self.answers.counts, self.answers.counted_at) = (answer.counts, Some(now));
        }
        next_at
    }

    /// The tracker did not answer, or refused.
    pub(super) fn failed(&mut self, error: &TrackerError, now: Instant) {
        let turns = &mut self.turns;
        turns.failures = turns.failures.saturating_add(1);
        self.answers.said = Some(Said::Failure(error.clone()));
        match error.retry() {
            Some(Retry::Never) => turns.gone = true,
            Some(Retry::In(pause)) => {
                turns.retry_at = now + pause.clamp(FIRST_RETRY, MAX_ASKED_RETRY);
            }
            None => turns.retry_at = now + retry_after(turns.failures),
        }
        // The user may override our own back-off, but not the tracker's.
        turns.by_hand_at = if error.retry().is_some() { turns.retry_at } else { now + FIRST_RETRY };
    }

    /// The tracker answered a scrape.
    pub(super) fn scraped(&mut self, counts: Counts) {
        self.answers.counts = counts;
    }

    /// The download is complete: a tracker that knows us must learn it.
    pub(super) fn completed(&mut self) {
        self.standing.completion_untold = self.may_know_us();
    }

    /// Our port or address has changed: a tracker that knows us must learn it.
    pub(super) fn moved(&mut self) {
        self.standing.move_untold = self.may_know_us();
    }

    /// The torrent stops: the tracker will be asked from the beginning.
    pub(super) fn stop(&mut self) {
        self.standing = Standing::default();
        (self.underway, self.asked_for, self.turns.next_at) = (false, false, None);
    }

    /// Whether the tracker works, or is being asked for the first time.
    pub(super) fn is_hopeful(&self) -> bool {
        self.turns.failures == 0 && self.may_know_us()
    }

    /// Its error, if it failed.
    pub(super) fn error(&self) -> Option<&TrackerError> {
        match &self.answers.said {
            Some(Said::Failure(error)) if self.turns.failures > 0 => Some(error),
            _ => None,
        }
    }

    /// The state of the tracker.
    pub(super) fn status(&self, tier: u32, now: Instant) -> TrackerStatus {
        let activity = if self.underway {
            Activity::Asking
        } else if self.turns.failures > 0 {
            Activity::Failing
        } else if self.standing.started {
            Activity::Working
        } else {
            Activity::Idle
        };
        let shows_next = matches!(activity, Activity::Working | Activity::Failing);
        let next = self.next_turn().filter(|_| shows_next);
        TrackerStatus {
            url: self.url.as_str().to_owned(),
            tier,
            activity,
            next_announce: next.map(|at| at.saturating_since(now)),
            counts: self.answers.counts,
            said: self.answers.said.clone(),
        }
    }

    fn is_usable(&self, now: Instant) -> bool {
        !self.turns.gone && !self.underway && self.turns.retry_at <= now
    }

    fn first_event(&self) -> Option<Event> {
        (!self.standing.started).then_some(Event::Started)
    }

    fn announce(&self, event: Option<Event>) -> Announce {
        let (tracker_id, failures) = (self.answers.tracker_id.clone(), self.turns.failures);
        Announce { id: self.id, event, url: self.url.clone(), tracker_id, failures }
    }
}

/// The back-off after this many failures in a row.
pub(super) fn retry_after(failures: u32) -> Duration {
    let doubled = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_RETRY.saturating_mul(doubled).min(MAX_RETRY)
}
