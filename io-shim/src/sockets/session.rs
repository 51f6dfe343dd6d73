//! One connection, whatever carries it: opened, read in bursts, written from a queue, closed once.
//!
//! Owns the order of events. [`super::reading`] cuts what arrives, [`super::burst`] stores it or
//! passes it on, [`super::writer`] sends. Invariants: events come in the order of the stream; while
//! the engine takes no events, or the rate is used up, the stream is not read; memory is bounded in
//! both directions.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::BytesMut;
use shared_proto::IoEvent;
use shared_proto::io::{CloseReason, OpErrorKind};
use tokio::{join, select};
use tokio_util::sync::CancellationToken;

use super::burst::Burst;
use super::byte_stream::ByteStream;
use super::close_reason::reason_of;
use super::conn::Conn;
use super::context::Context;
use super::framing::Oversized;
use super::rate::Direction;
use super::writer::Writer;
use crate::files::error::op_error;
use crate::policy::limits;

/// Runs a connection to its end. `opened` is the event for the engine when it is open.
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
            conn.set_local(stream.local_ip());
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
    /// Reads and writes until either side ends. All that was read is handled before the end is
    /// reported.
    async fn serve(&self) -> CloseReason {
        let stop = CancellationToken::new();
        let mut reading = Box::pin(self.read_all(&stop));
        let reason = select! {
            reason = &mut reading => return reason,
            reason = Writer::new(self.context, self.conn, &self.stream).run() => reason,
            () = self.conn.overfull.cancelled() => CloseReason::Limit,
            () = self.conn.lost.cancelled() => CloseReason::AddressGone,
        };
        stop.cancel();
        reading.await;
        reason
    }

    /// Reads until the connection ends. While one burst goes to disk the next is read, so that
    /// neither waits for the other.
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
        let paused = self.conn.reading.lock().allowance(buffer.len()) == 0;
        select! {
            () = stop.cancelled() => return Err(CloseReason::Remote),
            () = self.conn.reading_changed.notified() => return Ok(()),
            ready = self.stream.readable(), if !paused => ready.map_err(|error| reason_of(&error))?,
        }
        let want = {
            let reading = self.conn.reading.lock();
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

    /// Cuts everything off the buffer that is complete.
    fn cut(&self, buffer: &mut BytesMut) -> (Burst, Result<(), Oversized>) {
        let mut burst = Burst::default();
        loop {
            let next = self.conn.reading.lock().next(buffer);
            match next {
                Ok(Some(item)) => burst.add(self.conn, item),
                Ok(None) => return (burst, Ok(())),
                Err(oversized) => return (burst, Err(oversized)),
            }
        }
    }

    /// Does the burst's writes and queues its events.
    async fn deliver(&self, burst: Burst) {
        let events = burst.settle(self.context).await;
        self.context.events.send_all(events).await;
    }
}

/// The size of the next read. The size grows quickly and shrinks slowly, so that a fast stream
/// needs few system calls.
fn next_size(size: usize, read: usize) -> usize {
    if read >= size {
        (size * 2).min(limits::READ_MAX)
    } else if read < size / 4 {
        (size / 2).max(limits::READ_MIN)
    } else {
        size
    }
}
