//! Rate limits: how many bytes per second connections may read and write together.
//!
//! Owns token buckets, one per direction for all connections and for each group. Must never know
//! what the bytes are. Invariants: in any period, at most the rate times the period passes, plus a
//! twenty-fifth of a second's worth; requests are served in order; bytes that were allowed and not
//! used are returned.

use std::{collections::HashMap, pin::pin, sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use tokio::{
    select,
    sync::{Notify, watch},
    time::{Instant, sleep},
};

use crate::policy::limits;

/// The share of a second's bytes that a bucket holds. Enough for a late timer, too little for a
/// burst.
const GATHER: u64 = 25;
/// The share of a second's bytes that a request waits for. Reads stay small, but not so small that
/// a read costs more than its bytes.
const QUANTUM: u64 = 100;
const QUANTUM_MIN: u64 = 512;
const QUANTUM_MAX: u64 = 64 << 10;
/// How often a rate of zero is checked. A change of the rate ends the wait.
const STANDSTILL: Duration = Duration::from_secs(3600);

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the network.
    Down,
    /// To the network.
    Up,
}

/// The limits of a group, each direction on its own.
#[derive(Default)]
pub(super) struct Group {
    down: Bucket,
    up: Bucket,
}

/// All groups of one engine.
#[derive(Default)]
pub(super) struct Rates {
    all: Group,
    groups: Mutex<HashMap<u32, Arc<Group>>>,
}

/// The group of a connection, besides all connections.
pub(super) type Membership = watch::Sender<Option<Arc<Group>>>;

/// Bytes that may pass now. Unused ones are returned.
pub(super) struct Permit<'a> {
    bucket: &'a Bucket,
    left: usize,
}

impl Rates {
    /// Sets the limits of a group, bytes per second; 0 is all connections together.
    pub(super) fn limit(&self, group: u32, down: Option<u64>, up: Option<u64>) {
        let set = |group: &Group| {
            group.down.set(down);
            group.up.set(up);
        };
        match self.group(group) {
            Some(group) => set(&group),
            None if group == 0 => set(&self.all),
            None => {}
        }
    }

    /// The group of this number; `None` for 0, or when there are too many.
    pub(super) fn group(&self, number: u32) -> Option<Arc<Group>> {
        if number == 0 {
            return None;
        }
        let mut groups = self.groups.lock();
        if groups.len() >= limits::MAX_GROUPS && !groups.contains_key(&number) {
            groups.retain(|_, group| Arc::strong_count(group) > 1 || group.is_limited());
            if groups.len() >= limits::MAX_GROUPS {
                tracing::warn!("too many groups have limits: one is ignored");
                return None;
            }
        }
        Some(Arc::clone(groups.entry(number).or_default()))
    }

    /// Waits until a member of the group may pass bytes, then calls `act`. `act` gets the number of
    /// bytes, at most `want`, and returns how many it used and its result.
    pub(super) async fn pass<T>(
        &self,
        membership: &Membership,
        direction: Direction,
        want: usize,
        act: impl FnOnce(usize) -> (usize, T),
    ) -> T {
        let mut member = membership.subscribe();
        loop {
            let group = member.borrow_and_update().clone();
            // A connection that moves to another group waits there.
            let (mut of_group, mut of_all) = select! {
                biased;
                permits = self.permits(group.as_deref(), direction, want) => permits,
                _ = member.changed() => continue,
            };
            let (used, outcome) = act(of_all.left);
            of_all.left = of_all.left.saturating_sub(used);
            if let Some(permit) = &mut of_group {
                permit.left = permit.left.saturating_sub(used);
            }
            return outcome;
        }
    }

    async fn permits<'a>(
        &'a self,
        group: Option<&'a Group>,
        direction: Direction,
        want: usize,
    ) -> (Option<Permit<'a>>, Permit<'a>) {
        let of_group = match group {
            Some(group) => Some(group.bucket(direction).take(want).await),
            None => None,
        };
        let want = of_group.as_ref().map_or(want, |permit| permit.left);
        (of_group, self.all.bucket(direction).take(want).await)
    }
}

