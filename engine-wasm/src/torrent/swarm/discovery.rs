//! The sources of peers: trackers, the DHT, the local network and peer exchange.

use std::net::SocketAddr;

use shared_proto::io::{OpError, OpOutput};
use shared_proto::{ConnId, OpId};

use super::outcomes::{Discovered, Totals};
use super::state::Swarm;
use crate::addresses::Families;
use crate::discover::candidates::Source;
use crate::discover::dht::requests::Wish;
use crate::discover::tracker::AnnounceParams;
use crate::discover::tracker::announcer::{Answered, Ask, Job};
use crate::peer::local::Local;
use crate::peer::pex::exchange::Peers;
use crate::time::Instant;
use crate::view::{Sentence, TrackerView};

impl Swarm {
    fn params(&self, Totals { downloaded, left }: Totals, local: &Local) -> AnnounceParams {
        let (info_hash, uploaded) = (self.identity.key, self.uploads.uploaded());
        let params = AnnounceParams::new(info_hash, local.peer_id, local.port, left, self.most);
        AnnounceParams { uploaded, downloaded, ..params }
    }

    /// Questions for the trackers that are due.
    pub(crate) fn due_announces(
        &mut self,
        totals: Totals,
        local: &Local,
        now: Instant,
    ) -> Vec<Ask> {
        let params = self.params(totals, local);
        self.trackers.due(&params, now)
    }

    /// A question was sent to a tracker; `op` identifies its answer.
    pub(crate) fn tracker_asked(&mut self, op: OpId, job: Job) {
        self.trackers.asked(op, job);
    }

    /// Handles a tracker's answer and adds its peers. `None` if `op` is no question to a tracker.
    pub(crate) fn tracker_answered(
        &mut self,
        op: OpId,
        result: Result<OpOutput, OpError>,
        datagrams: Families,
        now: Instant,
    ) -> Option<Answered> {
        let mut answered = self.trackers.answered(op, result, datagrams, now)?;
        self.add_candidates(std::mem::take(&mut answered.peers), Source::Tracker);
        Some(answered)
    }

    /// Makes every tracker due that may be asked now; returns their number.
    ///
    /// # Errors
    /// No tracker may be asked now; the sentence says why.
    pub(crate) fn announce_now(&mut self, now: Instant) -> Result<u32, Sentence> {
        Ok(self.trackers.announce_now(now)?)
    }

    /// The download is complete: trackers will be informed.
    pub(in crate::torrent) fn announce_completion(&mut self) {
        self.trackers.completed();
    }

    /// Our port has changed: trackers will be informed.
    pub(crate) fn port_moved(&mut self) {
        self.trackers.moved();
    }

    /// The network has changed: peers that failed are ready, and trackers are due.
    pub(crate) fn network_changed(&mut self, now: Instant) {
        self.candidates.retry();
        self.trackers.moved();
        // Trackers that were asked just now are not asked again.
        let _ = self.trackers.announce_now(now);
    }

    /// Adds the trackers of a magnet link, each in its own tier. A private torrent accepts none.
    pub(crate) fn add_trackers(&mut self, urls: &[String], now: Instant) {
        if !self.private {
            self.trackers.add(tiers(urls), now);
        }
    }

    /// Adds trackers that the user named: they are asked at once. A private torrent accepts none.
    pub(crate) fn add_trackers_by_hand(&mut self, urls: &[String], now: Instant) {
        if !self.private {
            self.trackers.add_by_hand(tiers(urls), now);
        }
    }

    /// Removes trackers; returns goodbyes for those that know us.
    pub(crate) fn remove_trackers(
        &mut self,
        urls: &[String],
        totals: Totals,
        local: &Local,
    ) -> Vec<Ask> {
        let params = self.params(totals, local);
        self.trackers.remove(urls, &params)
    }

    /// Allows or forbids trackers; returns goodbyes for those that know us.
    pub(crate) fn allow_trackers(
        &mut self,
        allowed: bool,
        totals: Totals,
        local: &Local,
        now: Instant,
    ) -> Vec<Ask> {
        let params = self.params(totals, local);
        self.trackers.allow(allowed, &params, now)
    }

    /// The torrent stops; returns goodbyes for the trackers that know us.
    pub(crate) fn stop_trackers(
        &mut self,
        totals: Totals,
        local: &Local,
        now: Instant,
    ) -> Vec<Ask> {
        let params = self.params(totals, local);
        self.trackers.stop(&params, now)
    }

