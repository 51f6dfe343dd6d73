//! Tests of the schedule: which tracker is asked when, and how answers change that.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::entry::{MAX_RETRY, retry_after};
use super::*;
use crate::discover::tracker::Retry;

fn at(seconds: u64) -> Instant {
    Instant::default() + Duration::from_secs(seconds)
}

/// A schedule with its clock, from a picture: tiers separated by `|`, one letter for each tracker.
/// A tier of one letter can't be shuffled.
struct Bench {
    schedule: TrackerSchedule,
    underway: Vec<(char, TrackerId)>,
    now: Instant,
}

impl Bench {
    fn new(tiers: &str) -> Self {
        let url = |letter: char| format!("http://{letter}/announce");
        let tiers = tiers.split('|').map(|tier| tier.chars().map(url).collect()).collect();
        let schedule = TrackerSchedule::new(tiers, &mut ChaCha8Rng::seed_from_u64(1), at(0));
        Self { schedule, underway: Vec::new(), now: at(0) }
    }

    /// The announce that is due at this time: `a started`, `b`, or `-`.
    fn poll(&mut self, seconds: u64) -> String {
        self.now = at(seconds);
        self.poll_now()
    }

    fn poll_now(&mut self) -> String {
        let Some(announce) = self.schedule.poll_announce(self.now) else { return "-".into() };
        let letter = letter(&announce.url);
        self.underway.push((letter, announce.id));
        show(&announce)
    }

    fn answers(&mut self, letter: char) -> TrackerId {
        let at =
            self.underway.iter().position(|(name, _)| *name == letter).expect("it is being asked");
        self.underway.remove(at).1
    }

    fn fails(&mut self, letter: char) {
        self.refuses(letter, None);
    }

    fn refuses(&mut self, letter: char, retry: Option<Retry>) {
        let id = self.answers(letter);
        self.schedule.failed(id, &TrackerError::Failure { reason: "no".into(), retry }, self.now);
    }

    /// The tracker answers and names this many peers.
    fn succeeds(&mut self, letter: char, peers: u16) {
        let id = self.answers(letter);
        let answer = answer(peers);
        self.schedule.succeeded(id, &answer, self.now);
    }

    /// Expects these announces at these times, all of which fail.
    fn check_failures(&mut self, expected: &[(u64, &str)]) {
        for (seconds, announce) in expected {
            assert_eq!(self.poll(*seconds), *announce, "at {seconds} s");
            if *announce != "-" {
                self.fails(announce.chars().next().unwrap());
            }
        }
    }

    /// Checks state, seconds to the next announce, and numbers of each tracker.
    fn check_statuses(&self, expected: &[&str]) {
        let statuses = self.schedule.statuses(self.now);
        let shown: Vec<String> = statuses
            .iter()
            .map(|TrackerStatus { tier, activity, next_announce, counts, .. }| {
                let number = |number: Option<u64>| {
                    number.map_or("-".to_owned(), |number| number.to_string())
                };
                let [seeders, leechers] =
                    [counts.seeders, counts.leechers].map(|count| number(count.map(u64::from)));
                let next = number(next_announce.map(|wait| wait.as_secs()));
                format!("{tier} {activity:?} {next} {seeders} {leechers}")
            })
            .collect();
        assert_eq!(shown, expected);
    }
}

fn answer(peers: u16) -> AnnounceResponse {
    AnnounceResponse {
        interval: Duration::from_secs(100),
        min_interval: None,
        warning: None,
        counts: Counts { seeders: Some(3), leechers: Some(4) },
        tracker_id: None,
        external: None,
        peers: (1..=peers).map(|port| ([192, 0, 2, 1], port).into()).collect(),
        hosts: Vec::new(),
    }
}

fn letter(url: &TrackerUrl) -> char {
    url.as_str().trim_start_matches("http://").chars().next().unwrap()
}

fn show(announce: &Announce) -> String {
    let letter = letter(&announce.url);
    announce.event.map_or(letter.to_string(), |event| format!("{letter} {event:?}").to_lowercase())
}

#[test]
fn the_first_tracker_receives_started_and_then_regular_announces() {
    let mut bench = Bench::new("a|b");
    assert_eq!(bench.poll(0), "a started");
    assert_eq!(bench.poll(1), "-", "it has a moment to answer");
    bench.succeeds('a', 1);
    assert_eq!(bench.schedule.next_announce(), Some(at(101)));
    assert_eq!(bench.poll(100), "-");
    assert_eq!(bench.poll(101), "a");
}

