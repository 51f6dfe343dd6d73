//! Viewers: what they may have, what they wait for, and what they will need next.

pub(crate) mod ahead;
pub(crate) mod desk;
pub(in crate::torrent) mod films;
pub(in crate::torrent) mod prepared;
pub(crate) mod subtitles;
pub(crate) mod viewer;
pub(crate) mod warm;

use crate::time::Instant;
use desk::Desk;
use films::Films;
use prepared::Warmth;

/// The viewers of a torrent and the films made ready for them.
#[derive(Debug)]
pub(in crate::torrent) struct Watch {
    pub(in crate::torrent) desk: Desk,
    pub(in crate::torrent) warmth: Warmth,
    pub(in crate::torrent) films: Films,
    /// Since when no viewer has a request; `None` while one has.
    pub(in crate::torrent) unread_since: Option<Instant>,
    /// When an incomplete file was last watched.
    pub(in crate::torrent) watched_missing: Option<Instant>,
}
