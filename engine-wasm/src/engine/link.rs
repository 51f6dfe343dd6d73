//! Handles a new and a lost connection to the daemon.

use shared_proto::{EngineMessage, RootKey};

use super::{Engine, context};
use crate::io::Output;
use crate::time::Instant;
use crate::torrent::Torrent;

/// The group of all connections in [`EngineMessage::RateLimit`].
const ALL_CONNECTIONS: u32 = 0;

impl Engine {
    pub(super) fn link(&mut self, root: Option<RootKey>, now: Instant) {
        self.root = root;
        self.api.temporary.touch_all(now);
        if (self.config.download_limit_bps, self.config.upload_limit_bps) != (None, None) {
            self.send_limits();
        }
        self.shared.net.link();
        self.open_sockets(now);
        self.link_dht(now);
        self.resend_writes(now);
        self.notebook.link(now);
        if self.loaded {
            return self.link_torrents(now);
        }
        self.begin_loading(now);
    }

    /// Sends the rate limits; the daemon forgets them when the connection ends.
    pub(super) fn send_limits(&mut self) {
        let (down_bps, up_bps) = (self.config.download_limit_bps, self.config.upload_limit_bps);
        self.shared.upload_limit_bps = up_bps;
        self.out.push_back(Output::Control(EngineMessage::RateLimit {
            group: ALL_CONNECTIONS,
            down_bps,
            up_bps,
        }));
    }

    pub(super) fn link_torrents(&mut self, now: Instant) {
        for (&info_hash, torrent) in &mut self.torrents {
            let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
            torrent.link(&mut cx);
            self.unsettled.insert(info_hash);
        }
        self.link_magnets(now);
        self.out.push_back(Output::Changed);
    }

    pub(super) fn unlink(&mut self, now: Instant) {
        self.root = None;
        self.shared.ops.clear();
        self.shared.writes.unlink();
        self.store.unlink();
        self.space.unlink();
        self.notebook.unlink();
        self.shared.conns.clear();
        self.shared.net.unlink();
        self.arrivals.clear();
        self.unlink_dht();
        self.shared.trackers.unlink();
        self.shared.handles.clear();
        self.requests.clear();
        self.api.unlink();
        self.loading.unlink();
        self.torrents.values_mut().for_each(|torrent| torrent.unlink(now));
        self.magnets.values_mut().for_each(|pending| pending.unlink(now));
        self.out.clear();
        self.fail_fetches();
        self.unlink_settings();
        self.unlink_reports(now);
        self.unlink_folders();
        let movers = self.torrents.iter_mut();
        let answers = movers
            .filter_map(|(&info_hash, torrent)| Some((info_hash, torrent.take_answer()?)))
            .collect();
        self.answer_movers(answers);
        self.unsettled
            .extend(self.torrents.values().filter(|it| it.is_leaving()).map(Torrent::info_hash));
        self.set_all_torrent_timers();
        self.out.push_back(Output::Changed);
    }
}
