//! Whether a connection's request runs, and whether its client holds the request up.
//!
//! Owns these facts for one connection. The accept loop uses them to choose a connection to close;
//! the desk uses them to take permits from stalled viewers.

use std::cmp::Reverse;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Least rate of a client while permits are scarce, bytes per second. The bytes that the client
/// receives and sends count. The kernel takes 170 KiB of a reply at once, so a player at this rate
/// shows progress every ten seconds.
const MIN_RATE: i64 = 16 << 10;

/// The activity of one connection.
pub(crate) struct Activity {
    stall: Duration,
    state: Mutex<State>,
    ended: Notify,
}

struct State {
    requests: usize,
    /// Requests whose content is being read.
    receiving: usize,
    /// The kernel accepts no more bytes for the client.
    is_blocked: bool,
    idle_since: Instant,
    /// When the daemon began to wait for the client.
    waiting_since: Option<Instant>,
    /// How much longer the daemon would wait from then on, nanoseconds. Waiting uses it up; bytes
    /// that the client receives or sends earn it again. A negative value has to be earned back
    /// first.
    patience: i64,
}

impl Activity {
    pub(crate) fn new(stall: Duration) -> Self {
        let now = Instant::now();
        let (requests, receiving, is_blocked, waiting_since) = (0, 0, false, None);
        let state = State {
            requests,
            receiving,
            is_blocked,
            idle_since: now,
            waiting_since,
            patience: nanos(stall),
        };
        Self { stall, state: Mutex::new(state), ended: Notify::new() }
    }

    /// A request has begun; it ends when the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        let mut state = self.lock();
        state.requests += 1;
        state.patience = nanos(self.stall);
        Busy(Arc::clone(self))
    }

    /// The daemon reads the request's content until the guard is dropped.
    pub(crate) fn receive(this: &Arc<Self>) -> Receiving {
        let mut state = this.lock();
        state.receiving += 1;
        state.settle(Instant::now(), 0, this.stall);
        Receiving(Arc::clone(this))
    }

    /// How long the client has exceeded the daemon's patience; `None` if it has not.
    pub(crate) fn overdue(&self, now: Instant) -> Option<Duration> {
        let state = self.lock();
        let overdue = nanos(now - state.waiting_since?) - state.patience;
        u64::try_from(overdue).ok().filter(|overdue| *overdue > 0).map(Duration::from_nanos)
    }

    /// Closes the connection.
    pub(crate) fn end(&self) {
        self.ended.notify_one();
    }

    /// Resolves when the connection has to close.
    pub(crate) async fn ended(&self) {
        self.ended.notified().await;
    }

    /// The rank of this connection among those to close. The connection with the least rank closes
    /// first; `None` if the connection is busy.
    pub(crate) fn rank(&self, now: Instant) -> Option<(bool, Reverse<Duration>)> {
        let idle_for = {
            let state = self.lock();
            (state.requests == 0 && !state.is_blocked).then(|| now - state.idle_since)
        };
        let idle = idle_for.map(|idle_for| (false, Reverse(idle_for)));
        idle.or_else(|| self.overdue(now).map(|overdue| (true, Reverse(overdue))))
    }

    pub(crate) fn read(&self, bytes: usize) {
        self.lock().settle(Instant::now(), earned(bytes), self.stall);
    }

    pub(crate) fn wrote(&self, written: &Poll<io::Result<usize>>) {
        let bytes = if let Poll::Ready(Ok(bytes)) = written { *bytes } else { 0 };
        let mut state = self.lock();
        state.is_blocked = written.is_pending();
        state.settle(Instant::now(), earned(bytes), self.stall);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// How long a client may take for `bytes` bytes, nanoseconds.
fn earned(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX).saturating_mul(1_000_000_000 / MIN_RATE)
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

impl State {
    /// Subtracts the time waited so far from the patience, and adds what was earned.
    fn settle(&mut self, now: Instant, earned: i64, stall: Duration) {
        let waited = self.waiting_since.map_or(0, |since| nanos(now - since));
        let most = nanos(stall);
        self.patience =
            self.patience.saturating_sub(waited).saturating_add(earned).clamp(-most, most);
        self.waiting_since = (self.is_blocked || self.receiving > 0).then_some(now);
    }
}

/// A running request.
pub(crate) struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.requests -= 1;
        state.idle_since = Instant::now();
    }
}

