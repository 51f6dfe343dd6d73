//! What a torrent requests next, and from which peer.

use crate::pick::availability::Availability;
use crate::pick::picker::Picker;

/// What to request next, and from which peer.
#[derive(Debug)]
pub(in crate::torrent) struct Fetch {
    pub(in crate::torrent) availability: Availability,
    pub(in crate::torrent) picker: Picker,
    pub(in crate::torrent) wants_are_stale: bool,
    /// Bytes that were requested from a second peer while the first still owed them.
    pub(in crate::torrent) duplicated: u64,
}
