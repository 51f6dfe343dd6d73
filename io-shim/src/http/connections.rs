//! Permits for HTTP connections, and which connection closes when all are taken.
//!
//! Owns the count of connections and the stream that records their [`Activity`]. Must never know
//! what is asked. Invariant: a connection with a running request whose client keeps up the minimum
//! rate never loses its permit.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::control::desk::Activity;
use crate::http::flushes::Flushes;

/// All connections of one daemon.
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

/// The permit of one connection; released when dropped.
pub(crate) struct Permit {
    connections: Arc<Connections>,
    number: u64,
    activity: Arc<Activity>,
}

impl Connections {
    /// Permits for `most` connections. A client that makes too little progress for `stall` can lose
    /// its connection.
    pub(crate) fn new(most: usize, stall: Duration) -> Arc<Self> {
        Arc::new(Self { most, stall, held: Mutex::default() })
    }

    /// Takes a permit for a new connection. If none is free, the connection that has been idle for
    /// longest closes; if none is idle, the one that has been stalled for longest. `None` when all
    /// are busy.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Permit> {
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
        Some(Permit { connections: Arc::clone(self), number, activity })
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock()
    }
}

impl Permit {
    /// The connection's activity.
    pub(crate) fn activity(&self) -> Arc<Activity> {
        Arc::clone(&self.activity)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.connections.lock().activities.remove(&self.number);
    }
}

/// A stream that records its activity.
pub(crate) struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
    flushes: Arc<Flushes>,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, activity: Arc<Activity>, flushes: Arc<Flushes>) -> Self {
        Self { stream, activity, flushes }
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
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.flushes.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::control::desk::Busy;

    const STALL: Duration = Duration::from_secs(10);

    fn full(most: usize) -> (Arc<Connections>, Vec<Permit>) {
        let connections = Connections::new(most, STALL);
        let permits = (0..most).map(|_| connections.enter().expect("there is room")).collect();
        (connections, permits)
    }

    /// Numbers of the connections that have to close.
    async fn ended(permits: &[Permit]) -> Vec<usize> {
        let mut ended = Vec::new();
        for (number, permit) in permits.iter().enumerate() {
            if tokio::time::timeout(Duration::ZERO, permit.activity.ended()).await.is_ok() {
                ended.push(number);
            }
        }
        ended
    }

    fn block(permit: &Permit) {
        permit.activity.wrote(&Poll::Pending);
    }

    #[tokio::test(start_paused = true)]
    async fn the_connection_that_is_idle_for_longest_makes_room() {
        let (connections, permits) = full(3);
        let busy = permits[0].activity.begin();
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(permits[1].activity.begin());
        let _fourth = connections.enter().expect("the third is idle for longest");
        assert_eq!(ended(&permits).await, [2]);
        let _fifth = connections.enter().expect("then the second");
        assert_eq!(ended(&permits).await, [1]);
        drop(busy);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_is_not_yet_with_the_kernel_is_not_idle() {
        let (connections, permits) = full(1);
        drop(permits[0].activity.begin());
        block(&permits[0]);
        assert!(connections.enter().is_none());
        permits[0].activity.wrote(&Poll::Ready(Ok(1)));
        assert!(connections.enter().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_receives_too_little_is_stalled_and_one_that_waits_is_not() {
        let (connections, permits) = full(3);
        let _busy: Vec<Busy> = permits.iter().map(|permit| permit.activity.begin()).collect();
        // The first waits for the engine, the second receives the minimum rate, the third a little
        // less.
        for _ in 0..200 {
            block(&permits[1]);
            block(&permits[2]);
            tokio::time::advance(Duration::from_secs(1)).await;
            permits[1].activity.wrote(&Poll::Ready(Ok(16 << 10)));
            permits[2].activity.wrote(&Poll::Ready(Ok(14 << 10)));
        }
        block(&permits[1]);
        block(&permits[2]);
        let fourth = connections.enter().expect("the third is stalled");
        let _busy = fourth.activity.begin();
        assert_eq!(ended(&permits).await, [2]);
        assert!(connections.enter().is_none(), "no other connection is stalled");
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_without_progress_is_stalled() {
        let (connections, permits) = full(1);
        let _busy = permits[0].activity.begin();
        let receiving = Activity::receive(&permits[0].activity);
        tokio::time::advance(STALL).await;
        assert!(connections.enter().is_none(), "not yet");
        permits[0].activity.read(1 << 20);
        tokio::time::advance(STALL + Duration::from_millis(1)).await;
        let _second = connections.enter().expect("the upload is stalled");
        assert_eq!(ended(&permits).await, [0]);
        drop(receiving);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_given_back() {
        let (connections, mut permits) = full(2);
        let _busy: Vec<Busy> = permits.iter().map(|permit| permit.activity.begin()).collect();
        assert!(connections.enter().is_none());
        permits.pop();
        assert!(connections.enter().is_some());
    }

    /// A stream that can only be written slice by slice.
    struct Plain(tokio::io::DuplexStream);

    impl AsyncWrite for Plain {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, buf)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_watched_stream_does_what_its_stream_does() {
        let watch = || Arc::new(Activity::new(STALL));
        let (inner, mut far) = tokio::io::duplex(100);
        let mut stream = Watched::new(tokio::io::BufWriter::new(inner), watch(), Arc::default());
        assert!(stream.is_write_vectored());
        let mut bytes = [0; 3];
        stream.write_all(b"abc").await.unwrap();
        let early = tokio::time::timeout(STALL, far.read_exact(&mut bytes)).await;
        assert!(early.is_err(), "the buffer holds it");
        stream.flush().await.unwrap();
        far.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"abc");
        let slices = [IoSlice::new(b"de"), IoSlice::new(b"fg")];
        assert_eq!(stream.write_vectored(&slices).await.unwrap(), 4);
        far.write_all(b"xyz").await.unwrap();
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"xyz");
        stream.shutdown().await.unwrap();
        let mut rest = String::new();
        far.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "defg");
        assert!(!Watched::new(Plain(far), watch(), Arc::default()).is_write_vectored());
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_in_both_directions_show_that_a_client_goes_on() {
        let activity = Arc::new(Activity::new(STALL));
        let _busy = activity.begin();
        let _receiving = Activity::receive(&activity);
        let (inner, mut far) = tokio::io::duplex(1 << 20);
        let mut stream = Watched::new(inner, Arc::clone(&activity), Arc::default());
        tokio::time::advance(STALL + STALL).await;
        assert!(activity.overdue(Instant::now()).is_some());
        let mut bytes = vec![0; 320 << 10];
        far.write_all(&bytes).await.unwrap();
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(activity.overdue(Instant::now()), None, "it has sent");
        tokio::time::advance(STALL + STALL).await;
        assert!(activity.overdue(Instant::now()).is_some());
        stream.write_all(&bytes).await.unwrap();
        assert_eq!(activity.overdue(Instant::now()), None, "it has received");
    }
}
