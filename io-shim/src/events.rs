//! The queue of events for the engine, drained in batches as its credit allows.
//!
//! Owns the credit of both directions as numbers; knows nothing of sockets or files. Invariants:
//! without credit, the queue yields only frames that hold nothing but credit; it never holds more
//! than `limits::EVENT_QUEUE_BYTES` plus `limits::MAX_REFUSALS` small answers.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::{Mutex, MutexGuard};
use shared_proto::{
    IoEvent,
    frame::{BATCH_TARGET, encode_batch},
    io::{Notes, OpOutput},
};
use tokio::sync::{Notify, Semaphore};

use crate::policy::limits;

/// What [`EventSender::room`] waits for, bytes.
const ROOM: u32 = 64 << 10;

/// Creates a queue whose receiver may yield `window` bytes before the engine returns credit.
pub fn event_channel(window: u32) -> (EventSender, EventReceiver) {
    let shared = Arc::new(Shared {
        queue: Mutex::new(Queue { credit: i64::from(window), ..Queue::default() }),
        room: Semaphore::new(limits::EVENT_QUEUE_BYTES),
        wake: Notify::new(),
        window,
    });
    (EventSender { life: Arc::new(SenderLife(Arc::clone(&shared))) }, EventReceiver { shared })
}

/// The end where sockets and commands put events. Clones share one queue.
#[derive(Clone)]
pub struct EventSender {
    life: Arc<SenderLife>,
}

/// The end where the control connection takes batches.
pub struct EventReceiver {
    shared: Arc<Shared>,
}

/// Closes the queue when the last sender is gone.
struct SenderLife(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    room: Semaphore,
    wake: Notify,
    window: u32,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<(IoEvent, u32)>,
    /// Bytes that the receiver may still yield; one batch may make it negative.
    credit: i64,
    /// Bytes of command frames that are processed and not yet reported.
    owed: u32,
    closed: bool,
}

impl EventSender {
    /// Queues an event; waits while the queue is full. If the receiver is gone, the event is
    /// dropped.
    pub(crate) async fn send(&self, event: IoEvent) {
        self.send_all(vec![event]).await;
    }

    /// Queues events in order, without others in between; waits while the queue is full.
    pub(crate) async fn send_all(&self, events: Vec<IoEvent>) {
        if events.is_empty() {
            return;
        }
        let most = u32::try_from(limits::EVENT_QUEUE_BYTES).unwrap_or(u32::MAX);
        let total = events.iter().map(cost).fold(0, u32::saturating_add).min(most);
        let Ok(room) = self.life.0.room.acquire_many(total).await else { return };
        room.forget();
        let last = events.len() - 1;
        let mut left = total;
        let costed = events.into_iter().enumerate().map(|(at, event)| {
            // If `total` was clamped, the last events pay less, so that exactly `total` is given
            // back.
            let own = if at == last { left } else { cost(&event).min(left) };
            left -= own;
            (event, own)
        });
        self.life.0.lock().events.extend(costed);
        self.life.0.wake.notify_one();
    }

    /// Queues an event if half of the queue stays free; otherwise drops it. The free half is for
    /// senders that wait.
    pub(crate) fn offer(&self, event: IoEvent) {
        let own = cost(&event);
        let room = &self.life.0.room;
        if room.available_permits() < limits::EVENT_QUEUE_BYTES / 2 + own as usize {
            return;
        }
        let Ok(taken) = room.try_acquire_many(own) else { return };
        taken.forget();
        self.life.0.lock().events.push_back((event, own));
        self.life.0.wake.notify_one();
    }

    /// Waits until the queue has space for an event.
    pub(crate) async fn room(&self) {
        // Dropped at once: the point was to wait in line.
        let _ = self.life.0.room.acquire_many(ROOM).await;
    }

    /// Queues a small answer without waiting: the refusal of a command. If the engine keeps sending
    /// commands that are refused and takes no answers, answers get lost.
    pub(crate) fn refuse(&self, event: IoEvent) {
        let mut queue = self.life.0.lock();
        if queue.events.len() < limits::MAX_REFUSALS {
            queue.events.push_back((event, 0));
        } else {
            tracing::error!(
                "the engine sends too many commands and reads no answers: an answer was dropped"
            );
        }
        drop(queue);
        self.life.0.wake.notify_one();
    }

    /// The engine allows `bytes` more bytes of event frames.
    pub(crate) fn add_credit(&self, bytes: u32) {
        self.life.0.add_credit(bytes);
    }

