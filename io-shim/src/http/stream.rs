//! A reply's body, read as far as the engine grants.
//!
//! Two halves share a channel with one slot. The *pump* waits for grants and reads the file; the
//! *body* passes chunks to the HTTP connection. When a viewer stops receiving, the pump stops
//! reading. When a viewer leaves, the body is dropped, the pump ends, and its ticket withdraws the
//! request. Must never know why bytes are granted.
//!
//! Invariants: the pump never reads a byte that is not granted; the body yields a chunk only while
//! no byte of it was revoked; at most three chunks of one reply are in memory; a body yields
//! exactly its length or ends in an error that breaks the connection, so that no viewer takes a
//! truncated film for a whole one.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::control::desk::{Desk, Lease, Patience, ServedFile, Slot, Ticket};
use crate::files::byte_range::ByteRange;
use crate::http::opener::Opener;
use crate::http::source::{Source, Unread};
use crate::metrics::{Metrics, add};

/// Bytes per read: enough to make system calls cheap, few enough for 64 slow viewers.
pub(crate) const CHUNK: usize = 256 << 10;
/// How often, and after how many bytes, the engine learns a viewer's position.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);
const PROGRESS_BYTES: u64 = 1 << 20;

/// One range of a reply and the text before it.
pub(crate) struct Part {
    pub(crate) head: Bytes,
    pub(crate) range: ByteRange,
}

/// A reply that is ready to be sent: some of its first range is granted.
pub(crate) struct Reply {
    pub(crate) desk: Arc<Desk>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) slot: Slot,
    pub(crate) served: Arc<ServedFile>,
    pub(crate) source: Source,
    /// Opens the file again when it has moved.
    pub(crate) opener: Opener,
    /// The request for the first part.
    pub(crate) ticket: Ticket,
    pub(crate) first_head: Bytes,
    /// The first bytes of the first part, if it has no head. They go out with the headers.
    pub(crate) ahead: Option<Chunk>,
    /// The other parts. Each is requested in its turn.
    pub(crate) rest: VecDeque<Part>,
    pub(crate) tail: Bytes,
    /// Length of the whole body, bytes.
    pub(crate) length: u64,
}

/// Bytes for the connection.
pub(crate) struct Chunk {
    pub(crate) bytes: Bytes,
    /// Permission to send them; `None` for bytes that are not of the file.
    pub(crate) lease: Option<Lease>,
}

/// The body that the HTTP connection reads.
pub(crate) struct StreamBody {
    chunks: mpsc::Receiver<Chunk>,
    taken: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
    left: u64,
}

impl Reply {
    /// Starts the pump and returns the body.
    pub(crate) fn start(self) -> StreamBody {
        let (sender, chunks) = mpsc::channel(1);
        let taken = Arc::new(AtomicU64::new(0));
        let body = StreamBody {
            chunks,
            taken: Arc::clone(&taken),
            metrics: Arc::clone(&self.metrics),
            left: self.length,
        };
        let mut out = Outlet { sender, taken, sent: 0 };
        // The channel is empty, so it has space for one chunk.
        if let Some(ahead) = self.ahead {
            let count = ahead.bytes.len() as u64;
            out.sent = if out.sender.try_send(ahead).is_ok() { count } else { 0 };
        }
        tokio::spawn(async move {
            let request = self.ticket.id();
            let mut pump = Pump {
                desk: self.desk,
                metrics: self.metrics,
                slot: self.slot,
                served: self.served,
                source: self.source,
                opener: self.opener,
                out,
            };
            let ended = pump.run(self.first_head, self.ticket, self.rest, self.tail).await;
            match ended {
                Ok(()) => tracing::debug!(%request, "reply complete"),
                Err(why) => tracing::debug!(%request, ?why, "reply ended early"),
            }
        });
        body
    }
}

