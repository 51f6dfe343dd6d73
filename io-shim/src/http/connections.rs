//! The places of HTTP connections, and which of them is taken away when all are in use.
//!
//! Owns what is known of each connection's activity: whether a request runs, whether the other end
//! holds it up, and how much it takes or sends. Must never know what is asked. Invariant: a
//! connection whose request runs and whose other end keeps up the minimum rate never loses its
//! place.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Instant;

/// What the other end has to take or send while places are scarce, bytes a second. The kernel takes
/// 170 KiB of a reply at once, so a player that takes this much shows it every ten seconds.
const MIN_RATE: i64 = 16 << 10;

/// All connections of a daemon.
pub(crate) struct Connections {
    most: usize,
    stall: Duration,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    next: u64,
    activities: BTreeMap<u64, Arc<Activity>>,
}

/// A connection's place; given back when dropped.
pub(crate) struct Place {
    connections: Arc<Connections>,
    number: u64,
    activity: Arc<Activity>,
}

/// What a connection is doing.
pub(crate) struct Activity {
    stall: Duration,
    state: Mutex<State>,
    ended: Notify,
}

struct State {
    requests: usize,
    /// Requests whose content is being read.
    receiving: usize,
    /// The kernel takes no more for the other end.
    is_blocked: bool,
    idle_since: Instant,
    /// Since when we wait for the other end.
    waiting_since: Option<Instant>,
    /// How long we would wait from then on, nanoseconds. Waiting uses it up, and what the other end
    /// takes or sends earns it again. Below zero is what the other end has to earn before it is
    /// waited for again.
    patience: i64,
}

impl Connections {
    /// Room for `most` connections. One whose other end makes too little progress for as long as
    /// `stall` may lose its place.
    pub(crate) fn new(most: usize, stall: Duration) -> Arc<Self> {
        Arc::new(Self { most, stall, held: Mutex::default() })
    }

    /// Takes a place for a new connection. When there is none, the connection that has been idle
    /// for longest ends; when none is idle, the one that has been stalled for longest. `None` when
    /// all are busy.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut held = self.lock();
        if held.activities.len() >= self.most {
            let now = Instant::now();
            let least_busy = held
                .activities
                .iter()
                .filter_map(|(&number, it)| Some((it.rank(now)?, number)))
                .min();
            let (_, number) = least_busy?;
            let activity = held.activities.remove(&number)?;
            activity.end();
        }
        held.next += 1;
        let number = held.next;
        let activity = Arc::new(Activity::new(self.stall));
        held.activities.insert(number, Arc::clone(&activity));
        Some(Place { connections: Arc::clone(self), number, activity })
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// What the connection is doing.
    pub(crate) fn activity(&self) -> Arc<Activity> {
        Arc::clone(&self.activity)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.lock().activities.remove(&self.number);
    }
}

