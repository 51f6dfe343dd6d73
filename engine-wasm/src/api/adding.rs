//! API calls that wait for the metadata of magnet links.
//!
//! This module owns which calls wait for which torrent, and until when; it does not fetch metadata.
//! Invariant: at most [`limits::API_WAITING`] calls wait in total.

use std::collections::BTreeMap;
use std::time::Duration;

use shared_proto::RequestId;

use super::error::{Code, Failure};
use crate::limits;
use crate::metainfo::InfoHash;
use crate::time::Instant;

/// How often waiting calls are kept alive. The daemon times out calls without a sign of life.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The calls that wait for one torrent.
#[derive(Debug)]
pub(crate) struct Wait {
    /// When the calls fail.
    pub(crate) deadline: Instant,
    /// Whether these calls added the torrent; it is then removed if they fail.
    pub(crate) is_ours: bool,
    /// The calls, each with the base URL of its answer.
    pub(crate) callers: Vec<(RequestId, String)>,
}

/// All waiting calls.
#[derive(Debug, Default)]
pub(crate) struct Adding {
    waits: BTreeMap<InfoHash, Wait>,
    reminded: Instant,
}

impl Adding {
    /// Checks that one more call may wait.
    pub(crate) fn check_room(&self) -> Result<(), Failure> {
        let callers: usize = self.waits.values().map(|wait| wait.callers.len()).sum();
        if callers + self.waits.len() < limits::API_WAITING {
            return Ok(());
        }
        Err(Failure::new(Code::Busy, "too many magnet links are waiting for metadata"))
    }

    /// Adds a waiting call. A later call has the deadline of the first.
    pub(crate) fn join(
        &mut self,
        info_hash: InfoHash,
        caller: (RequestId, String),
        is_new: bool,
        deadline: Instant,
    ) {
        let wait = self.waits.entry(info_hash).or_insert(Wait {
            deadline,
            is_ours: is_new,
            callers: Vec::new(),
        });
        wait.callers.push(caller);
    }

    /// Returns when to keep the calls alive again; `None` if none is waiting.
    pub(crate) fn next_keep_alive(&self) -> Option<Instant> {
        (!self.waits.is_empty()).then(|| self.reminded + KEEP_ALIVE)
    }

    /// Returns the calls to keep alive now.
    pub(crate) fn keep_alive(&mut self, now: Instant) -> Vec<RequestId> {
        self.reminded = now;
        self.waits.values().flat_map(|wait| wait.callers.iter().map(|(id, _)| *id)).collect()
    }

    /// Removes a call whose client disconnected.
    ///
    /// The metadata is fetched until the deadline anyway, because the client may repeat the call.
    pub(crate) fn leave(&mut self, request_id: RequestId) {
        for wait in self.waits.values_mut() {
            wait.callers.retain(|(id, _)| *id != request_id);
        }
    }

    /// Keeps the torrent even if these calls fail, because someone else added it, too.
    pub(crate) fn keep(&mut self, info_hash: InfoHash) {
        if let Some(wait) = self.waits.get_mut(&info_hash) {
            wait.is_ours = false;
        }
    }

    /// Returns whether calls wait for this torrent.
    pub(crate) fn has(&self, info_hash: InfoHash) -> bool {
        self.waits.contains_key(&info_hash)
    }

    /// Returns the torrents that are waited for, with their deadlines.
    pub(crate) fn deadlines(&self) -> impl Iterator<Item = (InfoHash, Instant)> + '_ {
        self.waits.iter().map(|(&info_hash, wait)| (info_hash, wait.deadline))
    }

    /// Ends the wait for a torrent.
    pub(crate) fn take(&mut self, info_hash: InfoHash) -> Option<Wait> {
        self.waits.remove(&info_hash)
    }
}
