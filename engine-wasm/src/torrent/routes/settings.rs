//! Settings for all torrents, when a person changes them.

use crate::context::Context;
use crate::torrent::Torrent;
use crate::torrent::account::seeding::Goals;

impl Torrent {
    /// The settings for all torrents have changed.
    pub(crate) fn settings_changed(
        &mut self,
        max_connections: usize,
        goals: Goals,
        cx: &mut Context<'_>,
    ) {
        self.set_max_connections(max_connections);
        let parted = self.swarm.release_newest();
        self.part_all(&parted, cx);
        self.change_goals(goals, cx);
        self.allow_trackers(cx);
        self.allow_web_seeds(cx.shared.sources.web_seeds, cx);
        // Peers that connected before hear that they may name others to us.
        if self.swarm.exchanges_peers(&cx.local()) {
            self.repeat_extensions(cx);
        }
        self.next_tick = cx.now;
        cx.changed();
    }
}
