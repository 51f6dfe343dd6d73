//! Unchokes of a peer that chokes us again before it sends a block.
//!
//! Each one in succession makes the next requests wait longer, so that such a peer can't hold
//! blocks that others would send.

use std::time::Duration;

use crate::time::Instant;

/// Time without requests after the first such unchoke. It doubles.
const FIRST_HOLD: Duration = Duration::from_millis(250);
/// How often it doubles at most.
const MOST_HOLDS: u32 = 7;

/// What happened since the peer unchoked us, and until when it gets no requests.
#[derive(Debug)]
pub(super) struct Unchokes {
    is_asked: bool,
    has_sent: bool,
    /// How often in succession it choked us without a block.
    broken: u32,
    hold_until: Instant,
}

impl Unchokes {
    pub(super) fn new(now: Instant) -> Self {
        Self { is_asked: false, has_sent: false, broken: 0, hold_until: now }
    }

    /// A block is requested.
    pub(super) fn asked(&mut self) {
        self.is_asked = true;
    }

    /// A requested block has arrived.
    pub(super) fn received(&mut self) {
        (self.has_sent, self.broken) = (true, 0);
    }

    /// The peer has unchoked us.
    pub(super) fn begin(&mut self) {
        (self.is_asked, self.has_sent) = (false, false);
    }

    /// The peer has choked us.
    pub(super) fn end(&mut self, now: Instant) {
        if self.is_asked && !self.has_sent {
            let hold = FIRST_HOLD * 2u32.pow(self.broken.min(MOST_HOLDS));
            (self.broken, self.hold_until) = (self.broken + 1, now + hold);
        }
    }

    /// Returns whether the peer gets no requests now.
    pub(super) fn is_held(&self, now: Instant) -> bool {
        now < self.hold_until
    }

    /// Returns whether that ended after `since`.
    pub(super) fn has_hold_ended(&self, since: Instant, now: Instant) -> bool {
        self.hold_until > since && self.hold_until <= now
    }
}
