//! Sends what waits in the [`super::outbox`]. It reads files, encrypts, and writes to the socket.
//!
//! Owns the bytes between queue and socket, and the cipher of the outgoing direction. Invariants: a
//! file is read only when the socket has taken all that was read before, so that a slow peer costs
//! one step's bytes; bytes go out in the order of their commands; if a file cannot be read, nothing
//! of its command is sent and the connection ends.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    sync::atomic::Ordering,
};

use bytes::{Buf, Bytes};
use shared_proto::{
    IoEvent, OpId,
    frame::MAX_READ,
    io::{CloseReason, OpError, OpErrorKind, OpOutput},
};

use super::{
    byte_stream::ByteStream, cipher::Cipher, close_reason::reason_of, conn::Conn, context::Context,
    outbox::Item, rate::Direction,
};
use crate::files::{
    claimed::{Claimed, Placed},
    error::op_error,
    locks::Access,
};
use crate::policy::limits;

/// Slices of one vectored write.
const SLICES: usize = 64;

/// The sending half of one connection.
pub(super) struct Writer<'a, S> {
    context: &'a Context,
    conn: &'a Conn,
    stream: &'a S,
    cipher: Option<Cipher>,
    staged: VecDeque<Bytes>,
    /// Position in the stream behind all that is staged. `written` is the position behind all that
    /// is written.
    staged_to: u64,
    written: u64,
}

impl<'a, S: ByteStream> Writer<'a, S> {
    pub(super) fn new(context: &'a Context, conn: &'a Conn, stream: &'a S) -> Self {
        Self {
            context,
            conn,
            stream,
            cipher: None,
            staged: VecDeque::new(),
            staged_to: 0,
            written: 0,
        }
    }

    /// Sends until the connection ends.
    pub(super) async fn run(mut self) -> CloseReason {
        loop {
            let items = self.conn.outbox.take(limits::SEND_STEP).await;
            let failed = self.stage(items).await;
            while !self.staged.is_empty() {
                if let Err(error) = self.write_some().await {
                    return reason_of(&error);
                }
            }
            if let Err((op, error)) = failed {
                self.context.events.send(IoEvent::Done { op, result: Err(error) }).await;
                return CloseReason::Network;
            }
        }
    }

    /// Prepares items for writing, up to one whose file cannot be read.
    async fn stage(&mut self, items: Vec<Item>) -> Result<(), (OpId, OpError)> {
        let mut read = self.read(&items).await.into_iter();
        let mut items = items.into_iter();
        let mut failed = None;
        for item in items.by_ref() {
            match item {
                Item::Bytes(data) => self.put(data),
                Item::Cipher(cipher) => self.cipher = Some(cipher),
                Item::Spans(op, head, _) => match read.next().expect("one for each command") {
                    Ok(data) => {
                        self.context
                            .metrics
                            .payload_sent_bytes
                            .fetch_add(data.len() as u64, Ordering::Relaxed);
                        self.put(head);
                        self.put(data);
                        self.conn.outbox.begin(self.staged_to, op);
                    }
                    Err(error) => {
                        failed = Some((op, error));
                        break;
                    }
                },
            }
        }
        // The end of the connection answers the commands that were taken with it.
        for item in items {
            if let Item::Spans(op, ..) = item {
                self.conn.outbox.begin(u64::MAX, op);
            }
        }
        self.tell_done().await;
        failed.map_or(Ok(()), Err)
    }

    /// Reads the file bytes of all items in one job.
    async fn read(&self, items: &[Item]) -> Vec<Result<Bytes, OpError>> {
        let wanted: Vec<Result<Vec<Placed>, OpError>> = items
            .iter()
            .filter_map(|item| match item {
                Item::Spans(_, _, spans) => Some(spans.clone().and_then(checked)),
                Item::Bytes(_) | Item::Cipher(_) => None,
            })
            .collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        // One claim for all spans: two claims could wait for each other with two of another task.
        let placed: Vec<Placed> = wanted.iter().flatten().flatten().cloned().collect();
        let ready = Claimed::new(&self.context.store, None, Access::Read, placed).ready().await;
        let lengths: Vec<usize> = wanted.iter().flatten().map(Vec::len).collect();
        let job = move || Ok(ready.read_groups(&lengths));
        let mut groups = match self.context.store.disk_job(job).await {
            Ok(groups) => groups.into_iter(),
            Err(error) => return wanted.iter().map(|_| Err(error.clone())).collect(),
        };
        wanted
            .into_iter()
            .map(|spans| spans.and_then(|_| groups.next().expect("one for each that was read")))
            .collect()
    }

    fn put(&mut self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        self.staged_to += data.len() as u64;
        self.staged.push_back(match &mut self.cipher {
            Some(cipher) => {
                let mut data = data.try_into_mut().unwrap_or_else(|shared| shared[..].into());
                cipher.apply(&mut data);
                data.freeze()
            }
            None => data,
        });
    }

    async fn write_some(&mut self) -> io::Result<()> {
        self.stream.writable().await?;
        let want = self.staged.iter().take(SLICES).map(Bytes::len).sum();
        let write = |allowed| {
            let written = self.stream.try_write(&slices(&self.staged, allowed));
            (*written.as_ref().unwrap_or(&0), written)
        };
        match self.context.rates.pass(&self.conn.group, Direction::Up, want, write).await {
            Ok(written) => {
                self.advance(written);
                self.tell_done().await;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn advance(&mut self, mut written: usize) {
        self.written += written as u64;
        while written > 0
            && let Some(front) = self.staged.front_mut()
        {
            let now = written.min(front.len());
            front.advance(now);
            written -= now;
            if front.is_empty() {
                self.staged.pop_front();
            }
        }
    }

    async fn tell_done(&self) {
        let done = self.conn.outbox.done(self.written);
        let events = done.into_iter().map(|op| IoEvent::Done { op, result: Ok(OpOutput::Unit) });
        self.context.events.send_all(events.collect()).await;
    }
}

/// Checks that one command may read these spans.
fn checked(spans: Vec<Placed>) -> Result<Vec<Placed>, OpError> {
    let total: u64 = spans.iter().map(|span| u64::from(span.length())).sum();
    if total > u64::from(MAX_READ) {
        return Err(op_error(OpErrorKind::Limit, "one command must not send this many bytes"));
    }
    if spans.iter().any(Placed::is_closed) {
        return Err(op_error(OpErrorKind::NotFound, "the file was closed"));
    }
    Ok(spans)
}

/// The first `most` bytes of the chunks.
fn slices(chunks: &VecDeque<Bytes>, mut most: usize) -> Vec<IoSlice<'_>> {
    let mut slices = Vec::with_capacity(chunks.len().min(SLICES));
    for chunk in chunks.iter().take(SLICES) {
        let now = most.min(chunk.len());
        if now == 0 {
            break;
        }
        slices.push(IoSlice::new(&chunk[..now]));
        most -= now;
    }
    slices
}