    /// The URLs of its trackers.
    pub(in crate::torrent) fn tracker_urls(&self) -> Vec<String> {
        self.trackers.urls()
    }

    /// The state of each tracker.
    pub(crate) fn tracker_views(&self, now: Instant) -> Vec<TrackerView> {
        self.trackers.statuses(now).into_iter().map(Into::into).collect()
    }

    /// Why no tracker works; `None` when one does.
    pub(crate) fn tracker_trouble(&self) -> Option<Sentence> {
        self.trackers.trouble().map(Into::into)
    }

    /// Whether any tracker can be asked.
    pub(crate) fn has_tracker(&self) -> bool {
        !self.trackers.is_empty()
    }

    /// What to ask of the DHT; `None` for a private torrent.
    pub(crate) fn dht_wish(&self, is_complete: bool) -> Option<Wish> {
        let wish = if is_complete { Wish::Announce } else { Wish::Peers };
        (!self.private).then_some(wish)
    }

    /// Sets whether a DHT node looks for its peers.
    pub(crate) fn set_asks_dht(&mut self, asks: bool) {
        self.asks_dht = asks;
    }

    /// Whether a DHT node looks for its peers.
    pub(crate) fn asks_dht(&self) -> bool {
        self.asks_dht
    }

    /// Whether it may be announced in the local network.
    pub(crate) fn may_be_announced(&self) -> bool {
        !self.private
    }

    /// A peer runs a DHT node at this port: the node's address, unless the torrent is private.
    pub(crate) fn dht_node(&self, conn: ConnId, port: u16) -> Option<SocketAddr> {
        let addr = self.addr(conn).filter(|_| !self.private)?;
        Some(SocketAddr::new(addr.ip(), port))
    }

    /// Whether peer exchange is used in this swarm.
    pub(in crate::torrent) fn exchanges_peers(&self, local: &Local) -> bool {
        local.pex && !self.private
    }

    /// Handles addresses that a peer names.
    ///
    /// Peers that learned our listen port keep gossiping, so the addresses are ignored where the
    /// settings forbid peer exchange.
    pub(crate) fn peers_named(&mut self, peers: Vec<SocketAddr>, local: &Local) {
        if self.exchanges_peers(local) {
            self.add_candidates(peers, Source::Pex);
        }
    }

    /// Sends due peer exchange messages (BEP 11).
    pub(in crate::torrent) fn send_peers(&mut self, local: &Local, now: Instant) {
        let is_due = self.peers.values().any(|peer| peer.wants_peers(now));
        if !self.exchanges_peers(local) || !is_due {
            return;
        }
        let known: Peers = self
            .ready_peers()
            .filter_map(|(_, peer)| Some((peer.listens_at()?, peer.flags())))
            .collect();
        self.peers.values_mut().for_each(|peer| peer.send_peers(&known, now));
    }

    /// Number of known addresses.
    pub(crate) fn known_peers(&self) -> usize {
        self.candidates.len()
    }

    /// Addresses worth a dial after a restart, at most `most`.
    pub(crate) fn worth_keeping(&self, most: usize) -> Vec<SocketAddr> {
        self.candidates.worth_keeping(most)
    }

    /// What a magnet link discovered, for its torrent. All addresses may be dialled at once.
    pub(crate) fn into_discovered(self) -> Discovered {
        let Self { mut candidates, trackers, .. } = self;
        candidates.renew();
        Discovered { candidates, trackers }
    }

    /// Takes over what a magnet link discovered.
    ///
    /// Whether the torrent is private is known only now.
    pub(in crate::torrent) fn take_over(
        &mut self,
        discovered: Discovered,
        tiers: &[Vec<String>],
        now: Instant,
    ) {
        let Discovered { candidates, mut trackers } = discovered;
        self.candidates = candidates;
        if self.private {
            self.candidates
                .keep(|source| !matches!(source, Source::Dht | Source::Pex | Source::Local));
        } else {
            trackers.add(tiers.to_vec(), now);
            self.trackers = trackers;
        }
    }
}

/// Each tracker in its own tier, so that the order is kept.
fn tiers(urls: &[String]) -> Vec<Vec<String>> {
    urls.iter().map(|url| vec![url.clone()]).collect()
}
