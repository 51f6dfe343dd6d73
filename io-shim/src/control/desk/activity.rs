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

/// What a client has to receive or send while permits are scarce, bytes per second. The kernel
/// takes 170 KiB of a reply at once, so a player at this rate shows progress every ten seconds.
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

    /// The order in which connections are closed, the least first; `None` for a busy connection.
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