impl Group {
    fn bucket(&self, direction: Direction) -> &Bucket {
        match direction {
            Direction::Down => &self.down,
            Direction::Up => &self.up,
        }
    }

    fn is_limited(&self) -> bool {
        self.down.lock().rate.is_some() || self.up.lock().rate.is_some()
    }
}

/// A token bucket.
struct Bucket {
    level: Mutex<Level>,
    /// Held by the next request.
    turn: tokio::sync::Mutex<()>,
    changed: Notify,
}

/// How full a bucket is.
struct Level {
    rate: Option<u64>,
    bytes: f64,
    at: Instant,
}

impl Default for Bucket {
    fn default() -> Self {
        let level = Level { rate: None, bytes: 0.0, at: Instant::now() };
        Self {
            level: Mutex::new(level),
            turn: tokio::sync::Mutex::default(),
            changed: Notify::new(),
        }
    }
}

impl Bucket {
    fn set(&self, rate: Option<u64>) {
        let mut level = self.lock();
        let was_free = level.rate.is_none();
        level.fill(Instant::now());
        level.rate = rate;
        level.bytes = if was_free { 0.0 } else { level.bytes.min(level.most()) };
        drop(level);
        self.changed.notify_waiters();
    }

    async fn take(&self, want: usize) -> Permit<'_> {
        if self.lock().rate.is_none() {
            return Permit { bucket: self, left: want };
        }
        let _turn = self.turn.lock().await;
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let taken = self.lock().take(want, Instant::now());
            match taken {
                Ok(left) => return Permit { bucket: self, left },
                Err(wait) => select! {
                    () = changed => {}
                    () = sleep(wait) => {}
                },
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Level> {
        self.level.lock()
    }
}

impl Level {
    /// Takes what is there, or returns how long to wait until it is enough.
    fn take(&mut self, want: usize, now: Instant) -> Result<usize, Duration> {
        let Some(rate) = self.rate else { return Ok(want) };
        self.fill(now);
        let worth_it = (rate / QUANTUM).clamp(QUANTUM_MIN, QUANTUM_MAX).min(want as u64) as f64;
        if self.bytes < worth_it {
            let seconds = (worth_it - self.bytes) / rate as f64;
            let wait = Duration::try_from_secs_f64(seconds).unwrap_or(STANDSTILL).min(STANDSTILL);
            // A timer rounds down to a time that has passed.
            return Err(wait.max(Duration::from_millis(1)));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole bytes, as many as there are"
        )]
        let taken = want.min(self.bytes as usize);
        self.bytes -= taken as f64;
        Ok(taken)
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.bytes = (self.bytes + passed * self.rate.unwrap_or(0) as f64).min(self.most());
    }

