//! The queue of one connection: bytes, bytes of files, and where a cipher starts.
//!
//! Owns the queue and its bound; [`super::writer`] sends what it holds. Invariant: bytes of files
//! are not in memory while they wait here.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use shared_proto::{OpId, io::OpError};
use tokio::sync::Notify;

use super::cipher::Cipher;
use crate::files::claimed::Placed;
use crate::policy::limits;

/// An item to send.
pub(super) enum Item {
    /// Bytes.
    Bytes(Bytes),
    /// Bytes, and then bytes of files, for a command with an answer.
    Spans(OpId, Bytes, Result<Vec<Placed>, OpError>),
    /// What follows is encrypted.
    Cipher(Cipher),
}

/// Why an item is not queued.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The connection has ended.
    Closed,
    /// The peer does not read.
    Overfull,
}

/// The queue.
#[derive(Default)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    filled: Notify,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    cost: usize,
    /// Commands that are being sent, each with its last byte's position in the stream.
    under_way: VecDeque<(u64, OpId)>,
    closed: bool,
}

impl Outbox {
    /// Queues an item.
    pub(super) fn push(&self, item: Item) -> Result<(), Refused> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(Refused::Closed);
        }
        let cost = queue.cost + item.cost();
        if cost > limits::MAX_UNSENT_BYTES {
            return Err(Refused::Overfull);
        }
        queue.cost = cost;
        queue.items.push_back(item);
        drop(queue);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for items, and takes the first and those that follow within `bytes` bytes.
    pub(super) async fn take(&self, bytes: usize) -> Vec<Item> {
        loop {
            let taken = self.lock().take(bytes);
            if !taken.is_empty() {
                return taken;
            }
            self.filled.notified().await;
        }
    }

    /// Records the position in the stream of a command's last byte.
    pub(super) fn begin(&self, end: u64, op: OpId) {
        self.lock().under_way.push_back((end, op));
    }

    /// Takes the commands that are done when the stream is written up to `written`.
    pub(super) fn done(&self, written: u64) -> Vec<OpId> {
        let mut queue = self.lock();
        let done = queue.under_way.partition_point(|(end, _)| *end <= written);
        queue.under_way.drain(..done).map(|(_, op)| op).collect()
    }

    /// Closes the queue, and returns the commands that will not be done.
    pub(super) fn close(&self) -> Vec<OpId> {
        let mut queue = self.lock();
        queue.closed = true;
        let begun: Vec<OpId> = queue.under_way.drain(..).map(|(_, op)| op).collect();
        let waiting = queue.items.drain(..).filter_map(|item| match item {
            Item::Spans(op, ..) => Some(op),
            Item::Bytes(_) | Item::Cipher(_) => None,
        });
        begun.into_iter().chain(waiting).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }
}

impl Queue {
    fn take(&mut self, bytes: usize) -> Vec<Item> {
        let mut taken = Vec::new();
        let mut total = 0;
        while total < bytes
            && let Some(item) = self.items.pop_front()
        {
            self.cost -= item.cost();
            total += item.length().max(1);
            taken.push(item);
        }
        taken
    }
}

impl Item {
    /// Bytes on the wire.
    fn length(&self) -> usize {
        match self {
            Self::Bytes(data) => data.len(),
            Self::Spans(_, head, Ok(spans)) => {
                head.len() + spans.iter().map(|span| span.length() as usize).sum::<usize>()
            }
            Self::Spans(..) | Self::Cipher(_) => 0,
        }
    }

    /// Memory that the item takes while it waits.
    fn cost(&self) -> usize {
        limits::SEND_OVERHEAD
            + match self {
                Self::Bytes(data) => data.len(),
                Self::Spans(_, head, spans) => {
                    head.len() + spans.as_ref().map_or(0, Vec::len) * limits::SEND_OVERHEAD
                }
                Self::Cipher(_) => 4 * limits::SEND_OVERHEAD,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(length: usize) -> Item {
        Item::Bytes(Bytes::from(vec![0; length]))
    }

    fn spans(op: u64) -> Item {
        Item::Spans(OpId(op), Bytes::new(), Ok(Vec::new()))
    }

    #[tokio::test]
    async fn it_is_bounded_and_what_is_taken_makes_room() {
        let outbox = Outbox::default();
        outbox.push(bytes(limits::MAX_UNSENT_BYTES / 2)).unwrap();
        outbox.push(bytes(limits::MAX_UNSENT_BYTES / 4)).unwrap();
        assert_eq!(outbox.push(bytes(limits::MAX_UNSENT_BYTES / 4)), Err(Refused::Overfull));
        assert_eq!(outbox.take(1).await.len(), 1);
        outbox.push(bytes(limits::MAX_UNSENT_BYTES / 4)).unwrap();
        assert_eq!(outbox.take(usize::MAX).await.len(), 2);
        for _ in 0..limits::MAX_UNSENT_BYTES / limits::SEND_OVERHEAD {
            outbox.push(spans(1)).unwrap();
        }
        assert_eq!(
            outbox.push(spans(1)),
            Err(Refused::Overfull),
            "a million of nothing is something"
        );
    }

    #[tokio::test]
    async fn every_command_comes_back_once() {
        let outbox = Outbox::default();
        for op in 1..=4 {
            outbox.push(spans(op)).unwrap();
        }
        outbox.take(2).await;
        outbox.begin(10, OpId(1));
        outbox.begin(20, OpId(2));
        assert_eq!(outbox.done(9), []);
        assert_eq!(outbox.done(19), [OpId(1)]);
        assert_eq!(outbox.close(), [OpId(2), OpId(3), OpId(4)]);
        assert_eq!(outbox.push(bytes(1)), Err(Refused::Closed));
        assert_eq!(outbox.close(), []);
    }
}
