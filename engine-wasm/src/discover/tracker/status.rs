//! The state of a torrent's trackers, for its owner to show.
//!
//! Owns plain values only; [`super::schedule`] fills them in.

use std::time::Duration;

use super::{Counts, TrackerError};

/// What one tracker is doing and what it said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrackerStatus {
    /// Its URL, which may hold the user's private key.
    pub(crate) url: String,
    /// Its tier (BEP 12), from 0.
    pub(crate) tier: u32,
    /// What it is doing.
    pub(crate) activity: Activity,
    /// Time until the next announce; `None` when that depends on other trackers.
    pub(crate) next_announce: Option<Duration>,
    /// Numbers of peers, according to its last answer.
    pub(crate) counts: Counts,
    /// Its last warning, or the reason of its failure.
    pub(crate) said: Option<Said>,
}

/// What a tracker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// It was not asked yet, because other trackers come first.
    Idle,
    /// An announce is pending.
    Asking,
    /// The last announce succeeded.
    Working,
    /// The last announce failed.
    Failing,
}

/// A tracker's last words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It answered, with a warning.
    Warning(String),
    /// It did not answer, or refused.
    Failure(TrackerError),
}

/// Why no tracker can be asked now, although the user wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotNow {
    /// There is no tracker.
    NoTracker,
    /// The settings forbid trackers.
    Forbidden,
    /// The first tracker may be asked after this time.
    Wait(Duration),
    /// Each tracker asked never to be asked again (BEP 31).
    Gone,
}