    /// Reports that `bytes` bytes of command frames are processed. The report goes out with the
    /// next batch, or alone when the engine might otherwise run out of credit.
    pub(crate) fn return_credit(&self, bytes: u32) {
        let mut queue = self.life.0.lock();
        queue.owed = queue.owed.saturating_add(bytes);
        drop(queue);
        self.life.0.wake.notify_one();
    }

    /// Closes the queue: drops its events and ends the receiver.
    pub(crate) fn close(&self) {
        self.life.0.close();
    }
}

impl EventReceiver {
    /// Waits for events and credit, and returns the next frame. The frame holds all that is queued,
    /// up to [`BATCH_TARGET`]. `None` once the queue is closed. Cancel-safe.
    pub async fn next_batch(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.shared.take_batch() {
                Taken::Frame(frame) => return Some(frame),
                Taken::Closed => return None,
                Taken::Nothing => self.shared.wake.notified().await,
            }
        }
    }

    /// The engine allows `bytes` more bytes of event frames.
    pub fn add_credit(&self, bytes: u32) {
        self.shared.add_credit(bytes);
    }
}

impl Drop for EventReceiver {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Drop for SenderLife {
    fn drop(&mut self) {
        self.0.close();
    }
}

enum Taken {
    Frame(Vec<u8>),
    Nothing,
    Closed,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }

    fn add_credit(&self, bytes: u32) {
        self.lock().credit += i64::from(bytes);
        self.wake.notify_one();
    }

    fn close(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        queue.events.clear();
        drop(queue);
        self.room.close();
        self.wake.notify_one();
    }

    fn take_batch(&self) -> Taken {
        let mut queue = self.lock();
        if queue.closed {
            return Taken::Closed;
        }
        let mut batch = Vec::new();
        let mut size = 0;
        let mut freed = 0;
        if queue.credit > 0 {
            while size < BATCH_TARGET
                && let Some((event, room)) = queue.events.pop_front()
            {
                size += cost(&event) as usize;
                freed += room as usize;
                batch.push(event);
            }
        }
        let costs = !batch.is_empty();
        // An eighth of the window keeps the engine from running out of credit, and idle connections
        // quiet.
        if queue.owed > 0 && (costs || queue.owed >= self.window / 8) {
            batch.push(IoEvent::Credit { bytes: std::mem::take(&mut queue.owed) });
        }
        if batch.is_empty() {
            return Taken::Nothing;
        }
        let frame = encode_batch(&batch);
        if costs {
            queue.credit -= i64::try_from(frame.len()).unwrap_or(i64::MAX);
        }
        drop(queue);
        self.room.add_permits(freed);
        Taken::Frame(frame)
    }
}

/// Approximate size of an event, in memory and on the wire, bytes.
fn cost(event: &IoEvent) -> u32 {
    const BASE: usize = 32;
    let data = match event {
        IoEvent::TcpData { data, .. }
        | IoEvent::TcpFrame { data, .. }
        | IoEvent::UdpReceived { data, .. }
        | IoEvent::HttpContent { data, .. } => data.len(),
        IoEvent::Done { result: Ok(output), .. } => match output {
            OpOutput::Bytes(data) | OpOutput::Digest(data) | OpOutput::Http { body: data, .. } => {
                data.len()
            }
            OpOutput::Value(value) => value.as_ref().map_or(0, bytes::Bytes::len),
            OpOutput::Keys(keys) => keys.iter().map(|key| key.len() + 4).sum(),
            OpOutput::Addresses(addresses) => addresses.len() * 20,
            OpOutput::Notes(notes) => length(notes),
            OpOutput::About(about) => about.log.iter().map(|line| line.len() + 4).sum(),
            OpOutput::Roots(roots) => {
                roots.iter().map(|root| root.label.len() + root.path.len() + 32).sum()
            }
            OpOutput::Unit
            | OpOutput::Opened { .. }
            | OpOutput::Bound { .. }
            | OpOutput::Stat(_)
            | OpOutput::Room { .. } => 0,
        },
        IoEvent::Done { result: Err(error), .. } => error.message.len(),
        IoEvent::NotesChanged { notes } => length(notes),
        _ => 0,
    };
    u32::try_from(BASE + data).unwrap_or(u32::MAX)
}

