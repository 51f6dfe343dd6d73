//! When to announce to which tracker (BEP 12).
//!
//! Owns the tiers and the times, never a socket or a clock. Invariant: at most one announce is under way, a tracker that failed is left alone for
//! its back-off, and a tracker hears `stopped` only if it may have heard `started`.
//!
//! Trackers are tried in order, tier by tier, until one answers; that one moves to the front of its tier and sets the time of the next
//! round. Only HTTP trackers are kept.

use std::time::Duration;

use rand::{Rng, RngExt};

use super::{AnnounceParams, Event, announce_url};
use crate::metainfo::torrent::MAX_URLS;
use crate::time::Instant;

/// A tracker that failed is left alone for so long; each further failure doubles it.
pub const FIRST_RETRY: Duration = Duration::from_secs(15);
/// Longest time that a tracker is left alone.
pub const MAX_RETRY: Duration = Duration::from_secs(1800);

/// One announce to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announce {
    /// What it tells.
    pub event: Option<Event>,
    tracker: String,
    key: u32,
}

impl Announce {
    /// The tracker's own URL.
    pub fn tracker(&self) -> &str {
        &self.tracker
    }

    /// The URL to fetch.
    pub fn url(&self, params: &AnnounceParams) -> String {
        announce_url(&self.tracker, params, self.key)
    }
}

#[derive(Debug)]
struct Tracker {
    url: String,
    /// Whether it knows us.
    started: bool,
    /// Failures in a row.
    failures: u32,
    retry_at: Instant,
}

/// The announce that is under way.
#[derive(Clone, Copy, Debug)]
struct Underway {
    tier: usize,
    index: usize,
    /// Whether it was sent after the last byte had come, if that has.
    tells_completion: bool,
}

/// The trackers of one torrent.
#[derive(Debug)]
pub struct TrackerSchedule {
    tiers: Vec<Vec<Tracker>>,
    key: u32,
    /// When the next round begins, or goes on.
    due: Instant,
    underway: Option<Underway>,
    /// The last byte has come and no tracker has heard of it.
    completion_untold: bool,
}

impl TrackerSchedule {
    /// The trackers of a torrent, each tier shuffled. The first announce is due at once.
    pub fn new(tiers: Vec<Vec<String>>, rng: &mut impl Rng, now: Instant) -> Self {
        let mut tiers: Vec<Vec<Tracker>> = tiers.into_iter().map(http_only).filter(|tier| !tier.is_empty()).collect();
        tiers.iter_mut().for_each(|tier| shuffle(tier, rng));
        Self { tiers, key: rng.random(), due: now, underway: None, completion_untold: false }
    }

    /// Whether there is no tracker.
    pub fn is_empty(&self) -> bool {
        self.tiers.is_empty()
    }

    /// More tiers, behind those that are there; a tracker that is known is left out. Due at once if no tracker answered yet.
    pub(crate) fn add(&mut self, tiers: Vec<Vec<String>>, now: Instant) {
        for tier in tiers {
            let room = MAX_URLS.saturating_sub(self.all().count());
            let fresh = tier.into_iter().filter(|url| self.all().all(|known| known.url != *url)).take(room).collect();
            let fresh = http_only(fresh);
            if !fresh.is_empty() {
                self.tiers.push(fresh);
            }
        }
        if self.all().all(|tracker| !tracker.started) {
            self.due = now;
        }
    }

    /// The announce that is due now. [`TrackerSchedule::succeeded`] or [`TrackerSchedule::failed`] must follow before there is another.
    pub fn poll_announce(&mut self, now: Instant) -> Option<Announce> {
        if self.underway.is_some() || now < self.due {
            return None;
        }
        let Some((tier, index)) = self.first_usable(now) else {
            self.due = self.all().map(|tracker| tracker.retry_at).min()?;
            return None;
        };
        self.underway = Some(Underway { tier, index, tells_completion: self.completion_untold });
        let tracker = &self.tiers[tier][index];
        let event = match (tracker.started, self.completion_untold) {
            (false, _) => Some(Event::Started),
            (true, true) => Some(Event::Completed),
            (true, false) => None,
        };
        Some(self.announce(tracker, event))
    }

    /// When [`TrackerSchedule::poll_announce`] may have something next. `None` while an announce is under way, or without trackers.
    pub fn next_announce(&self) -> Option<Instant> {
        (self.underway.is_none() && !self.is_empty()).then_some(self.due)
    }

    /// The tracker answered, and wants to be asked again after `interval`.
    pub fn succeeded(&mut self, interval: Duration, now: Instant) {
        let Some(Underway { tier, index, tells_completion }) = self.underway.take() else { return };
        let tier = &mut self.tiers[tier];
        (tier[index].started, tier[index].failures) = (true, 0);
        tier[..=index].rotate_right(1);
        self.completion_untold &= !tells_completion;
        self.due = if self.completion_untold { now } else { now + interval };
    }

