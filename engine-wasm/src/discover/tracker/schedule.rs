//! When to announce to which tracker (BEP 12), and when to scrape (BEP 48).
//!
//! Owns the tiers, the times and each tracker's latest answer; never a socket or a clock.
//! Invariants: each tracker has at most one pending announce; a tracker that failed is not asked
//! during its back-off, or for as long as it demands (BEP 31); it receives `stopped` only if it may
//! have received `started`.
//!
//! A *round* asks trackers in order, tier by tier, until one names peers. The next tracker is asked
//! when one fails, and also when one has been silent for [`STAGGER`], so that a hanging tracker
//! delays nothing. The tracker that answers moves to the front of its tier and sets the time of the
//! next round.

use std::time::Duration;

use rand::{Rng, RngExt};

use super::url::TrackerUrl;
use super::{AnnounceResponse, Counts, Event, Retry, TrackerError};
use crate::metainfo::torrent::MAX_URLS;
use crate::time::Instant;
use crate::view::{Sentence, TrackerState, TrackerView};

/// Back-off after a tracker's first failure; each further failure doubles it.
pub(crate) const FIRST_RETRY: Duration = Duration::from_secs(15);
/// Longest back-off, unless the tracker asks for more.
pub(crate) const MAX_RETRY: Duration = Duration::from_secs(1800);
/// Longest back-off that a tracker may ask for, other than "never".
const MAX_ASKED_RETRY: Duration = Duration::from_secs(24 * 3600);
/// Minimum time between announces that the user starts, unless the tracker sets its own.
pub(crate) const BY_HAND: Duration = Duration::from_secs(60);
/// After this silence the next tracker is asked as well.
pub(crate) const STAGGER: Duration = Duration::from_millis(1500);
/// Time between two scrapes of a tracker that receives no announces.
const SCRAPE_EVERY: Duration = Duration::from_secs(1800);

/// A tracker of one torrent, numbered in order of addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TrackerId(u32);

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

#[derive(Debug)]
struct Tracker {
    id: TrackerId,
    url: TrackerUrl,
    /// Whether the tracker may have received `started`.
    started: bool,
    /// The tracker must still be told that the download is complete.
    completion_untold: bool,
    /// The tracker must still be told our new port or address.
    move_untold: bool,
    underway: bool,
    /// The user wants this tracker asked, whatever the round does.
    asked_for: bool,
    /// Whether it was asked in this round.
    tried: bool,
    /// Failures in a row.
    failures: u32,
    /// After a failure: not asked before this time.
    retry_at: Instant,
    /// Not asked before this time, not even for the user.
    by_hand_at: Instant,
    /// The tracker asked never to be asked again.
    gone: bool,
    /// After an answer: not asked before this time.
    next_at: Option<Instant>,
    tracker_id: Option<Vec<u8>>,
    counts: Counts,
    /// When its numbers of peers arrived or were requested.
    counted_at: Option<Instant>,
    says: Option<Sentence>,
}

impl Tracker {
    fn new(id: TrackerId, url: TrackerUrl) -> Self {
        Self {
            id,
            url,
            started: false,
            completion_untold: false,
            move_untold: false,
            underway: false,
            asked_for: false,
            tried: false,
            failures: 0,
            retry_at: Instant::default(),
            by_hand_at: Instant::default(),
            gone: false,
            next_at: None,
            tracker_id: None,
            counts: Counts::default(),
            counted_at: None,
            says: None,
        }
    }

    fn is_usable(&self, now: Instant) -> bool {
        !self.gone && !self.underway && self.retry_at <= now
    }

    /// When the tracker may be asked again; `None` for never.
    fn next_turn(&self) -> Option<Instant> {
        (!self.gone).then(|| self.next_at.unwrap_or_default().max(self.retry_at))
    }

    fn announce(&self, event: Option<Event>) -> Announce {
        let Self { id, ref url, ref tracker_id, failures, .. } = *self;
        Announce { id, event, url: url.clone(), tracker_id: tracker_id.clone(), failures }
    }
}

/// The trackers of one torrent.
#[derive(Debug)]
pub(crate) struct TrackerSchedule {
    tiers: Vec<Vec<Tracker>>,
    count: u32,
    /// When the next round begins.
    due: Instant,
    /// In a round: when to ask the next tracker although one is pending.
    round: Option<Instant>,
}

impl TrackerSchedule {
    /// The trackers of a torrent, each tier shuffled. The first announce is due at once.
    pub(crate) fn new(tiers: Vec<Vec<String>>, rng: &mut impl Rng, now: Instant) -> Self {
        let mut schedule = Self { tiers: Vec::new(), count: 0, due: now, round: None };
        for mut tier in tiers {
            shuffle(&mut tier, rng);
            schedule.push(tier);
        }
        schedule
    }

