//! The reads of the stored state: which are outstanding, which failed, and which intents wait.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use shared_proto::{IoCommand, OpId};

use super::queue_order;
use crate::api::temporary;
use crate::magnet;
use crate::metainfo::InfoHash;
use crate::plan;
use crate::settings;
use crate::time::Instant;
use crate::torrent;
use crate::view::Intent;

/// State key of the secret that capabilities are made from.
pub(crate) const SECRET_KEY: &str = "secret";
/// Length of the secret, bytes.
pub(crate) const SECRET_LEN: usize = 32;
/// Delay before a failed read is repeated.
const AGAIN: Duration = Duration::from_secs(2);

/// A read of the stored state.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    /// The secret that capabilities are made from.
    Secret,
    /// The settings for all torrents.
    Settings,
    /// The keys of all torrents.
    Torrents,
    /// The keys of all magnet links.
    Magnets,
    /// The keys of the temporary torrents.
    Temporary,
    /// The keys of all plans.
    Plans,
    /// The order of torrents in the queue.
    Order,
    /// A magnet link.
    Magnet(InfoHash),
    /// The user's plan for a torrent.
    Plan(InfoHash),
    /// A `.torrent` file.
    Metainfo(InfoHash),
    /// The record of a torrent with this `.torrent` file.
    Record(InfoHash, Bytes),
}

/// The outstanding and failed reads.
#[derive(Debug, Default)]
pub(crate) struct Loading {
    asked: BTreeMap<OpId, Question>,
    /// Failed reads, repeated at `again`.
    unanswered: Vec<Question>,
    again: Option<Instant>,
    /// Intents that wait for the end of loading.
    deferred: VecDeque<(u64, Intent)>,
    is_over: bool,
}

impl Loading {
    /// Returns whether everything was read once.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Forgets all reads after the connection was lost; waiting intents stay.
    pub(crate) fn unlink(&mut self) {
        let (deferred, is_over) = (std::mem::take(&mut self.deferred), self.is_over);
        *self = Self { deferred, is_over, ..Self::default() };
    }

    /// Adds a read that was sent.
    pub(crate) fn ask(&mut self, op: OpId, question: Question) {
        self.asked.insert(op, question);
    }

    /// Removes an answered read; `None` if the command is no read.
    pub(crate) fn take(&mut self, op: OpId) -> Option<Question> {
        self.asked.remove(&op)
    }

    /// Keeps a failed read until it is repeated.
    pub(crate) fn keep_failed(&mut self, question: Question, now: Instant) {
        self.unanswered.push(question);
        self.again.get_or_insert(now + AGAIN);
    }

    /// Returns when failed reads are repeated.
    pub(crate) fn next_wakeup(&self) -> Option<Instant> {
        self.again
    }

    /// Removes and returns the failed reads if it is time to repeat them.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<Question> {
        if self.again.is_none_or(|again| again > now) {
            return Vec::new();
        }
        self.again = None;
        std::mem::take(&mut self.unanswered)
    }

    /// Keeps an intent until the end of loading.
    pub(crate) fn defer(&mut self, id: u64, intent: Intent) {
        self.deferred.push_back((id, intent));
    }

    /// Ends loading if every read has succeeded; returns the intents that waited for it.
    pub(crate) fn finish(&mut self) -> Option<VecDeque<(u64, Intent)>> {
        if !self.asked.is_empty() || !self.unanswered.is_empty() {
            return None;
        }
        self.is_over = true;
        Some(std::mem::take(&mut self.deferred))
    }
}

impl Question {
    /// Returns the command that reads the value.
    pub(crate) fn command(&self, op: OpId) -> IoCommand {
        let get = |key: String| IoCommand::KvGet { op, key };
        let scan = |prefix: &str| IoCommand::KvScan { op, prefix: prefix.to_owned() };
        match self {
            Self::Secret => get(SECRET_KEY.to_owned()),
            Self::Settings => get(settings::KEY.to_owned()),
            Self::Torrents => scan(torrent::METAINFO_PREFIX),
            Self::Magnets => scan(magnet::PREFIX),
            Self::Temporary => scan(temporary::PREFIX),
            Self::Plans => scan(plan::PREFIX),
            Self::Order => get(queue_order::KEY.to_owned()),
            Self::Plan(info_hash) => get(plan::key(*info_hash)),
            Self::Magnet(info_hash) => get(format!("{}{info_hash}", magnet::PREFIX)),
            Self::Metainfo(info_hash) => get(torrent::keys(*info_hash)[0].clone()),
            Self::Record(info_hash, _) => get(torrent::keys(*info_hash)[1].clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loading_ends_when_a_failed_read_has_succeeded() {
        let mut loading = Loading::default();
        loading.defer(1, Intent::Report { about: Vec::new() });
        loading.ask(OpId(1), Question::Torrents);
        let question = loading.take(OpId(1)).unwrap();
        loading.keep_failed(question, Instant(0));
        assert_eq!(loading.finish(), None);
        assert!(loading.take_due(Instant(0)).is_empty());
        let again = loading.next_wakeup().unwrap();
        assert_eq!(loading.take_due(again).len(), 1);
        loading.ask(OpId(2), Question::Torrents);
        assert_eq!(loading.finish(), None);
        loading.take(OpId(2));
        assert_eq!(loading.finish().map(|deferred| deferred.len()), Some(1));
        loading.unlink();
        assert!(loading.is_over(), "what was read stays read");
    }
}
