//! Which timers the parts of the engine want set.

use super::Engine;
use crate::metainfo::InfoHash;
use crate::timers::{TimerOwner, TimerReason};

impl Engine {
    /// Sets the timers of a torrent or magnet link to what it wants now.
    pub(super) fn set_torrent_timers(&mut self, info_hash: InfoHash) {
        let owner = TimerOwner::Torrent(info_hash);
        if let Some(torrent) = self.torrents.get(&info_hash) {
            for (reason, at) in torrent.wakeups() {
                self.agenda.timers.set((owner, reason), at);
            }
        } else {
            let at = self.magnets.get(&info_hash).and_then(|pending| pending.next_wakeup());
            self.agenda.timers.stop_all_of(owner);
            self.agenda.timers.set((owner, TimerReason::Tick), at);
        }
    }

    /// Sets the timers of all torrents and magnet links.
    pub(super) fn set_all_torrent_timers(&mut self) {
        let all: Vec<InfoHash> = self.torrents.keys().chain(self.magnets.keys()).copied().collect();
        all.into_iter().for_each(|info_hash| self.set_torrent_timers(info_hash));
    }

    /// Sets the engine's own timers.
    pub(super) fn set_timers(&mut self) {
        let timers = [
            (TimerReason::Api, self.api_timeout()),
            (TimerReason::Arrivals, self.routes.arrivals.next_wakeup()),
            (TimerReason::Dht, self.dht_timeout()),
            (TimerReason::LocalDiscovery, self.lsd_timeout()),
            (TimerReason::UdpTrackers, self.common.shared.trackers.poll_timeout()),
            (TimerReason::Writes, self.writes_timeout()),
            (TimerReason::Loading, self.loading.next_wakeup()),
            (TimerReason::Notes, self.notes_timeout()),
            (TimerReason::Removals, self.removals_timeout()),
        ];
        for (reason, at) in timers {
            self.agenda.timers.set((TimerOwner::Engine, reason), at);
        }
    }
}
