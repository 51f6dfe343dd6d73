//! What waits to be sent on one connection: bytes, bytes of files, and where a transform begins, in
//! the order of the commands.
//!
//! Owns the queue and its bound; [`super::writer`] works it off. Invariant: bytes of files are not
//! in memory while they wait here.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use shared_proto::{OpId, io::OpError};
use tokio::sync::Notify;

use super::cipher::Cipher;
use crate::files::table::Placed;
use crate::limits;

/// One thing to send.
pub(super) enum Item {
    /// Bytes.
    Bytes(Bytes),
    /// Bytes, and then bytes of files, for a command that wants to know when they are sent.
    Spans(OpId, Bytes, Result<Vec<Placed>, OpError>),
    /// What follows is transformed.
    Cipher(Cipher),
}

/// Why something is not queued.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The connection has ended.
    Closed,
    /// The other end does not read.
    Overfull,
}

/// What is to be sent.
#[derive(Default)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    filled: Notify,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    cost: usize,
    /// Commands whose bytes are being sent, each with the place in the stream where its last one
    /// is.
    under_way: VecDeque<(u64, OpId)>,
    closed: bool,
}

impl Outbox {
    /// Queues one more.
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

    /// Waits for items and takes what may be sent together: at least one, then as many as come to
    /// so many bytes.
    pub(super) async fn take(&self, bytes: usize) -> Vec<Item> {
        loop {
            let taken = self.lock().take(bytes);
            if !taken.is_empty() {
                return taken;
            }
            self.filled.notified().await;
        }
    }

    /// A command's last byte is at this place of the stream.
    pub(super) fn begin(&self, end: u64, op: OpId) {
        self.lock().under_way.push_back((end, op));
    }

    /// The commands that are done when the stream is written up to there.
    pub(super) fn done(&self, written: u64) -> Vec<OpId> {
        let mut queue = self.lock();
        let done = queue.under_way.partition_point(|(end, _)| *end <= written);
        queue.under_way.drain(..done).map(|(_, op)| op).collect()
    }

    /// Takes no more, and gives back the commands that nothing will come of.
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
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// What it takes of memory while it waits.
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