    /// Whether there is no tracker.
    pub(crate) fn is_empty(&self) -> bool {
        self.tiers.is_empty()
    }

    /// Adds tiers behind the existing ones, without trackers that are known. Due at once if no
    /// tracker has answered yet.
    pub(crate) fn add(&mut self, tiers: Vec<Vec<String>>, now: Instant) {
        tiers.into_iter().for_each(|tier| self.push(tier));
        if self.all().all(|tracker| !tracker.started) {
            self.due = now;
        }
    }

    /// Adds tiers that the user named. Each new tracker is asked at once, even while another one
    /// works.
    pub(crate) fn add_by_hand(&mut self, tiers: Vec<Vec<String>>, now: Instant) {
        let (first, works) = (self.count, self.all().any(|tracker| tracker.started));
        self.add(tiers, now);
        let new = self.all_mut().filter(|tracker| works && tracker.id.0 >= first);
        new.for_each(|tracker| tracker.asked_for = true);
    }

    /// Removes trackers; returns goodbyes for those that know us or are about to.
    pub(crate) fn remove(&mut self, urls: &[String]) -> Vec<Announce> {
        let is_meant = |tracker: &Tracker| urls.iter().any(|url| url == tracker.url.as_str());
        let knowing =
            self.all().filter(|tracker| is_meant(tracker) && (tracker.started || tracker.underway));
        let goodbyes = knowing.map(|tracker| tracker.announce(Some(Event::Stopped))).collect();
        self.tiers.iter_mut().for_each(|tier| tier.retain(|tracker| !is_meant(tracker)));
        self.tiers.retain(|tier| !tier.is_empty());
        goodbyes
    }

    /// Makes all trackers due that may be asked now, because the user wants it.
    ///
    /// Returns their number, including those with a pending announce.
    ///
    /// # Errors
    /// No tracker may be asked now: the time until the first one may, or `None` for never.
    pub(crate) fn begin_by_hand(&mut self, now: Instant) -> Result<u32, Option<Duration>> {
        let may = |tracker: &Tracker| !tracker.gone && tracker.by_hand_at <= now;
        let count = self.all().filter(|tracker| tracker.underway || may(tracker)).count();
        if count == 0 {
            let first =
                self.all().filter(|tracker| !tracker.gone).map(|tracker| tracker.by_hand_at).min();
            return Err(first.map(|at| at.saturating_since(now)));
        }
        for tracker in self.all_mut().filter(|tracker| !tracker.underway && may(tracker)) {
            (tracker.tried, tracker.next_at, tracker.retry_at) = (false, None, now);
            tracker.asked_for = true;
        }
        if self.round.is_none() {
            self.due = now;
        }
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// The URLs of all trackers, tier by tier.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.all().map(|tracker| tracker.url.as_str().to_owned()).collect()
    }

    /// The next announce that is due; call it until it returns `None`.
    /// [`TrackerSchedule::succeeded`] or [`TrackerSchedule::failed`] must follow each.
    pub(crate) fn poll_announce(&mut self, now: Instant) -> Option<Announce> {
        if let Some(tracker) =
            self.all_mut().find(|tracker| tracker.completion_untold && tracker.is_usable(now))
        {
            (tracker.underway, tracker.completion_untold, tracker.move_untold) =
                (true, false, false);
            return Some(tracker.announce(Some(Event::Completed)));
        }
        let is_moved = |tracker: &&mut Tracker| {
            tracker.move_untold && tracker.started && tracker.is_usable(now)
        };
        if let Some(tracker) = self.all_mut().find(is_moved) {
            (tracker.underway, tracker.move_untold) = (true, false);
            return Some(tracker.announce(None));
        }
        if let Some(tracker) =
            self.all_mut().find(|tracker| tracker.asked_for && tracker.is_usable(now))
        {
            (tracker.underway, tracker.asked_for, tracker.tried) = (true, false, true);
            return Some(tracker.announce((!tracker.started).then_some(Event::Started)));
        }
        let Some(next_start) = self.round else {
            if now < self.due || self.is_empty() {
                return None;
            }
            self.all_mut().for_each(|tracker| tracker.tried = false);
            self.round = Some(now);
            return self.poll_announce(now);
        };
        if now < next_start && self.is_asking() {
            return None;
        }
        let is_due = |tracker: &&mut Tracker| {
            !tracker.tried && tracker.is_usable(now) && tracker.next_at.is_none_or(|at| at <= now)
        };
        let Some(tracker) = self.tiers.iter_mut().flatten().find(is_due) else {
            if !self.is_asking() {
                self.end_round(None, now);
            }
            return None;
        };
        (tracker.tried, tracker.underway) = (true, true);
        let announce = tracker.announce((!tracker.started).then_some(Event::Started));
        self.round = Some(now + STAGGER);
        Some(announce)
    }

