//! One TCP connection: dialled, read in bursts, written from a queue, closed once.
//!
//! Owns the stream and the order of its events. It acts on frames only as [`super::framing`] cuts them and
//! [`super::divert`] allows. Invariants: events come in the order of the stream, and `Stored` only after its bytes are
//! in the file; while the engine takes no events, or the rate is used up, the socket is not read; memory is bounded in both directions.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use shared_proto::{
    ConnId, IoEvent,
    io::{CloseReason, DivertKey, NotStored, OpError},
};
use tokio::{join, net::TcpStream, select, sync::Notify, time};
use tokio_util::sync::CancellationToken;

use super::{
    Context,
    divert::Diversion,
    framing::{Framing, Item, Oversized},
    rate::{Direction, Group, Membership},
};
use crate::{
    files::{error::is_out_of_descriptors, table::Claimed},
    limits,
};

/// Slices given to one vectored write.
const SLICES: usize = 64;

/// The handle that commands act upon.
pub(crate) struct Conn {
    id: ConnId,
    framing: Mutex<Framing>,
    framing_changed: Notify,
    outbox: Mutex<Outbox>,
    outbox_filled: Notify,
    diversion: Diversion,
    group: Membership,
    /// Ends the connection at once and silently.
    killed: CancellationToken,
    /// Ends it after the burst that is being worked off, with an event.
    overfull: CancellationToken,
}

#[derive(Default)]
struct Outbox {
    chunks: VecDeque<Bytes>,
    cost: usize,
}

