//! A torrent and what a person sets for all of them, when that changes while it is at work.
//!
//! It reads what is shared by all and keeps nothing itself.

use shared_proto::ConnId;

use crate::context::Context;
use crate::torrent::Torrent;
use crate::torrent::account::seeding::Goals;
use crate::torrent::routes::exchange;

impl Torrent {
    /// What a person sets for all torrents is other than before.
    pub(crate) fn settings_changed(
        &mut self,
        max_connections: usize,
        goals: Goals,
        cx: &mut Context<'_>,
    ) {
        self.set_max_connections(max_connections);
        self.let_newest_go(cx);
        self.change_goals(goals, cx);
        let params = self.announce_params(cx);
        self.swarm.trackers.allow(cx.shared.sources.trackers, &params, cx);
        self.allow_web(cx.shared.sources.web_seeds, cx);
        // Those to whom it was not said yet hear that they may tell us of others.
        if exchange::is_wanted(&self.content.meta, cx) {
            self.say_extensions_again(cx);
        }
        self.next_tick = cx.now;
        cx.changed();
    }

    /// Those go for whom there is no room any more, who came last first: arrivals, then whom we
    /// dialled. They did nothing wrong.
    fn let_newest_go(&mut self, cx: &mut Context<'_>) {
        let beyond = self.swarm.peers.len().saturating_sub(self.swarm.max_connections);
        let mut newest: Vec<ConnId> = self.swarm.peers.keys().copied().collect();
        // Who is being dialled is of no use yet.
        newest.sort_by_key(|conn| (self.swarm.peers[conn].is_ready(), std::cmp::Reverse(*conn)));
        for conn in newest.into_iter().take(beyond) {
            self.release(conn, cx);
        }
    }
}