    /// The bucket's size.
    fn most(&self) -> f64 {
        let rate = self.rate.unwrap_or(0);
        (rate / GATHER).max(2 * QUANTUM_MIN) as f64
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.left > 0 {
            let mut level = self.bucket.lock();
            level.bytes = (level.bytes + self.left as f64).min(level.most());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection that can always read, and counts what it reads.
    struct Reader {
        rates: Arc<Rates>,
        membership: Membership,
        /// When, and how many.
        passed: Mutex<Vec<(Instant, usize)>>,
    }

    fn reader(rates: &Arc<Rates>, group: u32) -> Arc<Reader> {
        let membership = watch::Sender::new(rates.group(group));
        let reader =
            Arc::new(Reader { rates: Arc::clone(rates), membership, passed: Mutex::default() });
        let reading = Arc::clone(&reader);
        tokio::spawn(async move {
            loop {
                let used = |allowed| (allowed, allowed);
                let read =
                    reading.rates.pass(&reading.membership, Direction::Down, 256 << 10, used).await;
                reading.passed.lock().push((Instant::now(), read));
            }
        });
        reader
    }

    impl Reader {
        fn total(&self) -> usize {
            self.passed.lock().iter().map(|(_, bytes)| bytes).sum()
        }

        /// Bytes that pass in the next `seconds`.
        async fn reads_within(&self, seconds: f64) -> f64 {
            let before = self.total();
            sleep(Duration::from_secs_f64(seconds)).await;
            (self.total() - before) as f64
        }
    }

    #[track_caller]
    fn check(what: &str, bytes: f64, expected: f64) {
        assert!(
            (bytes / expected - 1.0).abs() < 0.05,
            "{what}: {bytes} bytes, expected {expected}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_kept_from_slow_to_fast() {
        for rate in [2_000, 50_000, 1_000_000, 100_000_000] {
            let rates = Arc::new(Rates::default());
            rates.limit(0, Some(rate), None);
            let read = reader(&rates, 0).reads_within(10.0).await;
            check("ten seconds", read, 10.0 * rate as f64);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_smooth() {
        const RATE: f64 = 1_000_000.0;
        let rates = Arc::new(Rates::default());
        rates.limit(0, Some(1_000_000), None);
        // A quiet minute adds no burst.
        sleep(Duration::from_secs(60)).await;
        let reader = reader(&rates, 0);
        sleep(Duration::from_secs(3)).await;
        let passed = reader.passed.lock().clone();
        for (at, _) in &passed {
            let window = Duration::from_millis(100);
            let within: usize = passed
                .iter()
                .filter(|(other, _)| (*at..*at + window).contains(other))
                .map(|(_, bytes)| bytes)
                .sum();
            assert!(within as f64 <= RATE * 0.15, "{within} bytes in a tenth of a second");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn connections_share_fairly_and_a_group_stays_below_its_own_limit() {
        let rates = Arc::new(Rates::default());
        rates.limit(0, Some(900_000), None);
        rates.limit(7, Some(100_000), None);
        let slow = [reader(&rates, 7), reader(&rates, 7)];
        let fast = [reader(&rates, 0), reader(&rates, 8)];
        sleep(Duration::from_secs(20)).await;
        for reader in &slow {
            check("of the group", reader.total() as f64, 20.0 * 50_000.0);
        }
        for reader in &fast {
            check("of the rest", reader.total() as f64, 20.0 * 400_000.0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_takes_effect_at_once() {
        let rates = Arc::new(Rates::default());
        rates.limit(3, Some(0), None);
        let reader = reader(&rates, 3);
        assert_eq!(reader.reads_within(9_999.0).await, 0.0, "zero is a standstill");
        rates.limit(3, Some(10_000), None);
        check("after a rise", reader.reads_within(10.0).await, 100_000.0);
        rates.limit(3, Some(1_000), None);
        check("after a fall", reader.reads_within(100.0).await, 100_000.0);
        rates.limit(4, Some(20_000), None);
        reader.membership.send_replace(rates.group(4));
        check("in another group", reader.reads_within(10.0).await, 200_000.0);
        rates.limit(0, None, Some(5));
        check(
            "what goes up slows nothing that comes down",
            reader.reads_within(10.0).await,
            200_000.0,
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_used_is_given_back_also_by_who_gives_up() {
        let rates = Arc::new(Rates::default());
        rates.limit(0, Some(10_000), None);
        let idle = Membership::new(None);
        for _ in 0..100 {
            let nothing = |_| (0, ());
            rates.pass(&idle, Direction::Down, 1_000, nothing).await;
            let waiting = rates.pass(&idle, Direction::Down, 1_000, nothing);
            let _ = tokio::time::timeout(Duration::from_micros(1), waiting).await;
        }
        check("the rate", reader(&rates, 0).reads_within(10.0).await, 100_000.0);
    }

    #[tokio::test]
    async fn groups_that_nobody_needs_are_forgotten() {
        let rates = Rates::default();
        rates.limit(1, Some(5), None);
        let member = rates.group(2);
        for number in 3..u32::try_from(limits::MAX_GROUPS).unwrap() + 100 {
            rates.group(number);
        }
        let groups = rates.groups.lock();
        assert!(
            groups.len() <= limits::MAX_GROUPS
                && groups.contains_key(&1)
                && groups.contains_key(&2)
        );
        drop(member);
    }
}
