//! Memory for the contents of calls, until the engine has answered them.
//!
//! Owns how much memory there is, and which upload loses its share when others wait. Must never
//! know what is sent. Invariants: all uploads together hold at most [`MOST`] bytes; an upload that
//! makes progress, or is complete, keeps what it holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::{Mutex, MutexGuard};
use shared_proto::frame::BATCH_TARGET;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Bytes of all uploads together: two of the longest, and many small ones.
const MOST: usize = 128 << 20;
/// An upload without progress for this long ends when others wait.
const STALL: Duration = Duration::from_secs(5);
/// How long an upload waits for memory: long enough for all stalled ones to end.
const ROOM_WITHIN: Duration = Duration::from_secs(7);
/// The rate that counts as progress, bytes per second.
const MIN_RATE: u64 = 16 << 10;

/// All uploads of one daemon.
#[derive(Default)]
pub(crate) struct Uploads {
    table: Mutex<Table>,
    freed: Notify,
}

#[derive(Default)]
struct Table {
    next: u64,
    held: usize,
    uploads: BTreeMap<u64, Entry>,
}

struct Entry {
    held: usize,
    /// When the upload counts as stalled if it makes no more progress. `None` while it does not
    /// wait for its client.
    stalls_at: Option<Instant>,
    end: Arc<Notify>,
}

/// One upload. Dropping it frees its memory.
pub(crate) struct Upload {
    uploads: Arc<Uploads>,
    number: u64,
    end: Arc<Notify>,
    parts: Vec<Bytes>,
    last: BytesMut,
    length: usize,
}

/// No memory became free in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRoom;

impl Uploads {
    /// Begins an upload.
    pub(crate) fn begin(self: &Arc<Self>) -> Upload {
        let end = Arc::new(Notify::new());
        let mut table = self.lock();
        table.next += 1;
        let number = table.next;
        let stalls_at = Some(Instant::now() + STALL);
        table.uploads.insert(number, Entry { held: 0, stalls_at, end: Arc::clone(&end) });
        let (parts, last) = (Vec::new(), BytesMut::new());
        Upload { uploads: Arc::clone(self), number, end, parts, last, length: 0 }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock()
    }
}

impl Table {
    /// Takes memory for an upload, from stalled ones if need be.
    ///
    /// # Errors
    /// When the next upload stalls, if any can.
    fn take(&mut self, number: u64, bytes: usize, now: Instant) -> Result<(), Option<Instant>> {
        while self.held + bytes > MOST {
            let others =
                self.uploads.iter().filter(|(other, entry)| **other != number && entry.held > 0);
            let next = others.filter_map(|(&other, entry)| Some((entry.stalls_at?, other))).min();
            let Some((_, stalled)) = next.filter(|(stalls_at, _)| *stalls_at <= now) else {
                return Err(next.map(|(stalls_at, _)| stalls_at));
            };
            if let Some(entry) = self.uploads.remove(&stalled) {
                self.held -= entry.held;
                entry.end.notify_one();
            }
        }
        if let Some(entry) = self.uploads.get_mut(&number) {
            entry.held += bytes;
            self.held += bytes;
        }
        Ok(())
    }
}

impl Upload {
    /// Bytes received so far.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Adds bytes, waiting for memory if need be.
    pub(crate) async fn push(&mut self, mut chunk: impl Buf) -> Result<(), NoRoom> {
        let bytes = chunk.remaining();
        self.make_room(bytes).await?;
        self.length += bytes;
        while chunk.has_remaining() {
            let slice = chunk.chunk();
            let slice = &slice[..slice.len().min(BATCH_TARGET - self.last.len())];
            self.last.extend_from_slice(slice);
            let taken = slice.len();
            chunk.advance(taken);
            if self.last.len() == BATCH_TARGET {
                self.parts.push(std::mem::take(&mut self.last).freeze());
            }
        }
        let now = Instant::now();
        let earned = Duration::from_millis((bytes as u64).saturating_mul(1_000) / MIN_RATE);
        self.note(|stalls_at| Some((stalls_at.unwrap_or(now).max(now) + earned).min(now + STALL)));
        Ok(())
    }

    /// Ends the upload and returns its content in parts of at most [`BATCH_TARGET`] bytes.
    pub(crate) fn complete(&mut self) -> Vec<Bytes> {
        self.note(|_| None);
        let last = std::mem::take(&mut self.last).freeze();
        let mut parts = std::mem::take(&mut self.parts);
        parts.extend((!last.is_empty()).then_some(last));
        parts
    }

