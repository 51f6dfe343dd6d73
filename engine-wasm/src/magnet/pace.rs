//! How many blocks of an info dictionary one peer is asked for at once.
//!
//! rTorrent answers one request at a time: a second request on its way beside the first silences
//! it for good. Such clients lack the fast extension (BEP 6), so without it a peer gets one request
//! at a time. Others get several, until the answers to the requests beside the first stay away.

use std::time::Duration;

use crate::limits;
use crate::time::Instant;

/// Shortest wait for the second of several answers.
const LEAST_GAP: Duration = Duration::from_millis(100);
/// Longest wait for each of the first two of several answers.
const MOST_GAP: Duration = Duration::from_secs(1);

/// How many requests a peer may owe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// One.
    Single,
    /// Several. None of several was answered yet.
    Untested,
    /// Several, but no new ones now: the first of several was answered, and the second answer is
    /// due at this time.
    Doubted(Instant),
    /// Several. It answered two that it owed at once.
    Proven,
}

impl Pace {
    /// Returns the pace of a new peer.
    pub(super) fn new(is_fast: bool) -> Self {
        if is_fast { Self::Untested } else { Self::Single }
    }

    /// Returns whether a peer that owes this many answers may be asked for one more block.
    pub(super) fn allows(self, owed: usize) -> bool {
        match self {
            Self::Single => owed == 0,
            Self::Doubted(_) => false,
            Self::Untested | Self::Proven => owed < limits::METADATA_REQUESTS,
        }
    }

    /// The peer answered a request after this time, and still owes answers to `owed` earlier ones.
    pub(super) fn answered(&mut self, owed: usize, took: Duration, now: Instant) {
        *self = match *self {
            Self::Untested if owed > 0 => {
                Self::Doubted(now + (2 * took).clamp(LEAST_GAP, MOST_GAP))
            }
            Self::Doubted(_) => Self::Proven,
            other => other,
        };
    }

    /// Returns when a peer that owes this many answers counts as one that answers one at a time.
    /// It last made progress at `last`.
    pub(super) fn deadline(self, owed: usize, last: Instant) -> Option<Instant> {
        match self {
            Self::Untested if owed > 1 => Some(last + MOST_GAP),
            Self::Doubted(by) => Some(by),
            Self::Single | Self::Untested | Self::Proven => None,
        }
    }
}