fn length(notes: &Notes) -> usize {
    let texts: usize = notes.notes.iter().map(|note| note.key.len() + note.value.len() + 16).sum();
    texts + notes.set_aside.iter().map(String::len).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use shared_proto::{ConnId, frame::decode_batch};
    use tokio::time::timeout;

    use super::*;

    fn data(len: usize) -> IoEvent {
        IoEvent::TcpData { conn: ConnId(1), data: Bytes::from(vec![7; len]) }
    }

    async fn stays_silent(receiver: &mut EventReceiver) -> bool {
        timeout(Duration::from_millis(30), receiver.next_batch()).await.is_err()
    }

    fn decode(frame: &[u8]) -> Vec<IoEvent> {
        decode_batch(frame).expect("a batch")
    }

    #[tokio::test]
    async fn everything_that_waits_goes_out_in_one_batch_in_order() {
        let (sender, mut receiver) = event_channel(1 << 20);
        let events: Vec<_> = (0..50).map(|n| IoEvent::TcpConnected { conn: ConnId(n) }).collect();
        for event in &events {
            sender.send(event.clone()).await;
        }
        assert_eq!(decode(&receiver.next_batch().await.expect("open")), events);
        assert!(stays_silent(&mut receiver).await);
    }

    #[tokio::test]
    async fn a_batch_ends_with_the_event_that_passes_its_target() {
        let (sender, mut receiver) = event_channel(8 << 20);
        for _ in 0..5 {
            sender.send(data(100 << 10)).await;
        }
        assert_eq!(decode(&receiver.next_batch().await.expect("open")).len(), 3);
        assert_eq!(decode(&receiver.next_batch().await.expect("open")).len(), 2);
    }

    #[tokio::test]
    async fn nothing_goes_out_without_credit_and_all_of_it_once_there_is_some() {
        let (sender, mut receiver) = event_channel(100);
        sender.send(data(200)).await;
        let first = receiver.next_batch().await.expect("open");
        sender.send(data(1)).await;
        assert!(stays_silent(&mut receiver).await);
        receiver.add_credit(u32::try_from(first.len()).unwrap() - 100);
        assert!(stays_silent(&mut receiver).await, "credit of exactly zero is none");
        sender.add_credit(1);
        assert_eq!(decode(&receiver.next_batch().await.expect("open")), [data(1)]);
    }

    #[tokio::test]
    async fn credit_for_the_engine_passes_without_credit_and_costs_none() {
        let (sender, mut receiver) = event_channel(100);
        sender.send(data(200)).await;
        receiver.next_batch().await.expect("open");
        sender.return_credit(5);
        assert!(stays_silent(&mut receiver).await, "too little to be worth a frame");
        sender.return_credit(8);
        let credit = receiver.next_batch().await.expect("open");
        assert_eq!(decode(&credit), [IoEvent::Credit { bytes: 13 }]);
        receiver.add_credit(120);
        sender.send(data(1)).await;
        assert_eq!(decode(&receiver.next_batch().await.expect("open")), [data(1)]);
    }

    #[tokio::test]
    async fn senders_wait_while_the_engine_does_not_take_what_is_queued() {
        let (sender, mut receiver) = event_channel(1);
        let mut sent = 0;
        while timeout(Duration::from_millis(30), sender.send(data(256 << 10))).await.is_ok() {
            sent += 1;
            assert!(sent < 100, "the queue must be bounded");
        }
        assert_eq!(sent, limits::EVENT_QUEUE_BYTES / ((256 << 10) + 32));
        receiver.next_batch().await.expect("open");
        timeout(Duration::from_secs(5), sender.send(data(1))).await.expect("there is room again");
    }

    #[tokio::test]
    async fn an_event_larger_than_the_queue_passes_and_gives_its_room_back() {
        let (sender, mut receiver) = event_channel(64 << 20);
        for _ in 0..3 {
            sender.send_all(vec![data(1), data(10 << 20), data(1)]).await;
            while decode(&receiver.next_batch().await.expect("open")).last() != Some(&data(1)) {}
            assert_eq!(sender.life.0.room.available_permits(), limits::EVENT_QUEUE_BYTES);
        }
    }

    #[tokio::test]
    async fn a_closed_queue_ends_its_receiver_and_frees_its_senders() {
        let (sender, mut receiver) = event_channel(1);
        sender.close();
        assert!(receiver.next_batch().await.is_none());
        let (sender, receiver) = event_channel(1);
        drop(receiver);
        for _ in 0..64 {
            sender.send(data(1 << 20)).await;
        }
        let (sender, mut receiver) = event_channel(1);
        drop(sender.clone());
        assert!(stays_silent(&mut receiver).await, "one sender is left");
        drop(sender);
        assert!(receiver.next_batch().await.is_none());
    }
}
