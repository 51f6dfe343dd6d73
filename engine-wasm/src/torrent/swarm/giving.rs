//! A torrent and what it gives: introductions, slots, and blocks that go from the disk to a peer
//! without passing through here.
//!
//! Only verified pieces are given. Who gets a slot is the choker's to say, in which order a peer is
//! answered is its upload's; here both become commands.

use crate::peer::rate::RateMeter;
use crate::pick::choker::Choker;
use crate::time::Instant;

/// What a torrent remembers of its giving.
#[derive(Debug)]
pub(in crate::torrent) struct Giving {
    pub(in crate::torrent) choker: Choker,
    pub(in crate::torrent) uploaded: u64,
    pub(in crate::torrent) rate: RateMeter,
    pub(in crate::torrent) tended: Instant,
}

impl Giving {
    pub(in crate::torrent) fn new(now: Instant) -> Self {
        Self { choker: Choker::new(now), uploaded: 0, rate: RateMeter::new(now), tended: now }
    }

    /// Bytes of payload given.
    pub(in crate::torrent) fn uploaded(&self) -> u64 {
        self.uploaded
    }

    /// Bytes of payload given a second now.
    pub(in crate::torrent) fn rate_bps(&self, now: Instant) -> u64 {
        self.rate.rate_bps(now)
    }
}
