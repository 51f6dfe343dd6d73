//! Calls that wait until a magnet link is described.
//!
//! Owns who waits for which torrent, and until when; it looks for nobody. Invariant: at most
//! [`limits::API_WAITING`] callers in all.

use std::collections::BTreeMap;
use std::time::Duration;

use shared_proto::RequestId;

use super::error::{Code, Failure};
use crate::limits;
use crate::metainfo::InfoHash;
use crate::time::Instant;

/// Callers' patience is renewed this often: the daemon's may be shorter than the waiting.
const REMIND: Duration = Duration::from_secs(5);

/// Those who wait for one torrent.
#[derive(Debug)]
pub(crate) struct Wait {
    /// When they are told that it did not come.
    pub(crate) deadline: Instant,
    /// It came with the first of these calls: when it fails it goes.
    pub(crate) is_ours: bool,
    /// The calls, each with what begins URLs in its answer.
    pub(crate) callers: Vec<(RequestId, String)>,
}

/// All who wait.
#[derive(Debug, Default)]
pub(crate) struct Adding {
    waits: BTreeMap<InfoHash, Wait>,
    reminded: Instant,
}

impl Adding {
    /// Whether one more may wait.
    pub(crate) fn check_room(&self) -> Result<(), Failure> {
        let callers: usize = self.waits.values().map(|wait| wait.callers.len()).sum();
        if callers + self.waits.len() < limits::API_WAITING {
            return Ok(());
        }
        Err(Failure::new(Code::Busy, "too many magnet links are being looked up already"))
    }

    /// One more waits. A later caller waits no longer than the first.
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

    /// When to renew the callers' patience; `None` while nobody waits.
    pub(crate) fn next_reminder(&self) -> Option<Instant> {
        (!self.waits.is_empty()).then(|| self.reminded + REMIND)
    }

    /// All callers, whose patience is renewed now.
    pub(crate) fn remind(&mut self, now: Instant) -> Vec<RequestId> {
        self.reminded = now;
        self.waits.values().flat_map(|wait| wait.callers.iter().map(|(id, _)| *id)).collect()
    }

    /// A caller is gone. The torrent is looked for until the deadline all the same: it may come
    /// back and ask again.
    pub(crate) fn leave(&mut self, request_id: RequestId) {
        for wait in self.waits.values_mut() {
            wait.callers.retain(|(id, _)| *id != request_id);
        }
    }

    /// Somebody else wants the torrent, too: it stays, whatever comes of these calls.
    pub(crate) fn disown(&mut self, info_hash: InfoHash) {
        if let Some(wait) = self.waits.get_mut(&info_hash) {
            wait.is_ours = false;
        }
    }

    /// Whether a torrent is waited for.
    pub(crate) fn has(&self, info_hash: InfoHash) -> bool {
        self.waits.contains_key(&info_hash)
    }

    /// What is waited for, and until when.
    pub(crate) fn deadlines(&self) -> impl Iterator<Item = (InfoHash, Instant)> + '_ {
        self.waits.iter().map(|(&info_hash, wait)| (info_hash, wait.deadline))
    }

    /// The waiting is over.
    pub(crate) fn take(&mut self, info_hash: InfoHash) -> Option<Wait> {
        self.waits.remove(&info_hash)
    }
}
