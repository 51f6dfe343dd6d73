//! What a person sets for all torrents, in an engine that lets it be changed: taken over at once,
//! written down, and read again at the start.
//!
//! Owns what becomes of it in the engine and its torrents; what makes sense says
//! [`crate::settings`]. Who asked is answered when it is written down, and not before. Sockets stay
//! as they were configured: a transport that is ruled out is neither dialled nor heard.

use std::collections::BTreeMap;

use bytes::Bytes;
use shared_proto::OpId;
use shared_proto::io::{OpError, OpOutput};

use super::{Engine, context};
use crate::io::Output;
use crate::metainfo::InfoHash;
use crate::peer::way::Transport;
use crate::settings;
use crate::time::Instant;
use crate::view::{IntentReply, Sentence, Settings};

/// What is being written down.
#[derive(Debug, Default)]
pub(super) struct Saving {
    /// By whom it was asked for.
    underway: BTreeMap<OpId, u64>,
}

impl Engine {
    /// The settings, where they can be changed.
    pub(super) fn settings(&self) -> Option<Settings> {
        (self.config.adjustable && self.loaded).then(|| settings::from_config(&self.config))
    }

    /// A person changes them. Answered when they are written down.
    pub(super) fn configure(
        &mut self,
        id: u64,
        settings: &Settings,
        now: Instant,
    ) -> Result<(), Sentence> {
        if !self.config.adjustable {
            return Err(Sentence::FixedSettings);
        }
        if self.root.is_none() {
            return Err(Sentence::NoDaemon);
        }
        settings::check(settings)?;
        self.take_over_settings(settings, now);
        let op = self.save_settings(now);
        self.saving.underway.insert(op, id);
        Ok(())
    }

    /// An answer; false when it is to nothing that was written down here.
    pub(super) fn settings_answered(
        &mut self,
        op: OpId,
        result: &Result<OpOutput, OpError>,
    ) -> bool {
        let Some(id) = self.saving.underway.remove(&op) else { return false };
        let reply = match result {
            Ok(_) => IntentReply::Configured,
            Err(error) => IntentReply::failed(Sentence::SettingsNotSaved { why: error.into() }),
        };
        self.out.push_back(Output::Reply { id, reply });
        true
    }

    /// The daemon is gone.
    pub(super) fn unlink_settings(&mut self) {
        for id in std::mem::take(&mut self.saving.underway).into_values() {
            let reply = IntentReply::failed(Sentence::SettingsSavedLater);
            self.out.push_back(Output::Reply { id, reply });
        }
    }

    /// What an earlier engine wrote down is there.
    pub(super) fn restore_settings(&mut self, bytes: &[u8], now: Instant) {
        match settings::decode(bytes, &settings::from_config(&self.config)) {
            Some(settings) => self.take_over_settings(&settings, now),
            None => {
                self.store.found_unreadable();
                tracing::warn!("the settings in the state store can't be read");
            }
        }
    }

    /// Whether connections that others make over this transport are taken.
    pub(super) fn takes_arrivals_over(&self, transport: Transport) -> bool {
        let is_allowed = match transport {
            Transport::Tcp => self.shared.ways.tcp,
            Transport::Utp => self.shared.ways.utp,
        };
        is_allowed && self.shared.net.accepts_connections()
    }

    pub(super) fn save_settings(&mut self, now: Instant) -> OpId {
        let value = Bytes::from(settings::encode(&settings::from_config(&self.config)));
        let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
        cx.write(settings::KEY.to_owned(), Some(value))
    }

    /// They count from now on.
    fn take_over_settings(&mut self, settings: &Settings, now: Instant) {
        settings::apply(settings, &mut self.config);
        (self.shared.ways, self.shared.sources) = (self.config.ways, self.config.sources);
        self.say_limits();
        let (max_connections, goals) = (self.config.max_connections, self.config.goals);
        for info_hash in self.torrents.keys().copied().collect::<Vec<InfoHash>>() {
            self.with(info_hash, now, |torrent, cx| {
                torrent.settings_changed(max_connections, goals, cx)
            });
        }
        for info_hash in self.magnets.keys().copied().collect::<Vec<InfoHash>>() {
            self.with_magnet(info_hash, now, |pending, cx| {
                pending.settings_changed(max_connections, cx)
            });
        }
        self.queue_changed(now);
        self.out.push_back(Output::Changed);
    }
}