#[test]
fn a_hanging_tracker_delays_no_other() {
    let mut bench = Bench::new("a|b|c|d");
    assert_eq!(
        (bench.poll(0), bench.poll(0), bench.poll(1)),
        ("a started".into(), "-".into(), "b started".into())
    );
    assert_eq!((bench.poll(1), bench.poll(2)), ("-".into(), "c started".into()));
    bench.succeeds('c', 5);
    assert_eq!(bench.poll(60), "-", "peers are known");
    bench.succeeds('a', 1);
    bench.fails('b');
    assert_eq!(bench.poll(101), "-", "the first that named peers sets the time");
    assert_eq!(bench.poll(102), "b started");
}

#[test]
fn the_next_tracker_is_tried_at_once_and_each_backs_off() {
    let mut bench = Bench::new("a|b");
    bench.check_failures(&[(0, "a started"), (0, "b started"), (0, "-"), (14, "-")]);
    bench.check_failures(&[
        (15, "a started"),
        (15, "b started"),
        (15, "-"),
        (44, "-"),
        (45, "a started"),
    ]);
    assert_eq!(retry_after(8), MAX_RETRY);
    assert_eq!(retry_after(u32::MAX), MAX_RETRY);
}

#[test]
fn a_tracker_without_peers_does_not_end_the_round() {
    let mut bench = Bench::new("a|b|c");
    assert_eq!(bench.poll(0), "a started");
    bench.succeeds('a', 0);
    assert_eq!(bench.poll(0), "b started");
    bench.succeeds('b', 1);
    assert_eq!(bench.poll(50), "-");
    assert_eq!(bench.poll(100), "a");
}

#[test]
fn the_tracker_that_answers_moves_to_the_front_of_its_tier() {
    let mut bench = Bench::new("xyz|b");
    let first = bench.poll(0).chars().next().unwrap();
    bench.fails(first);
    let second = bench.poll(0).chars().next().unwrap();
    assert_ne!(first, second);
    bench.succeeds(second, 1);
    assert_eq!(bench.poll(100), second.to_string());
}

#[test]
fn a_better_tier_is_tried_again_first_in_the_next_round() {
    let mut bench = Bench::new("a|b");
    bench.check_failures(&[(0, "a started")]);
    assert_eq!(bench.poll(0), "b started");
    bench.succeeds('b', 1);
    bench.check_failures(&[(50, "-"), (100, "a started")]);
    assert_eq!(bench.poll(100), "b");
}

#[test]
fn completion_is_announced_once_to_each_tracker_that_knows_us() {
    let mut bench = Bench::new("a|b");
    assert_eq!((bench.poll(0), bench.poll(2)), ("a started".into(), "b started".into()));
    bench.succeeds('a', 1);
    bench.schedule.completed();
    assert_eq!(
        (bench.poll(3), bench.poll(3)),
        ("a completed".into(), "-".into()),
        "the other is being asked"
    );
    bench.succeeds('b', 1);
    assert_eq!((bench.poll(4), bench.poll(4)), ("b completed".into(), "-".into()));
    bench.succeeds('a', 1);
    bench.succeeds('b', 1);
    assert_eq!(bench.poll(5), "-");
}

#[test]
fn trackers_that_are_added_later_come_last_and_once() {
    let mut bench = Bench::new("a");
    bench.check_failures(&[(0, "a started")]);
    assert_eq!(bench.poll(0), "-");
    bench
        .schedule
        .add(vec![vec!["http://a/announce".into(), "wss://u".into(), "http://b".into()]], at(1));
    assert_eq!(bench.poll(1), "b started");
    bench.succeeds('b', 1);
    bench.schedule.add(vec![vec!["http://c".into()]], at(2));
    assert_eq!(bench.poll(2), "-", "one that answers is enough");
}

#[test]
fn a_new_tracker_receives_started_and_never_completed() {
    let mut bench = Bench::new("a");
    bench.schedule.completed();
    assert_eq!(bench.poll(0), "a started");
    bench.succeeds('a', 1);
    assert_eq!(bench.poll(100), "a");
}

