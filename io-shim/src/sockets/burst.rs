//! Turns what one read brought into events, and writes diverted payloads to their files.
//!
//! Knows items, claims and events, not streams. Invariant: events keep the order of the stream, and
//! `Stored` follows the write.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use shared_proto::{
    ConnId, IoEvent,
    io::{DivertKey, NotStored, OpError},
};

use super::{conn::Conn, context::Context, framing::Item};
use crate::files::claimed::Claimed;

/// What one read brought, in order.
#[derive(Default)]
pub(super) struct Burst {
    events: Vec<IoEvent>,
    /// Writes to do, each with the index of its event.
    writes: Vec<(usize, Claimed, Bytes)>,
}

impl Burst {
    /// Adds the next item of the stream. A diverted payload claims its spans here, in the order of
    /// the stream.
    pub(super) fn add(&mut self, conn: &Conn, item: Item) {
        let id = conn.id();
        // Copied, because a small frame would otherwise keep the whole read buffer in memory while
        // it waits.
        let event = match item {
            Item::Raw(data) => IoEvent::TcpData { conn: id, data: Bytes::copy_from_slice(&data) },
            Item::Frame(data) => {
                IoEvent::TcpFrame { conn: id, data: Bytes::copy_from_slice(&data) }
            }
            Item::Diverted(key, payload) => match conn.diversion().take(&key, payload.len()) {
                Ok(claimed) => {
                    self.writes.push((self.events.len(), claimed, payload));
                    IoEvent::Stored { conn: id, key }
                }
                Err(reason) => not_stored(id, key, payload.len(), reason),
            },
        };
        self.events.push(event);
    }

    /// Does the writes and returns the events, corrected where a write failed.
    pub(super) async fn settle(mut self, context: &Context) -> Vec<IoEvent> {
        let lengths: Vec<(usize, usize)> =
            self.writes.iter().map(|(at, _, payload)| (*at, payload.len())).collect();
        let outcomes = store(context, self.writes).await;
        for ((at, length), outcome) in lengths.into_iter().zip(outcomes) {
            let event = &mut self.events[at];
            match (outcome, &event) {
                (Ok(()), _) => {
                    context
                        .metrics
                        .payload_stored_bytes
                        .fetch_add(length as u64, Ordering::Relaxed);
                }
                (Err(error), &&mut IoEvent::Stored { conn, key }) => {
                    *event = not_stored(conn, key, length, NotStored::Failed(error));
                }
                (Err(_), _) => {}
            }
        }
        for event in &self.events {
            if let IoEvent::NotStored { length, .. } = event {
                context
                    .metrics
                    .payload_dropped_bytes
                    .fetch_add(u64::from(*length), Ordering::Relaxed);
            }
        }
        self.events
    }
}

/// Writes payloads to their spans. Returns the result of each.
async fn store(
    context: &Context,
    writes: Vec<(usize, Claimed, Bytes)>,
) -> Vec<Result<(), OpError>> {
    let mut outcomes = Vec::with_capacity(writes.len());
    let mut writes = writes.into_iter().peekable();
    while let Some((_, claimed, payload)) = writes.next() {
        let mut ready = vec![(claimed.ready().await, payload)];
        // A claim that has to wait is not awaited while others are held: it may wait for a task
        // that waits for them.
        while let Some((_, claimed, payload)) = writes.next_if(|(_, claimed, _)| claimed.is_ready())
        {
            ready.push((claimed.ready().await, payload));
        }
        let count = ready.len();
        let job = move || {
            Ok(ready.into_iter().map(|(spans, payload)| spans.write(payload)).collect::<Vec<_>>())
        };
        match context.store.disk_job(job).await {
            Ok(done) => outcomes.extend(done),
            Err(error) => outcomes.extend(std::iter::repeat_n(Err(error), count)),
        }
    }
    outcomes
}

fn not_stored(conn: ConnId, key: DivertKey, length: usize, reason: NotStored) -> IoEvent {
    IoEvent::NotStored { conn, key, length: u32::try_from(length).unwrap_or(u32::MAX), reason }
}
