//! What an earlier engine wrote down, read once from the daemon's state before anything else is
//! done.
//!
//! Owns the questions and their order. Invariant: a question that the daemon can't answer now is
//! asked again, and nothing begins before all are answered: a store that can't be read is never
//! taken for an empty one. A value that makes no sense is left where it is and counted.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use rand::Rng;
use shared_proto::io::{OpError, OpOutput};
use shared_proto::{IoCommand, OpId};

use super::{Engine, context, turns};
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
/// Length of that secret, bytes.
const SECRET_LEN: usize = 32;
/// How long until a question that was not answered is asked again.
const AGAIN: Duration = Duration::from_secs(2);

/// What is asked of the daemon's state.
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
    /// What was decided about a torrent.
    Plan(InfoHash),
    /// A `.torrent` file.
    Metainfo(InfoHash),
    /// The record of a torrent with this `.torrent` file.
    Record(InfoHash, Bytes),
}

/// What is still to be read from the daemon's state before the engine can work.
#[derive(Debug, Default)]
pub(super) struct Loading {
    asked: BTreeMap<OpId, Question>,
    /// What could not be answered, and when it is asked again.
    unanswered: Vec<Question>,
    again: Option<Instant>,
    /// What pages want meanwhile.
    pub(super) deferred: VecDeque<(u64, Intent)>,
}

impl Loading {
    /// Nothing more will be answered; what pages wanted is done after the next link.
    pub(super) fn unlink(&mut self) {
        *self = Self { deferred: std::mem::take(&mut self.deferred), ..Self::default() };
    }

    /// When a question is asked again.
    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        self.again
    }

    fn is_done(&self) -> bool {
        self.asked.is_empty() && self.unanswered.is_empty()
    }
}

impl Engine {
    /// Asks for everything.
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

    /// Asks again what could not be answered.
    pub(super) fn tend_loading(&mut self, now: Instant) {
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

    /// The daemon answered one of these questions.
    pub(super) fn loading_answered(
        &mut self,
        op: OpId,
        result: Result<OpOutput, OpError>,
        now: Instant,
    ) {
        let Some(question) = self.loading.asked.remove(&op) else { return };
        match result {
            Ok(output) => self.loaded_one(question, output, now),
            Err(error) => {
                tracing::warn!(%error.message, "the state can't be read; it is tried again");
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

    fn loaded_one(&mut self, question: Question, output: OpOutput, now: Instant) {
        match (question, output) {
            (Question::Secret, output) => self.got_secret(output, now),
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
            (Question::Order, OpOutput::Value(Some(value))) => self.turns.restore(&value),
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
            // There is nothing under that key.
            _ => {}
        }
    }

    fn got_secret(&mut self, output: OpOutput, now: Instant) {
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

    /// Asks for the values of all keys that are a prefix and an info hash.
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

    /// A torrent that an earlier engine wrote down.
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
            Self::Order => get(turns::KEY.to_owned()),
            Self::Plan(info_hash) => get(plan::key(*info_hash)),
            Self::Magnet(info_hash) => get(format!("{}{info_hash}", magnet::PREFIX)),
            Self::Metainfo(info_hash) => get(torrent::keys(*info_hash)[0].clone()),
            Self::Record(info_hash, _) => get(torrent::keys(*info_hash)[1].clone()),
        }
    }
}
