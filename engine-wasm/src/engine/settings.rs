//! Applies, saves and restores the settings for all torrents.
//!
//! [`crate::settings`] validates and encodes the values; this module applies them to the engine and
//! its torrents. The intent is answered when the settings are saved. Sockets stay open as
//! configured at the start: a disabled transport is neither dialled nor accepted.

use bytes::Bytes;
use shared_proto::OpId;
use shared_proto::io::{OpError, OpOutput};

use super::Engine;
use super::parts::Purpose;
use crate::io::Output;
use crate::metainfo::InfoHash;
use crate::peer::policy::Transport;
use crate::settings;
use crate::time::Instant;
use crate::view::{IntentReply, Sentence, Settings};

impl Engine {
    /// Returns the settings if the user can change them.
    pub(super) fn settings(&self) -> Option<Settings> {
        (self.config.adjustable && self.loading.is_over())
            .then(|| settings::from_config(&self.config))
    }

    /// Applies new settings and starts to save them. The reply comes later.
    pub(super) fn configure(
        &mut self,
        id: u64,
        settings: &Settings,
        now: Instant,
    ) -> Result<(), Sentence> {
        if !self.config.adjustable {
            return Err(Sentence::FixedSettings);
        }
        if !self.roots.is_linked() {
            return Err(Sentence::NoDaemon);
        }
        settings::check(settings)?;
        self.take_over_settings(settings, now);
        let op = self.save_settings(now);
        self.awaited.insert(op, Purpose::SaveSettings(id));
        Ok(())
    }

    /// Handles the end of a write for an intent.
    pub(super) fn handle_settings_answer(&mut self, id: u64, result: &Result<OpOutput, OpError>) {
        let reply = match result {
            Ok(_) => IntentReply::Configured,
            Err(error) => IntentReply::failed(Sentence::SettingsNotSaved { why: error.into() }),
        };
        self.common.out.push_back(Output::Reply { id, reply });
    }

    /// Restores the stored settings.
    pub(super) fn restore_settings(&mut self, bytes: &[u8], now: Instant) {
        match settings::decode(bytes, &settings::from_config(&self.config)) {
            Some(settings) => self.take_over_settings(&settings, now),
            None => {
                self.store.found_unreadable();
                tracing::warn!("the settings in the state store can't be read");
            }
        }
    }

    /// Returns whether incoming connections over this transport are accepted.
    pub(super) fn takes_arrivals_over(&self, transport: Transport) -> bool {
        let is_allowed = match transport {
            Transport::Tcp => self.common.shared.policy.tcp,
            Transport::Utp => self.common.shared.policy.utp,
        };
        is_allowed && self.common.shared.net.accepts_connections()
    }

    pub(super) fn save_settings(&mut self, now: Instant) -> OpId {
        let value = Bytes::from(settings::encode(&settings::from_config(&self.config)));
        let mut cx = self.common.context(now);
        cx.write(settings::KEY.to_owned(), Some(value))
    }

    /// Applies the settings to the engine and all torrents.
    fn take_over_settings(&mut self, settings: &Settings, now: Instant) {
        settings::apply(settings, &mut self.config);
        (self.common.shared.policy, self.common.shared.sources) =
            (self.config.policy, self.config.sources);
        self.send_limits();
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
        self.handle_queue_limit(now);
        self.common.out.push_back(Output::Changed);
    }
}