    /// The scrape that is due now. It asks the first tracker of a tier that no announce reaches.
    pub(crate) fn poll_scrape(&mut self, now: Instant) -> Option<Scrape> {
        if self.round.is_some() || self.all().all(|tracker| !tracker.started) {
            return None;
        }
        let fresh = |tracker: &Tracker| {
            tracker.counted_at.is_some_and(|at| now.saturating_since(at) < SCRAPE_EVERY)
        };
        let firsts = self.tiers.iter_mut().filter_map(|tier| tier.first_mut());
        let tracker =
            firsts.into_iter().find(|tracker| tracker.is_usable(now) && !fresh(tracker))?;
        tracker.counted_at = Some(now);
        Some(Scrape { id: tracker.id, url: tracker.url.clone() })
    }

    /// When [`TrackerSchedule::poll_announce`] may next return something, if nothing happens
    /// before. `None` without trackers.
    #[cfg(test)]
    pub(crate) fn next_announce(&self) -> Option<Instant> {
        let asked_for =
            self.all().filter(|tracker| tracker.asked_for && !tracker.gone && !tracker.underway);
        let round = (!self.is_empty()).then(|| self.round.unwrap_or(self.due));
        asked_for.map(|tracker| tracker.retry_at).chain(round).min()
    }

    /// The tracker answered.
    pub(crate) fn succeeded(&mut self, id: TrackerId, answer: &AnnounceResponse, now: Instant) {
        let next_at = now + answer.interval;
        let Some(tracker) = self.answered(id) else { return };
        (tracker.started, tracker.failures, tracker.next_at) = (true, 0, Some(next_at));
        tracker.by_hand_at = now + answer.min_interval.unwrap_or(BY_HAND.min(answer.interval));
        tracker.says = answer.warning.clone().map(|warning| Sentence::TrackerWarns { warning });
        if answer.tracker_id.is_some() {
            tracker.tracker_id.clone_from(&answer.tracker_id);
        }
        if answer.counts != Counts::default() {
            (tracker.counts, tracker.counted_at) = (answer.counts, Some(now));
        }
        self.move_to_front(id);
        // A tracker that knows no peers does not stop the round.
        if self.round.is_some() && !answer.peers.is_empty() {
            self.end_round(Some(next_at), now);
        }
    }

    /// The tracker did not answer, or refused.
    ///
    /// The next tracker is due at once; if none is left, the one whose back-off ends first.
    pub(crate) fn failed(&mut self, id: TrackerId, error: &TrackerError, now: Instant) {
        let Some(tracker) = self.answered(id) else { return };
        tracker.failures = tracker.failures.saturating_add(1);
        tracker.says = Some(error.says());
        match error.retry() {
            Some(Retry::Never) => tracker.gone = true,
            Some(Retry::In(pause)) => {
                tracker.retry_at = now + pause.clamp(FIRST_RETRY, MAX_ASKED_RETRY)
            }
            None => tracker.retry_at = now + retry_after(tracker.failures),
        }
        // The user may override our own back-off, but not the tracker's.
        tracker.by_hand_at =
            if error.retry().is_some() { tracker.retry_at } else { now + FIRST_RETRY };
        if self.round.is_some() {
            self.round = Some(now);
        }
    }

    /// A tracker answered a scrape.
    pub(crate) fn scraped(&mut self, id: TrackerId, counts: Counts) {
        if let Some(tracker) = self.all_mut().find(|tracker| tracker.id == id) {
            tracker.counts = counts;
        }
    }

    /// The download is complete: trackers that know us must be told.
    pub(crate) fn completed(&mut self) {
        for tracker in self.all_mut() {
            tracker.completion_untold = tracker.started || tracker.underway;
        }
    }

    /// Our port or address has changed: trackers that know us must be told.
    pub(crate) fn moved(&mut self) {
        for tracker in self.all_mut() {
            tracker.move_untold = tracker.started || tracker.underway;
        }
    }

    /// The link to the daemon is lost. Pending announces are due again at once, without a failure.
    pub(crate) fn unlink(&mut self, now: Instant) {
        self.round = None;
        if self.is_asking() {
            self.due = now;
        }
        self.all_mut().for_each(|tracker| tracker.underway = false);
    }

