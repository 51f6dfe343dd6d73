//! The messages to one peer that are sent at the end of a step.

use std::time::Duration;

use bytes::Bytes;

use super::wire::Message;
use crate::time::Instant;

/// Maximum time between two messages to a peer.
const KEEP_ALIVE: Duration = Duration::from_secs(100);

/// The bytes to send to one peer, and when bytes were last added.
#[derive(Debug)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    last_sent: Instant,
}

impl Outbox {
    /// Creates an empty outbox.
    pub(super) fn new(now: Instant) -> Self {
        Self { bytes: Vec::new(), last_sent: now }
    }

    /// Adds a message.
    pub(super) fn send(&mut self, message: &Message<'_>, now: Instant) {
        message.encode(&mut self.bytes);
        self.last_sent = now;
    }

    /// Adds bytes that are not a message, such as a handshake.
    pub(super) fn append(&mut self, bytes: &[u8], now: Instant) {
        self.bytes.extend_from_slice(bytes);
        self.last_sent = now;
    }

    /// Returns the bytes that have not been taken, for changes.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Adds a keep-alive if nothing has been sent for long (BEP 3).
    pub(super) fn keep_alive(&mut self, now: Instant) {
        if now.saturating_since(self.last_sent) > KEEP_ALIVE {
            self.append(&[0; 4], now);
        }
    }

    /// Takes the bytes to send now.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        (!self.bytes.is_empty()).then(|| Bytes::from(std::mem::take(&mut self.bytes)))
    }
}