    /// The tracker did not answer, or refused. The next one is due at once; when none is left, the first whose back-off ends.
    pub fn failed(&mut self, now: Instant) {
        let Some(Underway { tier, index, .. }) = self.underway.take() else { return };
        let tracker = &mut self.tiers[tier][index];
        tracker.failures = tracker.failures.saturating_add(1);
        tracker.retry_at = now + retry_after(tracker.failures);
        self.due = now;
    }

    /// The last byte has come: due at once.
    pub fn completed(&mut self, now: Instant) {
        self.completion_untold = true;
        self.due = now;
    }

    /// The way to the trackers is gone, and with it what was under way, whose tracker is not to blame: it is due at once.
    pub fn unlink(&mut self, now: Instant) {
        if self.underway.take().is_some() {
            self.due = now;
        }
    }

    /// The torrent stops: goodbyes to those who know us or are about to. It begins anew, at once, when it is polled again.
    pub fn stop(&mut self, now: Instant) -> Vec<Announce> {
        if let Some(Underway { tier, index, .. }) = self.underway.take() {
            self.tiers[tier][index].started = true;
        }
        let goodbyes =
            self.all().filter(|tracker| tracker.started).map(|t| self.announce(t, Some(Event::Stopped))).collect();
        self.tiers.iter_mut().flatten().for_each(|tracker| tracker.started = false);
        self.completion_untold = false;
        self.due = now;
        goodbyes
    }

    fn announce(&self, tracker: &Tracker, event: Option<Event>) -> Announce {
        Announce { event, tracker: tracker.url.clone(), key: self.key }
    }

    fn all(&self) -> impl Iterator<Item = &Tracker> {
        self.tiers.iter().flatten()
    }

    fn first_usable(&self, now: Instant) -> Option<(usize, usize)> {
        self.tiers.iter().enumerate().find_map(|(tier, trackers)| {
            trackers.iter().position(|tracker| tracker.retry_at <= now).map(|index| (tier, index))
        })
    }
}

fn http_only(urls: Vec<String>) -> Vec<Tracker> {
    let is_http = |url: &String| {
        let scheme = url.split("://").next().unwrap_or_default();
        scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
    };
    let fresh = |url| Tracker { url, started: false, failures: 0, retry_at: Instant::default() };
    urls.into_iter().filter(is_http).map(fresh).collect()
}

fn shuffle(tier: &mut [Tracker], rng: &mut impl Rng) {
    for at in (1..tier.len()).rev() {
        tier.swap(at, rng.random_range(0..=at));
    }
}

