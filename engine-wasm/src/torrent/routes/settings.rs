//! Applies changed settings for all torrents to one torrent.

use crate::context::Context;
use crate::torrent::Torrent;
use crate::torrent::account::seeding::Goals;

impl Torrent {
    /// Applies changed settings.
    pub(crate) fn settings_changed(
        &mut self,
        max_connections: usize,
        goals: Goals,
        cx: &mut Context<'_>,
    ) {
        self.set_max_connections(max_connections);
        let ended = self.swarm.release_newest();
        self.end_connections(&ended, cx);
        self.change_goals(goals, cx);
        self.allow_trackers(cx);
        self.allow_web_seeds(cx.shared.sources.web_seeds, cx);
        // Connected peers learn that they may send peer exchange messages now.
        if self.swarm.exchanges_peers(&cx.local()) {
            self.repeat_extensions(cx);
        }
        self.next_tick = cx.now;
        cx.changed();
    }
}