#[test]
fn a_trackers_own_retry_time_is_respected() {
    let mut bench = Bench::new("a|b");
    assert_eq!(bench.poll(0), "a started");
    bench.refuses('a', Some(Retry::In(Duration::from_secs(600))));
    assert_eq!(bench.poll(0), "b started");
    bench.refuses('b', Some(Retry::Never));
    assert_eq!((bench.poll(1), bench.poll(599)), ("-".into(), "-".into()));
    assert_eq!(bench.poll(600), "a started");
    bench.refuses('a', Some(Retry::In(Duration::from_secs(u64::MAX))));
    assert_eq!((bench.poll(3600), bench.poll(600 + 24 * 3600)), ("-".into(), "a started".into()));
    bench.refuses('a', Some(Retry::Never));
    assert_eq!(bench.poll(10_000_000), "-");
}

#[test]
fn only_trackers_that_may_know_us_receive_stopped() {
    let mut bench = Bench::new("a|b|c");
    assert_eq!(bench.schedule.stop(at(0)), []);
    bench.check_failures(&[(0, "a started")]);
    bench.poll(0);
    bench.succeeds('b', 1);
    assert_eq!(bench.poll(100), "a started", "its back-off is over");
    let goodbyes = bench.schedule.stop(at(101));
    assert_eq!(goodbyes.iter().map(show).collect::<Vec<_>>(), ["a stopped", "b stopped"]);
    assert_eq!(bench.schedule.stop(at(102)), []);
    assert_eq!(bench.poll(103), "a started");
}

#[test]
fn announces_lost_with_the_link_are_due_again_without_a_failure() {
    let mut bench = Bench::new("a|b");
    bench.poll(0);
    bench.schedule.unlink(at(5));
    bench.fails('a');
    assert_eq!(bench.poll(5), "a started");
    bench.succeeds('a', 1);
    bench.schedule.unlink(at(6));
    assert_eq!(bench.schedule.next_announce(), Some(at(105)));
}

#[test]
fn without_a_usable_tracker_there_is_nothing_to_announce() {
    let tiers = vec![vec!["udp://portless".to_owned(), "wss://b".into()], vec![]];
    let mut schedule = TrackerSchedule::new(tiers, &mut ChaCha8Rng::seed_from_u64(1), at(0));
    assert!(schedule.is_empty());
    assert_eq!((schedule.poll_announce(at(0)), schedule.next_announce()), (None, None));
    let mixed = vec![vec!["HTTPS://a".to_owned(), "udp://b".into()], vec!["udp://b:1".into()]];
    let mut schedule = TrackerSchedule::new(mixed, &mut ChaCha8Rng::seed_from_u64(1), at(0));
    assert_eq!(schedule.poll_announce(at(0)).unwrap().url.as_str(), "HTTPS://a");
    assert_eq!(schedule.poll_announce(at(2)).unwrap().url.as_str(), "udp://b:1");
}