impl Conn {
    pub(super) fn new(id: ConnId, diversion: Diversion, killed: CancellationToken) -> Self {
        Self {
            id,
            framing: Mutex::default(),
            framing_changed: Notify::new(),
            outbox: Mutex::default(),
            outbox_filled: Notify::new(),
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
        let mut outbox = lock(&self.outbox);
        if data.is_empty() || self.overfull.is_cancelled() {
            return;
        }
        outbox.cost += data.len() + limits::SEND_OVERHEAD;
        if outbox.cost > limits::MAX_UNSENT_BYTES {
            self.overfull.cancel();
            return;
        }
        outbox.chunks.push_back(data);
        drop(outbox);
        self.outbox_filled.notify_one();
    }

    /// Says how to read from here on.
    pub(super) fn change_framing(&self, change: impl FnOnce(&mut Framing)) {
        change(&mut lock(&self.framing));
        self.framing_changed.notify_one();
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
pub(super) async fn run(
    context: Arc<Context>,
    conn: Arc<Conn>,
    opened: IoEvent,
    opening: impl Future<Output = Result<TcpStream, CloseReason>>,
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

async fn live(
    context: &Context,
    conn: &Conn,
    opened: IoEvent,
    opening: impl Future<Output = Result<TcpStream, CloseReason>>,
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
    context.events.send(IoEvent::TcpClosed { conn: conn.id, reason }).await;
}

/// Opens a connection to somebody else.
pub(super) async fn dial(addr: SocketAddr, timeout: Duration) -> Result<TcpStream, CloseReason> {
    let stream = match time::timeout(timeout, TcpStream::connect(addr)).await {
        Ok(connected) => connected.map_err(|error| reason_of(&error))?,
        Err(_) => return Err(CloseReason::Timeout),
    };
    // Requests are small and each waits for nothing but the network.
    stream.set_nodelay(true).map_err(|error| reason_of(&error))?;
    Ok(stream)
}

struct Session<'a> {
    context: &'a Context,
    conn: &'a Conn,
    stream: TcpStream,
}

impl Session<'_> {
    /// Reads and writes until either side ends. What was read is worked off before the end is told.
    async fn serve(&self) -> CloseReason {
        let stop = CancellationToken::new();
        let mut reading = Box::pin(self.read_all(&stop));
        let reason = select! {
            reason = &mut reading => return reason,
            error = self.write_all() => reason_of(&error),
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
            let ((), read) = join!(self.deliver(burst), self.read_some(&mut buffer, &mut size, stop));
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
        let paused = lock(&self.conn.framing).allowance(buffer.len()) == 0;
        select! {
            () = stop.cancelled() => return Err(CloseReason::Remote),
            () = self.conn.framing_changed.notified() => return Ok(()),
            ready = self.stream.readable(), if !paused => ready.map_err(|error| reason_of(&error))?,
        }
        let want = {
            let framing = lock(&self.conn.framing);
            (*size).max(framing.missing(buffer)).min(limits::READ_MAX).min(framing.allowance(buffer.len()))
        };
        if want == 0 {
            return Ok(());
        }
        let read = |allowed| {
            buffer.reserve(allowed);
            let read = self.stream.try_read_buf(&mut (&mut *buffer).limit(allowed));
            (*read.as_ref().unwrap_or(&0), read)
        };
        let read = select! {
            biased;
            read = self.context.rates.pass(&self.conn.group, Direction::Down, want, read) => read,
            () = stop.cancelled() => return Err(CloseReason::Remote),
            () = self.conn.framing_changed.notified() => return Ok(()),
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
            let next = lock(&self.conn.framing).next(buffer);
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

    async fn write_all(&self) -> io::Error {
        loop {
            let chunks: Vec<Bytes> = lock(&self.conn.outbox).chunks.iter().take(SLICES).cloned().collect();
            if chunks.is_empty() {
                self.conn.outbox_filled.notified().await;
                continue;
            }
            if let Err(error) = self.stream.writable().await {
                return error;
            }
            let want = chunks.iter().map(Bytes::len).sum();
            let write = |allowed| {
                let written = self.stream.try_write_vectored(&slices(&chunks, allowed));
                (*written.as_ref().unwrap_or(&0), written)
            };
            match self.context.rates.pass(&self.conn.group, Direction::Up, want, write).await {
                Ok(written) => lock(&self.conn.outbox).advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return error,
            }
        }
    }
}

/// What one read brought, in order.
#[derive(Default)]
struct Burst {
    events: Vec<IoEvent>,
    /// Writes to do, each with the place of its event.
    writes: Vec<(usize, Claimed, Bytes)>,
}

impl Burst {
    fn add(&mut self, conn: &Conn, item: Item) {
        let id = conn.id;
        // Copied, because a small frame would otherwise keep the whole read buffer alive while it waits for the engine.
        let event = match item {
            Item::Raw(data) => IoEvent::TcpData { conn: id, data: Bytes::copy_from_slice(&data) },
            Item::Frame(data) => IoEvent::TcpFrame { conn: id, data: Bytes::copy_from_slice(&data) },
            Item::Diverted(key, payload) => match conn.diversion.take(&key, payload.len()) {
                Ok(claimed) => {
                    self.writes.push((self.events.len(), claimed, payload));
                    IoEvent::Stored { conn: id, key }
                }
                Err(reason) => not_stored(id, key, payload.len(), reason),
            },
        };
        self.events.push(event);
    }

    /// Does the writes and gives back the events, with those of failed writes put right.
    async fn settle(mut self, context: &Context) -> Vec<IoEvent> {
        let lengths: Vec<(usize, usize)> = self.writes.iter().map(|(at, _, payload)| (*at, payload.len())).collect();
        let outcomes = match store(context, self.writes).await {
            Ok(outcomes) => outcomes,
            Err(error) => lengths.iter().map(|_| Err(error.clone())).collect(),
        };
        for ((at, length), outcome) in lengths.into_iter().zip(outcomes) {
            let event = &mut self.events[at];
            match (outcome, &event) {
                (Ok(()), _) => {
                    context.metrics.payload_stored_bytes.fetch_add(length as u64, Ordering::Relaxed);
                }
                (Err(error), &&mut IoEvent::Stored { conn, key }) => {
                    *event = not_stored(conn, key, length, NotStored::Failed(error));
                }
                (Err(_), _) => {}
            }
        }
        for event in &self.events {
            if let IoEvent::NotStored { length, .. } = event {
                context.metrics.payload_dropped_bytes.fetch_add(u64::from(*length), Ordering::Relaxed);
            }
        }
        self.events
    }
}

/// Writes payloads to their spans in one blocking job; the outcome of each.
async fn store(context: &Context, writes: Vec<(usize, Claimed, Bytes)>) -> Result<Vec<Result<(), OpError>>, OpError> {
    if writes.is_empty() {
        return Ok(Vec::new());
    }
    let mut ready = Vec::with_capacity(writes.len());
    for (_, claimed, payload) in writes {
        ready.push((claimed.ready().await, payload));
    }
    let job = move || Ok(ready.into_iter().map(|(spans, payload)| spans.write(payload)).collect());
    context.store.disk_job(job).await
}

fn not_stored(conn: ConnId, key: DivertKey, length: usize, reason: NotStored) -> IoEvent {
    IoEvent::NotStored { conn, key, length: u32::try_from(length).unwrap_or(u32::MAX), reason }
}

impl Outbox {
    fn advance(&mut self, mut written: usize) {
        while written > 0
            && let Some(front) = self.chunks.front_mut()
        {
            let now = written.min(front.len());
            front.advance(now);
            written -= now;
            self.cost -= now;
            if front.is_empty() {
                self.cost -= limits::SEND_OVERHEAD;
                self.chunks.pop_front();
            }
        }
    }
}

/// The first so many bytes of the chunks.
fn slices(chunks: &[Bytes], mut most: usize) -> Vec<IoSlice<'_>> {
    let mut slices = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let now = most.min(chunk.len());
        if now == 0 {
            break;
        }
        slices.push(IoSlice::new(&chunk[..now]));
        most -= now;
    }
    slices
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

fn reason_of(error: &io::Error) -> CloseReason {
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
