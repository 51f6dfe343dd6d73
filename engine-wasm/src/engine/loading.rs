//! What an earlier engine wrote down, read once from the daemon's state before anything else is done.
//!
//! What can't be read is left where it is and not touched.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use rand::Rng;
use shared_proto::io::{OpError, OpOutput};
use shared_proto::{IoCommand, OpId};

use super::{Engine, context};
use crate::api::temporary;
use crate::context::Owner;
use crate::limits;
use crate::magnet;
use crate::metainfo::{InfoHash, Metainfo};
use crate::settings;
use crate::time::Instant;
use crate::torrent::{self, Place, Record};
use crate::view::Intent;

/// State key of the secret that capabilities are made from.
const SECRET_KEY: &str = "secret";
/// Length of that secret, bytes.
const SECRET_LEN: usize = 32;

/// What is still to be read from the daemon's state before the engine can work.
#[derive(Debug, Default)]
pub(super) struct Loading {
    secret: Option<OpId>,
    scan: Option<OpId>,
    magnet_scan: Option<OpId>,
    temporary_scan: Option<OpId>,
    settings: Option<OpId>,
    magnets: BTreeMap<OpId, InfoHash>,
    metainfos: BTreeMap<OpId, InfoHash>,
    records: BTreeMap<OpId, (InfoHash, Bytes)>,
    /// What pages want meanwhile.
    pub(super) deferred: VecDeque<(u64, Intent)>,
}

impl Loading {
    /// Nothing more will be answered; what pages wanted is done after the next link.
    pub(super) fn unlink(&mut self) {
        *self = Self { deferred: std::mem::take(&mut self.deferred), ..Self::default() };
    }

    fn is_done(&self) -> bool {
        let asked = [self.secret, self.scan, self.magnet_scan, self.temporary_scan, self.settings];
        asked == [None; 5] && self.metainfos.is_empty() && self.records.is_empty() && self.magnets.is_empty()
    }
}

impl Engine {
    /// Asks for everything.
    pub(super) fn begin_loading(&mut self, now: Instant) {
        let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
        self.loading.secret = Some(cx.ask(Owner::Engine, |op| IoCommand::KvGet { op, key: SECRET_KEY.to_owned() }));
        if self.config.adjustable {
            let key = settings::KEY.to_owned();
            self.loading.settings = Some(cx.ask(Owner::Engine, |op| IoCommand::KvGet { op, key }));
        }
        let prefix = torrent::METAINFO_PREFIX.to_owned();
        self.loading.scan = Some(cx.ask(Owner::Engine, |op| IoCommand::KvScan { op, prefix }));
        let prefix = magnet::PREFIX.to_owned();
        self.loading.magnet_scan = Some(cx.ask(Owner::Engine, |op| IoCommand::KvScan { op, prefix }));
        let prefix = temporary::PREFIX.to_owned();
        self.loading.temporary_scan = Some(cx.ask(Owner::Engine, |op| IoCommand::KvScan { op, prefix }));
    }

    /// The daemon answered one of these questions.
    pub(super) fn loading_answered(&mut self, op: OpId, result: Result<OpOutput, OpError>, now: Instant) {
        if self.loading.secret == Some(op) {
            self.loading.secret = None;
            self.got_secret(result, now);
        } else if self.loading.scan == Some(op) {
            self.loading.scan = None;
            self.loading.metainfos = self.read_all(result, torrent::METAINFO_PREFIX, now);
        } else if self.loading.magnet_scan == Some(op) {
            self.loading.magnet_scan = None;
            self.loading.magnets = self.read_all(result, magnet::PREFIX, now);
        } else if self.loading.temporary_scan == Some(op) {
            self.loading.temporary_scan = None;
            if let Ok(OpOutput::Keys(keys)) = result {
                self.restore_temporary(keys, now);
            }
        } else if self.loading.settings == Some(op) {
            self.loading.settings = None;
            self.restore_settings(result, now);
        } else if let Some(info_hash) = self.loading.magnets.remove(&op) {
            self.restore_magnet(info_hash, result, now);
        } else if let Some(info_hash) = self.loading.metainfos.remove(&op) {
            if let Ok(OpOutput::Value(Some(source))) = result {
                let [_, key] = torrent::keys(info_hash);
                let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
                let op = cx.ask(Owner::Engine, |op| IoCommand::KvGet { op, key });
                self.loading.records.insert(op, (info_hash, source));
            }
        } else if let Some((info_hash, source)) = self.loading.records.remove(&op) {
            self.restore(info_hash, source, result, now);
        }
        if self.loading.is_done() {
            self.loaded = true;
            self.link_torrents(now);
            for (id, intent) in std::mem::take(&mut self.loading.deferred) {
                self.handle_intent(id, intent, now);
            }
            self.begin_api(now);
        }
    }

    fn got_secret(&mut self, result: Result<OpOutput, OpError>, now: Instant) {
        if let Ok(OpOutput::Value(Some(secret))) = result
            && secret.len() == SECRET_LEN
        {
            self.shared.secret = secret;
            return;
        }
        let mut secret = [0; SECRET_LEN];
        self.rng.fill_bytes(&mut secret);
        let value = Bytes::copy_from_slice(&secret);
        self.shared.secret = value.clone();
        let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
        cx.ask(Owner::Engine, |op| IoCommand::KvPut { op, key: SECRET_KEY.to_owned(), value });
    }

    /// Asks for the values of all keys that are a prefix and an info hash.
    fn read_all(&mut self, keys: Result<OpOutput, OpError>, prefix: &str, now: Instant) -> BTreeMap<OpId, InfoHash> {
        let Ok(OpOutput::Keys(keys)) = keys else { return BTreeMap::new() };
        let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
        let named = keys.into_iter().take(limits::TORRENTS).filter_map(|key| {
            let info_hash = key.strip_prefix(prefix)?.parse::<InfoHash>().ok()?;
            Some((cx.ask(Owner::Engine, |op| IoCommand::KvGet { op, key }), info_hash))
        });
        named.collect()
    }

    /// A torrent that an earlier engine wrote down. One that can't be read is left where it is and not touched.
    fn restore(&mut self, info_hash: InfoHash, source: Bytes, record: Result<OpOutput, OpError>, now: Instant) {
        let meta = match Metainfo::parse(&source) {
            Ok(mut meta) if meta.identity().answers_to(info_hash) => {
                meta.know_as(info_hash);
                meta
            }
            _ => return tracing::warn!(%info_hash, "a torrent in the state store can't be read"),
        };
        let record = match record {
            Ok(OpOutput::Value(Some(bytes))) => Record::decode(&bytes, meta.geometry().piece_count()),
            _ => None,
        };
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
            tracing::warn!(%info_hash, %error, "a torrent in the state store can't be used");
        }
    }
}