    /// The torrent stops; returns goodbyes for trackers that know us or are about to. A later poll
    /// starts anew at once.
    pub(crate) fn stop(&mut self, now: Instant) -> Vec<Announce> {
        let knowing = self.all().filter(|tracker| tracker.started || tracker.underway);
        let goodbyes = knowing.map(|tracker| tracker.announce(Some(Event::Stopped))).collect();
        for tracker in self.all_mut() {
            (tracker.started, tracker.underway, tracker.next_at) = (false, false, None);
            (tracker.completion_untold, tracker.move_untold) = (false, false);
            tracker.asked_for = false;
        }
        (self.round, self.due) = (None, now);
        goodbyes
    }

    /// The error of the first failed tracker, if no tracker works. `None` while any is being asked
    /// for the first time.
    pub(crate) fn trouble(&self) -> Option<&Sentence> {
        let hopeful = self
            .all()
            .any(|tracker| tracker.failures == 0 && (tracker.started || tracker.underway));
        let failed = self.all().find(|tracker| tracker.failures > 0);
        failed.filter(|_| !hopeful).and_then(|tracker| tracker.says.as_ref())
    }

    /// The trackers as pages show them.
    pub(crate) fn views(&self, now: Instant) -> Vec<TrackerView> {
        let tiers = (0u32..).zip(&self.tiers);
        let all =
            tiers.flat_map(|(tier, trackers)| trackers.iter().map(move |tracker| (tier, tracker)));
        all.map(|(tier, tracker)| view(tier, tracker, now)).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Tracker> {
        self.tiers.iter().flatten()
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Tracker> {
        self.tiers.iter_mut().flatten()
    }

    fn is_asking(&self) -> bool {
        self.all().any(|tracker| tracker.underway)
    }

    /// Takes the tracker of that number if its announce is pending. It is then no longer pending.
    fn answered(&mut self, id: TrackerId) -> Option<&mut Tracker> {
        let tracker = self.all_mut().find(|tracker| tracker.id == id)?;
        std::mem::take(&mut tracker.underway).then_some(tracker)
    }

    fn move_to_front(&mut self, id: TrackerId) {
        for tier in &mut self.tiers {
            if let Some(at) = tier.iter().position(|tracker| tracker.id == id) {
                tier[..=at].rotate_right(1);
            }
        }
    }

    /// Ends the round. The next one begins at `due`, or as soon as a tracker may be asked again.
    fn end_round(&mut self, due: Option<Instant>, now: Instant) {
        self.round = None;
        let next = self.all().filter_map(Tracker::next_turn).min();
        self.due = due.or(next).unwrap_or(now + MAX_ASKED_RETRY).max(now);
    }

    fn push(&mut self, tier: Vec<String>) {
        let mut fresh: Vec<Tracker> = Vec::new();
        for url in tier.iter().filter_map(|url| TrackerUrl::parse(url)) {
            let known = self.all().chain(&fresh).any(|tracker| tracker.url == url);
            if !known && self.all().count() + fresh.len() < MAX_URLS {
                fresh.push(Tracker::new(TrackerId(self.count), url));
                self.count += 1;
            }
        }
        if !fresh.is_empty() {
            self.tiers.push(fresh);
        }
    }
}

fn view(tier: u32, tracker: &Tracker, now: Instant) -> TrackerView {
    let state = match tracker {
        Tracker { underway: true, .. } => TrackerState::Asking,
        Tracker { failures: 1.., .. } => TrackerState::Failing,
        Tracker { started: true, .. } => TrackerState::Working,
        _ => TrackerState::Idle,
    };
    let next = tracker
        .next_turn()
        .filter(|_| state == TrackerState::Working || state == TrackerState::Failing);
    TrackerView {
        url: tracker.url.as_str().to_owned(),
        tier,
        state,
        next_announce_s: next
            .map(|at| u32::try_from(at.saturating_since(now).as_secs()).unwrap_or(u32::MAX)),
        seeders: tracker.counts.seeders,
        leechers: tracker.counts.leechers,
        message: tracker.says.as_ref().map(Sentence::to_string),
        says: tracker.says.clone(),
    }
}

fn shuffle<T>(tier: &mut [T], rng: &mut impl Rng) {
    for at in (1..tier.len()).rev() {
        tier.swap(at, rng.random_range(0..=at));
    }
}

fn retry_after(failures: u32) -> Duration {
    let doubled = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_RETRY.saturating_mul(doubled).min(MAX_RETRY)
}

#[cfg(test)]
mod tests;
