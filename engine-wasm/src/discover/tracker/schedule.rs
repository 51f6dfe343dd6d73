//! When to announce to which tracker (BEP 12), and when to scrape (BEP 48).
//!
//! Owns the tiers and the rounds; never a socket or a clock. Each tracker's times and answers are
//! its own ([`entry`]). Invariants: each tracker has at most one pending announce. A tracker that
//! failed is not asked during its back-off, or for as long as it demands (BEP 31). A tracker
//! receives `stopped` only if it may have received `started`.
//!
//! A *round* asks trackers in order, tier by tier, until one names peers. The next tracker is asked
//! when one fails, and also when one is silent: at most [`STAGGER`] later, and at most [`SILENCE`]
//! later when all trackers are silent. A hanging tracker thus delays nothing. The tracker that
//! answers moves to the front of its tier and sets the time of the next round.

mod entry;

use std::time::Duration;

use rand::{Rng, RngExt};

use super::status::TrackerStatus;
use super::url::TrackerUrl;
use super::{AnnounceResponse, Counts, TrackerError};
use crate::metainfo::torrent::MAX_URLS;
use crate::time::Instant;
use entry::{MAX_ASKED_RETRY, Tracker};

pub(crate) use entry::{Announce, Scrape, TrackerId};

/// Longest silence of a tracker after which the next one is asked as well.
const STAGGER: Duration = Duration::from_millis(1500);
/// Longest time until the last tracker is asked when all trackers before it are silent.
const SILENCE: Duration = Duration::from_secs(3);
/// Longest delay of a poll after which a round still catches up with its plan.
const CATCH_UP: Duration = Duration::from_secs(2);

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
        if self.all().all(|tracker| !tracker.knows_us()) {
            self.due = now;
        }
    }

    /// Adds tiers that the user named. Each new tracker is asked at once, even while another one
    /// works.
    pub(crate) fn add_by_hand(&mut self, tiers: Vec<Vec<String>>, now: Instant) {
        let (first, works) = (self.count, self.all().any(Tracker::knows_us));
        self.add(tiers, now);
        let new = self.all_mut().filter(|tracker| works && tracker.id().0 >= first);
        new.for_each(Tracker::ask_for);
    }

    /// Removes trackers; returns goodbyes for those that know us or are about to.
    pub(crate) fn remove(&mut self, urls: &[String]) -> Vec<Announce> {
        let is_meant = |tracker: &Tracker| urls.iter().any(|url| url == tracker.url().as_str());
        let knowing = self.all().filter(|tracker| is_meant(tracker) && tracker.may_know_us());
        let goodbyes = knowing.map(Tracker::goodbye).collect();
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
        let may = |tracker: &Tracker| tracker.by_hand_at().is_some_and(|at| at <= now);
        let count = self.all().filter(|tracker| tracker.is_underway() || may(tracker)).count();
        if count == 0 {
            let first = self.all().filter_map(Tracker::by_hand_at).min();
            return Err(first.map(|at| at.saturating_since(now)));
        }
        let due = self.all_mut().filter(|tracker| !tracker.is_underway() && may(tracker));
        due.for_each(|tracker| tracker.ask_by_hand(now));
        if self.round.is_none() {
            self.due = now;
        }
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// The URLs of all trackers, tier by tier.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.all().map(|tracker| tracker.url().as_str().to_owned()).collect()
    }

    /// The next announce that is due; call it until it returns `None`.
    /// [`TrackerSchedule::succeeded`] or [`TrackerSchedule::failed`] must follow each.
    pub(crate) fn poll_announce(&mut self, now: Instant) -> Option<Announce> {
        let take_urgent: [fn(&mut Tracker, Instant) -> Option<Announce>; 3] =
            [Tracker::take_completion, Tracker::take_move, Tracker::take_asked_for];
        for take in take_urgent {
            if let Some(announce) = self.all_mut().find_map(|tracker| take(tracker, now)) {
                return Some(announce);
            }
        }
        let Some(next_start) = self.round else {
            if now < self.due || self.is_empty() {
                return None;
            }
            self.all_mut().for_each(Tracker::begin_round);
            self.round = Some(now);
            return self.poll_announce(now);
        };
        if now < next_start && self.is_asking() {
            return None;
        }
        let Some(announce) = self.all_mut().find_map(|tracker| tracker.take_turn(now)) else {
            if !self.is_asking() {
                self.end_round(None, now);
            }
            return None;
        };
        // The plan counts, not the time of the poll: polls may be rarer than turns.
        let planned = if now.saturating_since(next_start) > CATCH_UP { now } else { next_start };
        self.round = Some(planned + self.stagger());
        Some(announce)
    }

    /// After how much silence of one tracker the next one is asked.
    fn stagger(&self) -> Duration {
        let others = u32::try_from(self.all().count().saturating_sub(1)).unwrap_or(u32::MAX);
        STAGGER.min(SILENCE / others.max(1))
    }

    /// The scrape that is due now. It asks the first tracker of a tier that no announce reaches.
    pub(crate) fn poll_scrape(&mut self, now: Instant) -> Option<Scrape> {
        if self.round.is_some() || self.all().all(|tracker| !tracker.knows_us()) {
            return None;
        }
        let mut firsts = self.tiers.iter_mut().filter_map(|tier| tier.first_mut());
        firsts.find_map(|tracker| tracker.take_scrape(now))
    }

    /// When [`TrackerSchedule::poll_announce`] may next return something, if nothing happens
    /// before. `None` without trackers.
    #[cfg(test)]
    pub(crate) fn next_announce(&self) -> Option<Instant> {
        let round = (!self.is_empty()).then(|| self.round.unwrap_or(self.due));
        self.all().filter_map(Tracker::asked_for_at).chain(round).min()
    }

    /// The tracker answered.
    pub(crate) fn succeeded(&mut self, id: TrackerId, answer: &AnnounceResponse, now: Instant) {
        let Some(tracker) = self.answered(id) else { return };
        let next_at = tracker.succeeded(answer, now);
        self.move_to_front(id);
        // A tracker that knows no peers does not stop the round.
        let names_peers = !answer.peers.is_empty() || !answer.hosts.is_empty();
        if self.round.is_some() && names_peers {
            self.end_round(Some(next_at), now);
        }
    }

    /// The tracker did not answer, or refused.
    ///
    /// The next tracker is due at once; if none is left, the one whose back-off ends first.
    pub(crate) fn failed(&mut self, id: TrackerId, error: &TrackerError, now: Instant) {
        let Some(tracker) = self.answered(id) else { return };
        tracker.failed(error, now);
        if self.round.is_some() {
            self.round = Some(now);
        }
    }

    /// A tracker answered a scrape.
    pub(crate) fn scraped(&mut self, id: TrackerId, counts: Counts) {
        if let Some(tracker) = self.all_mut().find(|tracker| tracker.id() == id) {
            tracker.scraped(counts);
        }
    }

    /// The download is complete: trackers that know us must be told.
    pub(crate) fn completed(&mut self) {
        self.all_mut().for_each(Tracker::completed);
    }

    /// Our port or address has changed: trackers that know us must be told.
    pub(crate) fn moved(&mut self) {
        self.all_mut().for_each(Tracker::moved);
    }

    /// The link to the daemon is lost. Pending announces are due again at once, without a failure.
    pub(crate) fn unlink(&mut self, now: Instant) {
        self.round = None;
        if self.is_asking() {
            self.due = now;
        }
        self.all_mut().for_each(|tracker| {
            tracker.end();
        });
    }

    /// The torrent stops; returns goodbyes for trackers that know us or are about to. A later poll
    /// starts anew at once.
    pub(crate) fn stop(&mut self, now: Instant) -> Vec<Announce> {
        let knowing = self.all().filter(|tracker| tracker.may_know_us());
        let goodbyes = knowing.map(Tracker::goodbye).collect();
        self.all_mut().for_each(Tracker::stop);
        (self.round, self.due) = (None, now);
        goodbyes
    }

    /// The error of the first failed tracker, if no tracker works. `None` while any is being asked
    /// for the first time.
    pub(crate) fn trouble(&self) -> Option<&TrackerError> {
        if self.all().any(Tracker::is_hopeful) {
            return None;
        }
        self.all().find_map(Tracker::error)
    }

    /// The state of each tracker.
    pub(crate) fn statuses(&self, now: Instant) -> Vec<TrackerStatus> {
        let tiers = (0u32..).zip(&self.tiers);
        let all =
            tiers.flat_map(|(tier, trackers)| trackers.iter().map(move |tracker| (tier, tracker)));
        all.map(|(tier, tracker)| tracker.status(tier, now)).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Tracker> {
        self.tiers.iter().flatten()
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Tracker> {
        self.tiers.iter_mut().flatten()
    }

    fn is_asking(&self) -> bool {
        self.all().any(Tracker::is_underway)
    }

    /// Takes the tracker of that number if its announce is pending. It is then no longer pending.
    fn answered(&mut self, id: TrackerId) -> Option<&mut Tracker> {
        let tracker = self.all_mut().find(|tracker| tracker.id() == id)?;
        tracker.end().then_some(tracker)
    }

    fn move_to_front(&mut self, id: TrackerId) {
        for tier in &mut self.tiers {
            if let Some(at) = tier.iter().position(|tracker| tracker.id() == id) {
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
            let known = self.all().chain(&fresh).any(|tracker| *tracker.url() == url);
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

fn shuffle<T>(tier: &mut [T], rng: &mut impl Rng) {
    for at in (1..tier.len()).rev() {
        tier.swap(at, rng.random_range(0..=at));
    }
}

#[cfg(test)]
mod tests;
