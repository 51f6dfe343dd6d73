//! One connection, whatever carries it: opened, read in bursts, written from a queue, closed once.
//!
//! Owns the handle that commands act upon and the order of events. [`super::reading`] cuts what
//! comes, [`super::burst`] acts upon it as [`super::divert`] allows, [`super::writer`] sends.
//! Invariants: events come in the order of the stream; while the engine takes no events, or the
//! rate is used up, the stream is not read; memory is bounded in both directions.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
};

use bytes::{Bytes, BytesMut};
use shared_proto::{
    ConnId, IoEvent, OpId,
    io::{CloseReason, OpError, OpErrorKind, Rc4Start},
};
use tokio::{join, select, sync::Notify};
use tokio_util::sync::CancellationToken;

use super::{
    Context,
    burst::Burst,
    byte_stream::ByteStream,
    cipher::Cipher,
    divert::Diversion,
    framing::{Framing, Oversized},
    outbox::{Item, Outbox, Refused},
    rate::{Direction, Group, Membership},
    reading::Reading,
    writer::Writer,
};
use crate::files::{
    error::{is_out_of_descriptors, op_error},
    table::Placed,
};
use crate::limits;

/// The handle that commands act upon.
pub(crate) struct Conn {
    id: ConnId,
    reading: Mutex<Reading>,
    reading_changed: Notify,
    pub(super) outbox: Outbox,
    diversion: Diversion,
    pub(super) group: Membership,
    /// Ends the connection at once and silently.
    killed: CancellationToken,
    /// Ends it after the burst that is being worked off, with an event.
    overfull: CancellationToken,
}

impl Conn {
    pub(super) fn new(id: ConnId, diversion: Diversion, killed: CancellationToken) -> Self {
        Self {
            id,
            reading: Mutex::default(),
            reading_changed: Notify::new(),
            outbox: Outbox::default(),
            diversion,
            group: Membership::new(None),
            overfull: killed.child_token(),
            killed,
        }
    }

    /// Its number.
    pub(super) fn id(&self) -> ConnId {
        self.id
    }

    /// Queues bytes to send; one that does not read them is closed in the end.
    pub(super) fn send(&self, data: Bytes) {
        if !data.is_empty() {
            self.queue(Item::Bytes(data));
        }
    }

    /// Queues bytes to send, and then bytes of files; false when nothing will come of it any more.
    pub(super) fn send_spans(
        &self,
        op: OpId,
        head: Bytes,
        spans: Result<Vec<Placed>, OpError>,
    ) -> bool {
        self.queue(Item::Spans(op, head, spans))
    }

    fn queue(&self, item: Item) -> bool {
        if self.overfull.is_cancelled() {
            return false;
        }
        let queued = self.outbox.push(item);
        if queued == Err(Refused::Overfull) {
            self.overfull.cancel();
        }
        queued.is_ok()
    }

    /// Transforms each direction from here on. A connection that is told to do what it can't is
    /// closed: what it sends would be nonsense.
    pub(super) fn transform(&self, read: Option<Rc4Start>, write: Option<Rc4Start>) {
        let read = read.map(|start| Cipher::new(&start));
        let write = write.map(|start| Cipher::new(&start));
        let is_reading = match read {
            Some(Some(cipher)) => lock(&self.reading).transform(cipher),
            Some(None) => false,
            None => true,
        };
        let is_writing = match write {
            Some(Some(cipher)) => self.queue(Item::Cipher(cipher)),
            Some(None) => false,
            None => true,
        };
        self.reading_changed.notify_one();
        if !is_reading || !is_writing {
            tracing::warn!(conn = %self.id, "a transform that can't be");
            self.overfull.cancel();
        }
    }

    /// Says how to read from here on.
    pub(super) fn change_framing(&self, change: impl FnOnce(&mut Framing)) {
        change(&mut lock(&self.reading).framing);
        self.reading_changed.notify_one();
    }

    /// Counts to a group of the rate limits from here on.
    pub(super) fn join(&self, group: Option<Arc<Group>>) {
        self.group.send_replace(group);
    }

    /// Its armed keys.
    pub(super) fn diversion(&self) -> &Diversion {
        &self.diversion
    }

    /// Closes it at once: no write begins and no event is made after this.
    pub(super) fn kill(&self) {
        self.diversion.close();
        self.killed.cancel();
    }
}

/// The connection's whole life; `opened` is what the engine hears when it is open.
pub(super) async fn run<S: ByteStream>(
    context: Arc<Context>,
    conn: Arc<Conn>,
    opened: IoEvent,
    opening: impl Future<Output = Result<S, CloseReason>>,
) {
    context.metrics.conns_open.fetch_add(1, Ordering::Relaxed);
    let killed = conn.killed.clone();
    select! {
        biased;
        () = killed.cancelled() => {}
        () = live(&context, &conn, opened, opening) => {}
    }
    context.metrics.conns_open.fetch_sub(1, Ordering::Relaxed);
}