impl Activity {
    fn new(stall: Duration) -> Self {
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

    /// The request's content is being read until the guard is dropped.
    pub(crate) fn receive(this: &Arc<Self>) -> Receiving {
        let mut state = this.lock();
        state.receiving += 1;
        state.settle(Instant::now(), 0, this.stall);
        Receiving(Arc::clone(this))
    }

    /// For how long the other end has held the connection up beyond our patience, if it does.
    pub(crate) fn overdue(&self, now: Instant) -> Option<Duration> {
        let state = self.lock();
        let overdue = nanos(now - state.waiting_since?) - state.patience;
        u64::try_from(overdue).ok().filter(|overdue| *overdue > 0).map(Duration::from_nanos)
    }

    /// Ends the connection.
    pub(crate) fn end(&self) {
        self.ended.notify_one();
    }

    /// Resolves when the connection has to end.
    pub(crate) async fn ended(&self) {
        self.ended.notified().await;
    }

    /// Which connection ends first: the least of these. `None`: it is busy.
    fn rank(&self, now: Instant) -> Option<(bool, Reverse<Duration>)> {
        let idle_for = {
            let state = self.lock();
            (state.requests == 0 && !state.is_blocked).then(|| now - state.idle_since)
        };
        let idle = idle_for.map(|idle_for| (false, Reverse(idle_for)));
        idle.or_else(|| self.overdue(now).map(|overdue| (true, Reverse(overdue))))
    }

    fn read(&self, bytes: usize) {
        self.lock().settle(Instant::now(), earned(bytes), self.stall);
    }

    fn wrote(&self, written: &Poll<io::Result<usize>>) {
        let bytes = if let Poll::Ready(Ok(bytes)) = written { *bytes } else { 0 };
        let mut state = self.lock();
        state.is_blocked = written.is_pending();
        state.settle(Instant::now(), earned(bytes), self.stall);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a client may take for this many bytes, nanoseconds.
fn earned(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX).saturating_mul(1_000_000_000 / MIN_RATE)
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

impl State {
    /// Counts the waiting until now against the patience, and adds what the other end has earned.
    fn settle(&mut self, now: Instant, earned: i64, stall: Duration) {
        let waited = self.waiting_since.map_or(0, |since| nanos(now - since));
        let most = nanos(stall);
        self.patience =
            self.patience.saturating_sub(waited).saturating_add(earned).clamp(-most, most);
        self.waiting_since = (self.is_blocked || self.receiving > 0).then_some(now);
    }
}

/// A request that runs.
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

/// A stream whose activity is noted.
pub(crate) struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let bytes = buf.filled().len() - before;
        if bytes > 0 {
            self.activity.read(bytes);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.activity.wrote(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.activity.wrote(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Duration = Duration::from_secs(10);

    fn full(most: usize) -> (Arc<Connections>, Vec<Place>) {
        let connections = Connections::new(most, STALL);
        let places = (0..most).map(|_| connections.enter().expect("there is room")).collect();
        (connections, places)
    }

    /// Which connections were told to end.
    async fn ended(places: &[Place]) -> Vec<usize> {
        let mut ended = Vec::new();
        for (number, place) in places.iter().enumerate() {
            if tokio::time::timeout(Duration::ZERO, place.activity.ended()).await.is_ok() {
                ended.push(number);
            }
        }
        ended
    }

    fn block(place: &Place) {
        place.activity.wrote(&Poll::Pending);
    }

    #[tokio::test(start_paused = true)]
    async fn the_connection_that_is_idle_for_longest_makes_room() {
        let (connections, places) = full(3);
        let busy = places[0].activity.begin();
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(places[1].activity.begin());
        let _fourth = connections.enter().expect("the third is idle for longest");
        assert_eq!(ended(&places).await, [2]);
        let _fifth = connections.enter().expect("then the second");
        assert_eq!(ended(&places).await, [1]);
        drop(busy);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_is_not_yet_with_the_kernel_is_not_idle() {
        let (connections, places) = full(1);
        drop(places[0].activity.begin());
        block(&places[0]);
        assert!(connections.enter().is_none());
        places[0].activity.wrote(&Poll::Ready(Ok(1)));
        assert!(connections.enter().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_too_little_is_stalled_and_who_waits_for_us_is_not() {
        let (connections, places) = full(3);
        let _busy: Vec<Busy> = places.iter().map(|place| place.activity.begin()).collect();
        // The first waits for the engine, the second takes the least that it must, the third a
        // little less.
        for _ in 0..200 {
            block(&places[1]);
            block(&places[2]);
            tokio::time::advance(Duration::from_secs(1)).await;
            places[1].activity.wrote(&Poll::Ready(Ok(16 << 10)));
            places[2].activity.wrote(&Poll::Ready(Ok(14 << 10)));
        }
        block(&places[1]);
        block(&places[2]);
        let fourth = connections.enter().expect("the third is stalled");
        let _busy = fourth.activity.begin();
        assert_eq!(ended(&places).await, [2]);
        assert!(connections.enter().is_none(), "nobody else is");
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_without_progress_is_stalled() {
        let (connections, places) = full(1);
        let _busy = places[0].activity.begin();
        let receiving = Activity::receive(&places[0].activity);
        tokio::time::advance(STALL).await;
        assert!(connections.enter().is_none(), "not yet");
        places[0].activity.read(1 << 20);
        tokio::time::advance(STALL + Duration::from_millis(1)).await;
        let _second = connections.enter().expect("the upload is stalled");
        assert_eq!(ended(&places).await, [0]);
        drop(receiving);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_given_back() {
        let (connections, mut places) = full(2);
        let _busy: Vec<Busy> = places.iter().map(|place| place.activity.begin()).collect();
        assert!(connections.enter().is_none());
        places.pop();
        assert!(connections.enter().is_some());
    }
}