#[test]
fn tiers_are_shuffled_by_the_seed() {
    let order = |seed| {
        let tier = vec!["http://a".to_owned(), "http://b".into(), "http://c".into()];
        let schedule =
            TrackerSchedule::new(vec![tier], &mut ChaCha8Rng::seed_from_u64(seed), at(0));
        schedule.all().map(|tracker| tracker.url().as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(order(7), order(7));
    assert_eq!((0..100).map(order).collect::<BTreeSet<_>>().len(), 6);
}

#[test]
fn statuses_show_what_each_tracker_does() {
    let mut bench = Bench::new("a|b|c");
    bench.poll(0);
    bench.check_statuses(&["0 Asking - - -", "1 Idle - - -", "2 Idle - - -"]);
    bench.fails('a');
    bench.poll(0);
    assert_eq!(bench.schedule.trouble(), None, "another one is being asked");
    bench.succeeds('b', 1);
    bench.check_statuses(&["0 Failing 15 - -", "1 Working 100 3 4", "2 Idle - - -"]);
    assert_eq!(bench.schedule.trouble(), None);
}

#[test]
fn the_trouble_is_the_first_trackers_error_if_none_works() {
    let mut bench = Bench::new("a|b");
    bench.check_failures(&[(0, "a started"), (0, "b started")]);
    assert_eq!(
        bench.schedule.trouble(),
        Some(&TrackerError::Failure { reason: "no".into(), retry: None })
    );
}

#[test]
fn the_user_can_announce_although_another_tracker_works() {
    let mut bench = Bench::new("a|b");
    bench.poll(0);
    bench.succeeds('a', 1);
    assert_eq!(bench.poll(1), "-");
    bench.schedule.add_by_hand(vec![vec!["http://c/announce".into()]], at(1));
    assert!(bench.schedule.next_announce() <= Some(at(1)), "it does not wait for the next round");
    assert_eq!((bench.poll(1), bench.poll(1)), ("c started".into(), "-".into()));
    bench.succeeds('c', 1);
    assert_eq!(bench.poll(2), "-", "the tracker between them is not requested");
    assert_eq!(bench.schedule.begin_by_hand(at(70)), Ok(3));
    let asked: BTreeSet<String> = (0..3).map(|_| bench.poll(70)).collect();
    assert_eq!(asked, ["a", "b started", "c"].map(String::from).into());
    assert_eq!(bench.poll(70), "-", "each once");
    bench.succeeds('b', 1);
    assert_eq!(bench.schedule.next_announce(), Some(at(170)));
}

#[test]
fn trackers_that_no_announce_reaches_are_scraped_now_and_then() {
    let mut bench = Bench::new("a|b|c");
    assert_eq!(bench.schedule.poll_scrape(at(0)), None, "first come the peers");
    bench.check_failures(&[(0, "a started")]);
    bench.poll(0);
    bench.succeeds('b', 1);
    let scrape = bench.schedule.poll_scrape(at(1)).unwrap();
    assert_eq!(letter(&scrape.url), 'c', "one failed, one has just answered");
    assert_eq!(bench.schedule.poll_scrape(at(1)), None);
    bench.schedule.scraped(scrape.id, Counts { seeders: Some(9), leechers: None });
    bench.check_statuses(&["0 Failing 15 - -", "1 Working 100 3 4", "2 Idle - 9 -"]);
}

proptest! {
    #[test]
    fn no_tracker_is_asked_twice_at_once_or_too_often(
        steps in prop::collection::vec((0u8..8, 0u64..50), 0..120),
    ) {
        let mut bench = Bench::new("ab|c|de");
        let mut seconds = 0;
        let mut answered: std::collections::BTreeMap<char, u64> = Default::default();
        for (what, pause) in steps {
            seconds += pause;
            let before: Vec<char> = bench.underway.iter().map(|(name, _)| *name).collect();
            let asked = bench.poll(seconds);
            let name = asked.chars().next().unwrap();
            if asked != "-" {
                prop_assert!(!before.contains(&name), "{} is being asked", name);
                let last = answered.get(&name);
                prop_assert!(
                    last.is_none_or(|last| seconds >= last + 15),
                    "{} was asked at {:?}",
                    name,
                    last
                );
            }
            let Some(&(name, _)) = bench.underway.first() else { continue };
            match what {
                0 => bench.fails(name),
                1 => bench.refuses(name, Some(Retry::In(Duration::from_secs(20)))),
                2 | 3 => bench.succeeds(name, 0),
                4 => bench.succeeds(name, 3),
                _ => continue,
            }
            answered.insert(name, seconds);
        }
    }
}

#[test]
fn all_silent_trackers_together_delay_the_last_one_by_less_than_five_seconds() {
    let asked_at = |tiers: &str, last: char, polls_per_second: u64| {
        let mut bench = Bench::new(tiers);
        for poll in 0.. {
            bench.now = at(0) + Duration::from_millis(1000 * poll / polls_per_second);
            while bench.poll_now() != "-" {}
            if bench.underway.iter().any(|(letter, _)| *letter == last) {
                return bench.now.saturating_since(at(0));
            }
        }
        unreachable!("it is asked at last")
    };
    let many = "a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p|q|r|s|t|u";
    assert!(asked_at(many, 'u', 1) <= Duration::from_secs(4));
    assert!(asked_at(many, 'u', 10) <= Duration::from_secs(4));
    assert!(asked_at(many, 'b', 10) >= Duration::from_millis(100), "one after the other");
    assert_eq!(asked_at("a|b", 'b', 10), STAGGER, "few are asked without haste");
}

#[test]
fn a_round_that_was_not_polled_for_long_does_not_ask_all_at_once() {
    let mut bench = Bench::new("a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p|q|r|s|t|u");
    assert_eq!(bench.poll(0), "a started");
    bench.now = at(3600);
    let asked = (0..21).take_while(|_| bench.poll_now() != "-").count();
    assert_eq!(asked, 1);
}
