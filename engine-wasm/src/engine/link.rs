//! Handles a new and a lost connection to the daemon.

use shared_proto::EngineMessage;

use super::Engine;
use super::parts::{Purpose, Recipient};
use crate::io::Output;
use crate::time::Instant;
use crate::view::{IntentReply, Sentence};

/// The group of all connections in [`EngineMessage::RateLimit`].
const ALL_CONNECTIONS: u32 = 0;

impl Engine {
    pub(super) fn link(&mut self, now: Instant) {
        self.api.temporary.touch_all(now);
        if (self.config.download_limit_bps, self.config.upload_limit_bps) != (None, None) {
            self.send_limits();
        }
        self.common.shared.net.link();
        self.open_sockets(now);
        self.link_dht(now);
        self.resend_writes(now);
        self.notebook.link(now);
        if self.loading.is_over() {
            return self.link_torrents(now);
        }
        self.begin_loading(now);
    }

    /// Sends the rate limits; the daemon forgets them when the connection ends.
    pub(super) fn send_limits(&mut self) {
        let (down_bps, up_bps) = (self.config.download_limit_bps, self.config.upload_limit_bps);
        self.common.shared.upload_limit_bps = up_bps;
        self.common.shared.precedence.set_limit(down_bps);
        self.common.out.push_back(Output::Control(EngineMessage::RateLimit {
            group: ALL_CONNECTIONS,
            down_bps,
            up_bps,
        }));
    }

    pub(super) fn link_torrents(&mut self, now: Instant) {
        for (&info_hash, torrent) in &mut self.torrents {
            let mut cx = self.common.context(now);
            torrent.link(&mut cx);
            self.agenda.unsettle(info_hash);
        }
        self.link_magnets(now);
        self.common.out.push_back(Output::Changed);
    }

    pub(super) fn unlink(&mut self, now: Instant) {
        self.roots.unlink();
        self.common.shared.ops.clear();
        self.common.shared.writes.unlink();
        self.store.unlink();
        self.notebook.unlink();
        self.common.shared.conns.clear();
        self.common.shared.net.unlink();
        self.unlink_dht();
        self.common.shared.trackers.unlink();
        self.common.shared.handles.clear();
        self.routes.unlink();
        self.api.unlink();
        self.loading.unlink();
        self.torrents.values_mut().for_each(|torrent| torrent.unlink(now));
        self.magnets.values_mut().for_each(|pending| pending.unlink(now));
        self.common.out.clear();
        self.fail_awaited(now);
        let movers = self.torrents.iter_mut();
        let answers = movers
            .filter_map(|(&info_hash, torrent)| Some((info_hash, torrent.take_answer()?)))
            .collect();
        self.answer_movers(answers);
        for torrent in self.torrents.values().filter(|it| it.is_being_removed()) {
            self.agenda.unsettle(torrent.info_hash());
        }
        self.set_all_torrent_timers();
        self.common.out.push_back(Output::Changed);
    }

    /// Answers what waited for the daemon. HTTP calls end with the connection.
    fn fail_awaited(&mut self, now: Instant) {
        for purpose in self.awaited.unlink() {
            match purpose {
                Purpose::SaveSettings(id) => self.fail(id, Sentence::SettingsSavedLater),
                Purpose::Show(id, _) | Purpose::PreferFolder(id) => {
                    self.fail(id, Sentence::DaemonLost)
                }
                Purpose::Fetch(id) => self.reply(id, Err(Sentence::DaemonLost)),
                // A page gets its report without the daemon's part.
                Purpose::Report(recipient @ Recipient::Intent(_), about) => {
                    self.send_report(recipient, &about, None, now)
                }
                Purpose::Report(Recipient::Call(_), _) => {}
            }
        }
    }

    fn fail(&mut self, id: u64, says: Sentence) {
        self.common.out.push_back(Output::Reply { id, reply: IntentReply::failed(says) });
    }
}
