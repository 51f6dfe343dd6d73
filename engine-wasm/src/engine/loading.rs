//! Loads the stored state from the daemon before the engine does anything else.
//!
//! Owns the reads and their order. Invariant: a read that fails is repeated, and nothing starts
//! before all have succeeded, so that an unreadable store is never mistaken for an empty one. An
//! invalid value stays in the store and is counted.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use rand::Rng;
use shared_proto::io::{OpError, OpOutput};
use shared_proto::{IoCommand, OpId};

use super::{Engine, context, queue_order};
use crate::api::temporary;
use crate::context::Owner;
use crate::io::Output;
use crate::limits;
use crate::magnet;
use crate::metainfo::{InfoHash, Metainfo};
use crate::plan;
use crate::settings;
use crate::time::Instant;
use crate::torrent::{self, Place, Record};
use crate::view::Intent;

/// State key of the secret that capabilities are made from.
const SECRET_KEY: &str = "secret";
/// Length of the secret, bytes.
const SECRET_LEN: usize = 32;
/// Delay before a failed read is repeated.
const AGAIN: Duration = Duration::from_secs(2);

/// A read of the stored state.
#[derive(Clone, Debug)]
enum Question {
    Secret,
    Settings,
    Torrents,
    Magnets,
    Temporary,
    Plans,
    /// The order of torrents in the queue.
    Order,
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
pub(super) struct Loading {
    asked: BTreeMap<OpId, Question>,
    /// Failed reads, repeated at `again`.
    unanswered: Vec<Question>,
    again: Option<Instant>,
    /// Intents that wait for the end of loading.
    pub(super) deferred: VecDeque<(u64, Intent)>,
}

impl Loading {
    /// Forgets all reads after the connection was lost; waiting intents stay.
    pub(super) fn unlink(&mut self) {
        *self = Self { deferred: std::mem::take(&mut self.deferred), ..Self::default() };
    }

    /// Returns when failed reads are repeated.
    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        self.again
    }

    fn is_done(&self) -> bool {
        self.asked.is_empty() && self.unanswered.is_empty()
    }
}

impl Engine {
    /// Starts to read everything.
    pub(super) fn begin_loading(&mut self, now: Instant) {
        self.question(Question::Secret, now);
        if self.config.adjustable {
            self.question(Question::Settings, now);
        }
        for question in [
            Question::Torrents,
            Question::Magnets,
            Question::Temporary,
            Question::Plans,
            Question::Order,
        ] {
            self.question(question, now);
        }
    }

    /// Repeats failed reads if it is time.
    pub(super) fn retry_loading(&mut self, now: Instant) {
        if self.loading.again.is_some_and(|again| again <= now) {
            self.loading.again = None;
            for question in std::mem::take(&mut self.loading.unanswered) {
                self.question(question, now);
            }
        }
    }

    fn question(&mut self, question: Question, now: Instant) {
        let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
        let op = cx.ask(Owner::Engine, |op| question.command(op));
        self.loading.asked.insert(op, question);
    }

    /// Handles the answer to a read.
    pub(super) fn handle_loading_answer(
        &mut self,
        op: OpId,
        result: Result<OpOutput, OpError>,
        now: Instant,
    ) {
        let Some(question) = self.loading.asked.remove(&op) else { return };
        match result {
            Ok(output) => self.restore_value(question, output, now),
            Err(error) => {
                tracing::warn!(%error.message, "the stored state can't be read; trying again");
                self.loading.unanswered.push(question);
                self.loading.again.get_or_insert(now + AGAIN);
                self.store.set_unread(Some(error.message));
                self.out.push_back(Output::Changed);
            }
        }
        if self.loading.is_done() {
            self.loaded = true;
            self.store.set_unread(None);
            self.follow_plans(now);
            self.link_torrents(now);
            for (id, intent) in std::mem::take(&mut self.loading.deferred) {
                self.handle_intent(id, intent, now);
            }
            self.begin_api(now);
        }
    }

