//! Loads the stored state from the daemon before the engine does anything else.
//!
//! Owns the reads and their order. Invariant: a read that fails is repeated, and nothing starts
//! before all have succeeded, so that an unreadable store is never mistaken for an empty one. An
//! invalid value stays in the store and is counted.

use bytes::Bytes;
use rand::Rng;
use shared_proto::OpId;
use shared_proto::io::{OpError, OpOutput};

use super::Engine;
use super::parts::{Question, SECRET_KEY, SECRET_LEN};
use crate::context::Owner;
use crate::io::Output;
use crate::limits;
use crate::magnet;
use crate::metainfo::{InfoHash, Metainfo};
use crate::plan;
use crate::time::Instant;
use crate::torrent::{self, Place, Record};

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
        for question in self.loading.take_due(now) {
            self.question(question, now);
        }
    }

    fn question(&mut self, question: Question, now: Instant) {
        let mut cx = self.common.context(now);
        let op = cx.ask(Owner::Engine, |op| question.command(op));
        self.loading.ask(op, question);
    }

    /// Handles the answer to a read.
    pub(super) fn handle_loading_answer(
        &mut self,
        op: OpId,
        result: Result<OpOutput, OpError>,
        now: Instant,
    ) {
        let Some(question) = self.loading.take(op) else { return };
        match result {
            Ok(output) => self.restore_value(question, output, now),
            Err(error) => {
                tracing::warn!(%error.message, "the stored state can't be read; trying again");
                self.loading.keep_failed(question, now);
                self.store.set_unread(Some(error.message));
                self.common.out.push_back(Output::Changed);
            }
        }
        if let Some(deferred) = self.loading.finish() {
            self.store.set_unread(None);
            self.follow_plans(now);
            self.link_torrents(now);
            for (id, intent) in deferred {
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
            (Question::Order, OpOutput::Value(Some(value))) => self.decisions.order.restore(&value),
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
            self.common.shared.secret = secret;
            return;
        }
        let mut secret = [0; SECRET_LEN];
        self.common.context(now).rng.fill_bytes(&mut secret);
        self.common.shared.secret = Bytes::copy_from_slice(&secret);
        self.save_secret(now);
    }

    pub(super) fn save_secret(&mut self, now: Instant) {
        let value = self.common.shared.secret.clone();
        let mut cx = self.common.context(now);
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
            None => match self.roots.default_key() {
                Some(root) => Place::new(root.clone(), None),
                None => return,
            },
        };
        let order = &mut self.decisions.order;
        let added = record.as_ref().map_or(order.next_number(), |record| record.added);
        order.saw_number(added);
        if let Err(error) = self.insert(meta, source, place, added, record, now) {
            self.store.found_unreadable();
            tracing::warn!(%info_hash, %error, "a torrent in the state store can't be used");
        }
    }
}