    /// Resolves when other uploads need the memory of this stalled one.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + use<> {
        let end = Arc::clone(&self.end);
        async move { end.notified().await }
    }

    async fn make_room(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let until = Instant::now() + ROOM_WITHIN;
        let uploads = Arc::clone(&self.uploads);
        loop {
            let mut freed = std::pin::pin!(uploads.freed.notified());
            freed.as_mut().enable();
            let now = Instant::now();
            let taken = uploads.lock().take(self.number, bytes, now);
            let Err(next) = taken else { return Ok(()) };
            if now >= until {
                return Err(NoRoom);
            }
            // The upload waits for the daemon now, not for its client.
            self.note(|_| None);
            let _ = tokio::time::timeout_at(next.unwrap_or(until).min(until), freed).await;
        }
    }

    fn note(&self, stalls_at: impl FnOnce(Option<Instant>) -> Option<Instant>) {
        if let Some(entry) = self.uploads.lock().uploads.get_mut(&self.number) {
            entry.stalls_at = stalls_at(entry.stalls_at);
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let mut table = self.uploads.lock();
        if let Some(entry) = table.uploads.remove(&self.number) {
            table.held -= entry.held;
        }
        drop(table);
        self.uploads.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EIGHT: usize = 8 << 20;

    async fn push(upload: &mut Upload, bytes: usize) -> Result<(), NoRoom> {
        upload.push(&vec![7; bytes][..]).await
    }

    /// Uploads of 8 MiB that hold all memory and make no progress.
    async fn full(uploads: &Arc<Uploads>) -> Vec<Upload> {
        let mut all: Vec<Upload> = (0..MOST / EIGHT).map(|_| uploads.begin()).collect();
        for upload in &mut all {
            push(upload, EIGHT).await.unwrap();
        }
        all
    }

    #[tokio::test(start_paused = true)]
    async fn unfinished_uploads_that_stall_make_room() {
        let uploads = Arc::new(Uploads::default());
        let stalled = full(&uploads).await;
        let began = Instant::now();
        let mut upload = uploads.begin();
        push(&mut upload, 55 << 20).await.unwrap();
        assert!(began.elapsed() <= STALL + Duration::from_millis(10), "{:?}", began.elapsed());
        assert!(uploads.lock().held <= MOST);
        let mut ended = 0;
        for stalled in &stalled {
            ended +=
                usize::from(tokio::time::timeout(Duration::ZERO, stalled.ended()).await.is_ok());
        }
        assert_eq!(ended, 7, "no more than need be");
        drop((stalled, upload));
        assert_eq!(uploads.lock().held, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn uploads_that_go_on_or_are_complete_keep_what_they_hold() {
        let uploads = Arc::new(Uploads::default());
        let mut others = full(&uploads).await;
        let parts = others[0].complete();
        assert_eq!(
            (parts.len(), parts.iter().map(Bytes::len).sum()),
            (EIGHT / BATCH_TARGET, EIGHT)
        );
        let mut late = uploads.begin();
        let mut late = Box::pin(push(&mut late, 1));
        for _ in 0..6 {
            assert!(tokio::time::timeout(Duration::from_secs(1), &mut late).await.is_err());
            for other in &others[1..] {
                other.note(|_| Some(Instant::now() + STALL));
            }
        }
        assert_eq!(late.await, Err(NoRoom));
        others.pop();
    }

    #[tokio::test(start_paused = true)]
    async fn room_that_others_give_back_is_taken_at_once() {
        let uploads = Arc::new(Uploads::default());
        let mut others = full(&uploads).await;
        let mut late = uploads.begin();
        let began = Instant::now();
        let (taken, ()) = tokio::join!(push(&mut late, 100), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            others.pop();
        });
        assert_eq!((taken, began.elapsed().as_secs()), (Ok(()), 1));
    }

    #[tokio::test]
    async fn parts_are_of_one_length_however_small_the_chunks() {
        let mut upload = Arc::new(Uploads::default()).begin();
        let sent: Vec<u8> =
            (0..BATCH_TARGET * 2 + 5).map(|at| (at % 251).to_le_bytes()[0]).collect();
        for chunk in sent.chunks(1_000) {
            upload.push(chunk).await.unwrap();
        }
        let parts = upload.complete();
        assert_eq!(
            parts.iter().map(Bytes::len).collect::<Vec<_>>(),
            [BATCH_TARGET, BATCH_TARGET, 5]
        );
        assert_eq!((parts.concat(), upload.length()), (sent.clone(), sent.len()));
    }
}