/// A request whose content is being read.
pub(crate) struct Receiving(Arc<Activity>);

impl Drop for Receiving {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.receiving -= 1;
        state.settle(Instant::now(), 0, self.0.stall);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Duration = Duration::from_secs(10);
    /// What a client receives in a second at the minimum rate.
    const SECOND: usize = 16 << 10;

    fn activity() -> Arc<Activity> {
        Arc::new(Activity::new(STALL))
    }

    fn block(activity: &Activity) {
        activity.wrote(&Poll::Pending);
    }

    fn take(activity: &Activity, bytes: usize) {
        activity.wrote(&Poll::Ready(Ok(bytes)));
    }

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    /// By how many seconds the client has exceeded the patience, rounded.
    fn overdue(activity: &Activity) -> Option<u64> {
        let overdue = activity.overdue(Instant::now())?;
        Some((overdue + Duration::from_millis(500)).as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_blocked_client_uses_the_patience_up() {
        let activity = activity();
        let _busy = activity.begin();
        pass(100).await;
        assert_eq!(overdue(&activity), None, "the daemon does not wait for the client");
        block(&activity);
        pass(10).await;
        assert_eq!(overdue(&activity), None);
        pass(3).await;
        assert_eq!(overdue(&activity), Some(3));
        take(&activity, 1);
        assert_eq!(overdue(&activity), None);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_earn_patience_up_to_the_whole_of_it() {
        let activity = activity();
        let _busy = activity.begin();
        block(&activity);
        pass(8).await;
        take(&activity, 2 * SECOND);
        pass(100).await;
        block(&activity);
        pass(4 + 3).await;
        assert_eq!(overdue(&activity), Some(3), "2 s were left, and 2 s were earned");
        take(&activity, 1000 * SECOND);
        block(&activity);
        pass(12).await;
        assert_eq!(overdue(&activity), Some(2), "no more than 10 s can be earned");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_overdue_has_to_be_earned_first_but_only_so_much_of_it() {
        let activity = activity();
        let _busy = activity.begin();
        block(&activity);
        pass(100).await;
        take(&activity, 0);
        block(&activity);
        assert_eq!(overdue(&activity), Some(10), "the debt is bounded");
        activity.read(4 * SECOND);
        assert_eq!(overdue(&activity), Some(6), "sent bytes count, too");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_request_starts_with_the_whole_patience() {
        let activity = activity();
        block(&activity);
        pass(15).await;
        take(&activity, 0);
        let _busy = activity.begin();
        block(&activity);
        pass(11).await;
        assert_eq!(overdue(&activity), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_daemon_waits_while_any_content_is_being_read() {
        let activity = activity();
        let _busy = activity.begin();
        let first = Activity::receive(&activity);
        let second = Activity::receive(&activity);
        pass(6).await;
        drop(first);
        pass(6).await;
        assert_eq!(overdue(&activity), Some(2));
        drop(second);
        assert_eq!(overdue(&activity), None);
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connections_close_before_stalled_ones_and_the_longest_first() {
        let [older, newer, stalled, longest, busy, blocked] = [(); 6].map(|()| activity());
        let guards = [&stalled, &longest, &busy].map(|activity| activity.begin());
        block(&longest);
        pass(5).await;
        block(&stalled);
        drop(newer.begin());
        block(&blocked);
        pass(11).await;
        let rank = |activity: &Arc<Activity>| activity.rank(Instant::now());
        assert_eq!(rank(&busy), None);
        let order = [&older, &newer, &longest, &stalled].map(rank);
        assert!(order.iter().all(Option::is_some), "{order:?}");
        assert!(order.is_sorted(), "{order:?}");
        assert!(rank(&blocked) > rank(&newer), "its client has not received the last reply");
        drop(guards);
        assert_eq!(rank(&busy), Some((false, Reverse(Duration::ZERO))));
    }
}