async fn live<S: ByteStream>(
    context: &Context,
    conn: &Conn,
    opened: IoEvent,
    opening: impl Future<Output = Result<S, CloseReason>>,
) {
    let reason = match opening.await {
        Ok(stream) => {
            context.events.send(opened).await;
            Session { context, conn, stream }.serve().await
        }
        Err(reason) => reason,
    };
    conn.diversion.close();
    context.conns().remove(&conn.id);
    let unsent = conn.outbox.close().into_iter().map(|op| {
        let error = op_error(OpErrorKind::Network, "the connection is closed");
        IoEvent::Done { op, result: Err(error) }
    });
    let events = unsent.chain([IoEvent::TcpClosed { conn: conn.id, reason }]);
    context.events.send_all(events.collect()).await;
}

/// An open connection.
struct Session<'a, S> {
    context: &'a Context,
    conn: &'a Conn,
    stream: S,
}

impl<S: ByteStream> Session<'_, S> {
    /// Reads and writes until either side ends. What was read is worked off before the end is told.
    async fn serve(&self) -> CloseReason {
        let stop = CancellationToken::new();
        let mut reading = Box::pin(self.read_all(&stop));
        let reason = select! {
            reason = &mut reading => return reason,
            reason = Writer::new(self.context, self.conn, &self.stream).run() => reason,
            () = self.conn.overfull.cancelled() => CloseReason::Limit,
        };
        stop.cancel();
        reading.await;
        reason
    }

    /// While one burst goes to disk the next is read, so that neither waits for the other.
    async fn read_all(&self, stop: &CancellationToken) -> CloseReason {
        let mut buffer = BytesMut::new();
        let mut size = limits::READ_MIN;
        let mut burst = Burst::default();
        loop {
            if buffer.is_empty() && size == limits::READ_MIN {
                // A quiet connection holds no buffer.
                buffer = BytesMut::new();
            }
            let ((), read) =
                join!(self.deliver(burst), self.read_some(&mut buffer, &mut size, stop));
            if let Err(reason) = read {
                return reason;
            }
            let (next, end) = self.cut(&mut buffer);
            if let Err(Oversized) = end {
                self.deliver(next).await;
                return CloseReason::Oversized;
            }
            burst = next;
        }
    }

    /// Reads once, or returns early because the framing changed.
    async fn read_some(
        &self,
        buffer: &mut BytesMut,
        size: &mut usize,
        stop: &CancellationToken,
    ) -> Result<(), CloseReason> {
        let paused = lock(&self.conn.reading).allowance(buffer.len()) == 0;
        select! {
            () = stop.cancelled() => return Err(CloseReason::Remote),
            () = self.conn.reading_changed.notified() => return Ok(()),
            ready = self.stream.readable(), if !paused => ready.map_err(|error| reason_of(&error))?,
        }
        let want = {
            let reading = lock(&self.conn.reading);
            (*size)
                .max(reading.missing(buffer))
                .min(limits::READ_MAX)
                .min(reading.allowance(buffer.len()))
        };
        if want == 0 {
            return Ok(());
        }
        let read = |allowed| {
            let read = self.stream.try_read(buffer, allowed);
            (*read.as_ref().unwrap_or(&0), read)
        };
        let read = select! {
            biased;
            read = self.context.rates.pass(&self.conn.group, Direction::Down, want, read) => read,
            () = stop.cancelled() => return Err(CloseReason::Remote),
            () = self.conn.reading_changed.notified() => return Ok(()),
        };
        match read {
            Ok(0) => Err(CloseReason::Remote),
            Ok(read) => {
                *size = next_size(*size, read);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(reason_of(&error)),
        }
    }

    /// Takes everything that the buffer holds whole. Writes begin here: in the order of the stream.
    fn cut(&self, buffer: &mut BytesMut) -> (Burst, Result<(), Oversized>) {
        let mut burst = Burst::default();
        loop {
            let next = lock(&self.conn.reading).next(buffer);
            match next {
                Ok(Some(item)) => burst.add(self.conn, item),
                Ok(None) => return (burst, Ok(())),
                Err(oversized) => return (burst, Err(oversized)),
            }
        }
    }

    /// One disk job and one group of events.
    async fn deliver(&self, burst: Burst) {
        let events = burst.settle(self.context).await;
        self.context.events.send_all(events).await;
    }
}

/// Reads grow with what comes and shrink slowly, so that a fast stream takes few system calls.
fn next_size(size: usize, read: usize) -> usize {
    if read >= size {
        (size * 2).min(limits::READ_MAX)
    } else if read < size / 4 {
        (size / 2).max(limits::READ_MIN)
    } else {
        size
    }
}

/// What an error of the operating system means to the engine.
pub(super) fn reason_of(error: &io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => CloseReason::Refused,
        io::ErrorKind::TimedOut => CloseReason::Timeout,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => CloseReason::Remote,
        _ if is_out_of_descriptors(error) => CloseReason::Limit,
        _ => CloseReason::Network,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
