//! What the user decided about torrents.

use std::collections::BTreeMap;

use super::queue_order::QueueOrder;
use super::removals::Removals;
use crate::metainfo::InfoHash;
use crate::plan::Plan;
use crate::time::Instant;

/// The user's decisions about torrents.
#[derive(Debug)]
pub(crate) struct Decisions {
    /// The plan of each torrent that has one.
    pub(crate) plans: BTreeMap<InfoHash, Plan>,
    /// Torrents that are being removed.
    pub(crate) removals: Removals,
    /// The order of torrents in the queue.
    pub(crate) order: QueueOrder,
}

impl Decisions {
    /// Starts without torrents.
    pub(crate) fn new(now: Instant) -> Self {
        Self { plans: BTreeMap::new(), removals: Removals::default(), order: QueueOrder::new(now) }
    }
}