    fn restore_value(&mut self, question: Question, output: OpOutput, now: Instant) {
        match (question, output) {
            (Question::Secret, output) => self.restore_secret(output, now),
            (Question::Settings, OpOutput::Value(Some(value))) => {
                self.restore_settings(&value, now)
            }
            (Question::Torrents, OpOutput::Keys(keys)) => {
                self.ask_for_all(keys, torrent::METAINFO_PREFIX, Question::Metainfo, now);
            }
            (Question::Magnets, OpOutput::Keys(keys)) => {
                self.ask_for_all(keys, magnet::PREFIX, Question::Magnet, now);
            }
            (Question::Plans, OpOutput::Keys(keys)) => {
                self.ask_for_all(keys, plan::PREFIX, Question::Plan, now);
            }
            (Question::Plan(info_hash), OpOutput::Value(Some(value))) => {
                self.restore_plan(info_hash, &value)
            }
            (Question::Order, OpOutput::Value(Some(value))) => self.queue_order.restore(&value),
            (Question::Temporary, OpOutput::Keys(keys)) => self.restore_temporary(keys, now),
            (Question::Magnet(info_hash), OpOutput::Value(Some(value))) => {
                self.restore_magnet(info_hash, &value, now)
            }
            (Question::Metainfo(info_hash), OpOutput::Value(Some(source))) => {
                self.question(Question::Record(info_hash, source), now);
            }
            (Question::Record(info_hash, source), OpOutput::Value(record)) => {
                self.restore(info_hash, source, record, now);
            }
            // The key does not exist.
            _ => {}
        }
    }

    fn restore_secret(&mut self, output: OpOutput, now: Instant) {
        if let OpOutput::Value(Some(secret)) = output
            && secret.len() == SECRET_LEN
        {
            self.shared.secret = secret;
            return;
        }
        let mut secret = [0; SECRET_LEN];
        self.rng.fill_bytes(&mut secret);
        self.shared.secret = Bytes::copy_from_slice(&secret);
        self.save_secret(now);
    }

    pub(super) fn save_secret(&mut self, now: Instant) {
        let value = self.shared.secret.clone();
        let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
        cx.write(SECRET_KEY.to_owned(), Some(value));
    }

    /// Reads the values of all keys that consist of `prefix` and an info hash.
    fn ask_for_all(
        &mut self,
        keys: Vec<String>,
        prefix: &str,
        question: fn(InfoHash) -> Question,
        now: Instant,
    ) {
        for key in keys.into_iter().take(limits::TORRENTS) {
            if let Some(info_hash) = key.strip_prefix(prefix).and_then(|rest| rest.parse().ok()) {
                self.question(question(info_hash), now);
            }
        }
    }

    /// Restores a torrent from the stored state.
    fn restore(&mut self, info_hash: InfoHash, source: Bytes, record: Option<Bytes>, now: Instant) {
        let meta = match Metainfo::parse(&source) {
            Ok(mut meta) if meta.identity().matches(info_hash) => {
                meta.use_key(info_hash);
                meta
            }
            _ => {
                self.store.found_unreadable();
                return tracing::warn!(%info_hash, "a torrent in the state store can't be read");
            }
        };
        let record = record.and_then(|bytes| Record::decode(&bytes, meta.geometry().piece_count()));
        let place = match &record {
            Some(record) => record.place.clone(),
            None => match self.root.clone() {
                Some(root) => Place::new(root, None),
                None => return,
            },
        };
        let added = record.as_ref().map_or(self.added, |record| record.added);
        self.added = self.added.max(added + 1);
        if let Err(error) = self.insert(meta, source, place, added, record, now) {
            self.store.found_unreadable();
            tracing::warn!(%info_hash, %error, "a torrent in the state store can't be used");
        }
    }
}

impl Question {
    fn command(&self, op: OpId) -> IoCommand {
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