/// Why a pump ends before its reply does.
#[derive(Debug)]
enum Stop {
    ViewerGone,
    NoGrant(#[expect(dead_code, reason = "for the log")] crate::control::desk::End),
    /// Another program changed the file.
    Changed,
    Unreadable(#[expect(dead_code, reason = "for the log")] io::Error),
}

struct Pump {
    desk: Arc<Desk>,
    metrics: Arc<Metrics>,
    slot: Slot,
    served: Arc<ServedFile>,
    source: Source,
    opener: Opener,
    out: Outlet,
}

/// The pump's end of the channel, and how many bytes went through it.
struct Outlet {
    sender: mpsc::Sender<Chunk>,
    taken: Arc<AtomicU64>,
    sent: u64,
}

impl Pump {
    async fn run(
        &mut self,
        head: Bytes,
        first: Ticket,
        rest: VecDeque<Part>,
        tail: Bytes,
    ) -> Result<(), Stop> {
        let ahead = self.out.sent;
        self.part(head, first, ahead).await?;
        for part in rest {
            let ticket =
                self.desk.ask(Arc::clone(&self.served), part.range, Patience::Some, &self.slot);
            self.part(part.head, ticket, 0).await?;
        }
        self.out.send(Chunk { bytes: tail, lease: None }, None).await
    }

    /// Sends one part, whose first `ahead` bytes are already sent.
    async fn part(&mut self, head: Bytes, mut ticket: Ticket, ahead: u64) -> Result<(), Stop> {
        self.out.send(Chunk { bytes: head, lease: None }, None).await?;
        let ByteRange { start, end } = ticket.range();
        let mut viewer =
            Viewer { start, before: self.out.sent - ahead, reported: start, at: Instant::now() };
        let mut position = start + ahead;
        while position <= end {
            let watermark = self.wait(&mut ticket, &mut viewer, position).await?;
            let count = usize::try_from(watermark - position).unwrap_or(CHUNK).min(CHUNK);
            // Without a lease, some of it was just revoked: the loop waits for it again.
            let Some(lease) = ticket.lease(position + count as u64) else { continue };
            let bytes = self.read(position, count).await?;
            position += bytes.len() as u64;
            self.out
                .send(Chunk { bytes, lease: Some(lease) }, Some((&ticket, &mut viewer)))
                .await?;
        }
        self.out.drained(&ticket, &mut viewer).await
    }

    /// Waits until the byte at `position` is granted, and reports the viewer's position meanwhile.
    async fn wait(
        &mut self,
        ticket: &mut Ticket,
        viewer: &mut Viewer,
        position: u64,
    ) -> Result<u64, Stop> {
        let began = Instant::now();
        loop {
            let due = viewer.next_report(self.out.taken());
            tokio::select! {
                biased;
                () = self.out.sender.closed() => return Err(Stop::ViewerGone),
                granted = ticket.granted_beyond(position, began) => {
                    return granted.map_err(Stop::NoGrant);
                }
                () = tokio::time::sleep(due) => viewer.report_if_due(ticket, self.out.taken()),
            }
        }
    }

    async fn read(&mut self, position: u64, count: usize) -> Result<Bytes, Stop> {
        loop {
            match self.source.read(position, count).await {
                Ok(bytes) => {
                    add(&self.metrics.read_bytes, count);
                    return Ok(bytes);
                }
                Err(Unread::Moved) => {
                    let gone = |_| {
                        Stop::Unreadable(io::Error::other(
                            "the file was moved to another disk and is not there",
                        ))
                    };
                    self.source = self.opener.open(&self.served).await.map_err(gone)?;
                }
                Err(Unread::Changed) => {
                    self.opener.report(&self.served, true).await;
                    return Err(Stop::Changed);
                }
                Err(Unread::Failed(error)) => {
                    tracing::warn!(file = %self.served.id, %error, "a granted byte cannot be read");
                    return Err(Stop::Unreadable(error));
                }
            }
        }
    }
}
impl Outlet {
    fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Sends a chunk when the former one has been taken.
    async fn send(
        &mut self,
        chunk: Chunk,
        mut reporting: Option<(&Ticket, &mut Viewer)>,
    ) -> Result<(), Stop> {
        if chunk.bytes.is_empty() {
            return Ok(());
        }
        let length = chunk.bytes.len() as u64;
        let reserved = loop {
            let Some((ticket, viewer)) = reporting.as_mut() else {
                break self.sender.reserve().await;
            };
            viewer.report_if_due(ticket, self.taken());
            tokio::select! {
                biased;
                reserved = self.sender.reserve() => break reserved,
                end = ticket.cut() => return Err(Stop::NoGrant(end)),
                () = tokio::time::sleep(viewer.next_report(self.taken())) => {}
            }
        };
        reserved.map_err(|_| Stop::ViewerGone)?.send(chunk);
        self.sent += length;
        Ok(())
    }

    /// Waits until all chunks are taken, and reports that to the engine.
    async fn drained(&mut self, ticket: &Ticket, viewer: &mut Viewer) -> Result<(), Stop> {
        while self.taken() < self.sent {
            tokio::select! {
                biased;
                end = ticket.cut() => return Err(Stop::NoGrant(end)),
                // The connection drops the body with its last chunk.
                reserved = self.sender.reserve() => {
                    if reserved.is_err() && self.taken() < self.sent {
                        return Err(Stop::ViewerGone);
                    }
                }
                () = tokio::time::sleep(viewer.next_report(self.taken())) => {
                    viewer.report_if_due(ticket, self.taken());
                }
            }
        }
        viewer.report(ticket, self.taken());
        Ok(())
    }
}

/// The position of one range's viewer, and what the engine knows of it.
struct Viewer {
    /// Offset in the file where the range starts.
    start: u64,
    /// Bytes of the body before the range.
    before: u64,
    reported: u64,
    at: Instant,
}

impl Viewer {
    fn position(&self, taken: u64) -> u64 {
        self.start + taken.saturating_sub(self.before)
    }

    fn next_report(&self, taken: u64) -> Duration {
        // There is nothing to report. Look again when there could be.
        let since =
            if self.position(taken) > self.reported { self.at.elapsed() } else { Duration::ZERO };
        PROGRESS_EVERY.saturating_sub(since)
    }

    fn is_due(&self, taken: u64) -> bool {
        let moved = self.position(taken) - self.reported;
        moved >= PROGRESS_BYTES || (moved > 0 && self.at.elapsed() >= PROGRESS_EVERY)
    }

    fn report_if_due(&mut self, ticket: &Ticket, taken: u64) {
        if self.is_due(taken) {
            self.report(ticket, taken);
        }
    }

    fn report(&mut self, ticket: &Ticket, taken: u64) {
        self.reported = self.position(taken);
        self.at = Instant::now();
        ticket.progress(self.reported);
    }
}

impl http_body::Body for StreamBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let chunk = std::task::ready!(self.chunks.poll_recv(cx));
        let is_good = |chunk: &Chunk| !chunk.lease.as_ref().is_some_and(Lease::is_cut);
        let Some(Chunk { bytes: chunk, .. }) = chunk.filter(is_good) else {
            let cut =
                io::Error::new(io::ErrorKind::UnexpectedEof, "the rest of the reply will not come");
            return Poll::Ready(Some(Err(cut)));
        };
        self.taken.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        add(&self.metrics.served_bytes, chunk.len());
        self.left -= chunk.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A viewer of a range from 1000 on. The body has 50 other bytes before the range.
    fn viewer() -> Viewer {
        Viewer { start: 1_000, before: 50, reported: 1_000, at: Instant::now() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_viewers_position_counts_from_its_range() {
        assert_eq!(
            [0, 50, 51, 150].map(|taken| viewer().position(taken)),
            [1_000, 1_000, 1_001, 1_100]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_position_is_reported_when_it_has_moved_far_or_long_ago() {
        let viewer = viewer();
        assert!(!viewer.is_due(51));
        assert!(!viewer.is_due(50 + PROGRESS_BYTES - 1));
        assert!(viewer.is_due(50 + PROGRESS_BYTES));
        tokio::time::advance(PROGRESS_EVERY - Duration::from_millis(1)).await;
        assert!(!viewer.is_due(51));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(viewer.is_due(51));
        assert!(!viewer.is_due(50), "the engine knows it");
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_report_comes_an_interval_after_the_last_one() {
        let viewer = viewer();
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!(viewer.next_report(51), PROGRESS_EVERY - Duration::from_millis(100));
        assert_eq!(viewer.next_report(50), PROGRESS_EVERY, "there is nothing to report");
        tokio::time::advance(PROGRESS_EVERY).await;
        assert_eq!(viewer.next_report(51), Duration::ZERO);
    }
}