fn retry_after(failures: u32) -> Duration {
    let doubled = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_RETRY.saturating_mul(doubled).min(MAX_RETRY)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::default() + Duration::from_secs(seconds)
    }

    /// A schedule from a picture: tiers separated by `|`, one letter a tracker. Tiers of one letter can't be shuffled.
    fn schedule(tiers: &str) -> TrackerSchedule {
        let url = |letter: char| format!("http://{letter}");
        let tiers = tiers.split('|').map(|tier| tier.chars().map(url).collect()).collect();
        TrackerSchedule::new(tiers, &mut ChaCha8Rng::seed_from_u64(1), at(0))
    }

    /// Whom it announces to at this time, and what: `a started`, `b`, or `-`.
    fn poll(schedule: &mut TrackerSchedule, seconds: u64) -> String {
        schedule.poll_announce(at(seconds)).as_ref().map_or("-".into(), show)
    }

    fn show(announce: &Announce) -> String {
        let letter = announce.tracker().trim_start_matches("http://");
        announce.event.map_or(letter.to_owned(), |event| format!("{letter} {event:?}").to_lowercase())
    }

    /// Expects these announces at these times, all of which fail.
    fn check_failures(schedule: &mut TrackerSchedule, expected: &[(u64, &str)]) {
        for (seconds, announce) in expected {
            assert_eq!(poll(schedule, *seconds), *announce, "at {seconds} s");
            schedule.failed(at(*seconds));
        }
    }

    fn succeed(schedule: &mut TrackerSchedule, seconds: u64) {
        schedule.succeeded(Duration::from_secs(100), at(seconds));
    }

    #[test]
    fn the_first_tracker_hears_started_and_then_regular_announces() {
        let mut schedule = schedule("a|b");
        assert_eq!(poll(&mut schedule, 0), "a started");
        assert_eq!(schedule.next_announce(), None);
        assert_eq!(poll(&mut schedule, 50), "-", "one is under way");
        succeed(&mut schedule, 50);
        assert_eq!(schedule.next_announce(), Some(at(150)));
        assert_eq!(poll(&mut schedule, 149), "-");
        assert_eq!(poll(&mut schedule, 150), "a");
    }

    #[test]
    fn the_next_tracker_is_tried_at_once_and_each_backs_off() {
        let mut schedule = schedule("a|b");
        check_failures(&mut schedule, &[(0, "a started"), (0, "b started"), (0, "-"), (14, "-")]);
        check_failures(&mut schedule, &[(15, "a started"), (15, "b started"), (44, "-"), (45, "a started")]);
        assert_eq!(retry_after(8), MAX_RETRY);
        assert_eq!(retry_after(u32::MAX), MAX_RETRY);
    }

    #[test]
    fn the_one_that_answers_moves_to_the_front_of_its_tier() {
        let mut schedule = schedule("xyz|b");
        let first = poll(&mut schedule, 0);
        schedule.failed(at(0));
        let second = poll(&mut schedule, 0);
        assert_ne!(first, second);
        succeed(&mut schedule, 0);
        assert_eq!(poll(&mut schedule, 100), second[..1]);
    }

    #[test]
    fn a_better_tier_is_tried_again_first_in_the_next_round() {
        let mut schedule = schedule("a|b");
        check_failures(&mut schedule, &[(0, "a started")]);
        assert_eq!(poll(&mut schedule, 0), "b started");
        succeed(&mut schedule, 0);
        check_failures(&mut schedule, &[(50, "-"), (100, "a started")]);
        assert_eq!(poll(&mut schedule, 100), "b");
    }

    #[test]
    fn completion_is_told_once_to_a_tracker_that_knows_us() {
        let mut schedule = schedule("a");
        poll(&mut schedule, 0);
        schedule.completed(at(1));
        succeed(&mut schedule, 2);
        assert_eq!(poll(&mut schedule, 2), "a completed", "what was under way did not tell it");
        succeed(&mut schedule, 3);
        assert_eq!(poll(&mut schedule, 102), "-");
        assert_eq!(poll(&mut schedule, 103), "a");
    }

    #[test]
    fn trackers_that_are_added_later_come_last_and_once() {
        let mut schedule = schedule("a");
        check_failures(&mut schedule, &[(0, "a started")]);
        assert_eq!(poll(&mut schedule, 0), "-");
        schedule.add(vec![vec!["http://a".into(), "udp://u".into(), "http://b".into()]], at(1));
        assert_eq!(poll(&mut schedule, 1), "b started");
        succeed(&mut schedule, 1);
        schedule.add(vec![vec!["http://c".into()]], at(2));
        assert_eq!(poll(&mut schedule, 2), "-", "one that answers is enough");
    }

    #[test]
    fn a_tracker_that_is_new_to_us_hears_started_and_never_completed() {
        let mut schedule = schedule("a");
        schedule.completed(at(0));
        assert_eq!(poll(&mut schedule, 0), "a started");
        succeed(&mut schedule, 0);
        assert_eq!(poll(&mut schedule, 100), "a");
    }

    #[test]
    fn only_those_who_may_know_us_hear_that_we_stop() {
        let mut schedule = schedule("a|b|c");
        assert_eq!(schedule.stop(at(0)), []);
        check_failures(&mut schedule, &[(0, "a started")]);
        poll(&mut schedule, 0);
        succeed(&mut schedule, 0);
        assert_eq!(poll(&mut schedule, 100), "a started", "its back-off is over");
        let goodbyes = schedule.stop(at(101));
        assert_eq!(goodbyes.iter().map(show).collect::<Vec<_>>(), ["a stopped", "b stopped"]);
        assert_eq!(schedule.stop(at(102)), []);
        assert_eq!(poll(&mut schedule, 103), "a started");
    }

    #[test]
    fn what_was_lost_with_the_link_is_due_again_and_nobody_is_to_blame() {
        let mut schedule = schedule("a|b");
        poll(&mut schedule, 0);
        schedule.unlink(at(5));
        schedule.failed(at(5));
        assert_eq!(poll(&mut schedule, 5), "a started");
        succeed(&mut schedule, 5);
        schedule.unlink(at(6));
        assert_eq!(schedule.next_announce(), Some(at(105)));
    }

    #[test]
    fn without_an_http_tracker_there_is_nothing_to_announce() {
        let tiers = vec![vec!["udp://a:1".to_owned(), "wss://b".into()], vec![]];
        let mut schedule = TrackerSchedule::new(tiers, &mut ChaCha8Rng::seed_from_u64(1), at(0));
        assert!(schedule.is_empty());
        assert_eq!((schedule.poll_announce(at(0)), schedule.next_announce()), (None, None));
        let mixed = vec![vec!["HTTPS://a".to_owned(), "udp://b".into()]];
        let mut schedule = TrackerSchedule::new(mixed, &mut ChaCha8Rng::seed_from_u64(1), at(0));
        assert_eq!(schedule.poll_announce(at(0)).unwrap().tracker(), "HTTPS://a");
    }

    #[test]
    fn tiers_are_shuffled_by_the_seed() {
        let order = |seed| {
            let tier = vec!["http://a".to_owned(), "http://b".into(), "http://c".into()];
            let schedule = TrackerSchedule::new(vec![tier], &mut ChaCha8Rng::seed_from_u64(seed), at(0));
            schedule.all().map(|tracker| tracker.url.clone()).collect::<Vec<_>>()
        };
        assert_eq!(order(7), order(7));
        assert_eq!((0..100).map(order).collect::<BTreeSet<_>>().len(), 6);
    }
}
