//! How the swarm hears of peers: trackers, the DHT, the local network and peer exchange.

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

    /// A question was sent to a tracker; its answer comes under this number.
    pub(crate) fn tracker_asked(&mut self, op: OpId, job: Job) {
        self.trackers.asked(op, job);
    }

    /// Reads a tracker's answer and takes note of the peers in it. `None` when no tracker was asked
    /// under this number.
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

    /// Makes every tracker due that may be asked now. Returns how many these are.
    ///
    /// # Errors
    /// No tracker may be asked now; says why.
    pub(crate) fn announce_now(&mut self, now: Instant) -> Result<u32, Sentence> {
        self.trackers.announce_now(now)
    }

    /// All that is wanted has come: trackers will hear it.
    pub(in crate::torrent) fn announce_completion(&mut self) {
        self.trackers.completed();
    }

    /// Our port has changed: trackers will hear it.
    pub(crate) fn port_moved(&mut self) {
        self.trackers.moved();
    }

    /// Adds the trackers of a link, each as a tier of its own. A private torrent keeps to its own.
    pub(crate) fn add_trackers(&mut self, urls: &[String], now: Instant) {
        if !self.private {
            self.trackers.add(tiers(urls), now);
        }
    }

    /// Adds trackers that a person named: they are asked at once. A private torrent keeps to its
    /// own.
    pub(crate) fn add_trackers_by_hand(&mut self, urls: &[String], now: Instant) {
        if !self.private {
            self.trackers.add_by_hand(tiers(urls), now);
        }
    }

    /// Removes trackers. Returns goodbyes to those that know us.
    pub(crate) fn remove_trackers(
        &mut self,
        urls: &[String],
        totals: Totals,
        local: &Local,
    ) -> Vec<Ask> {
        let params = self.params(totals, local);
        self.trackers.remove(urls, &params)
    }

    /// The settings allow trackers, or no longer do. Returns goodbyes to those that know us.
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

    /// The torrent stops. Returns goodbyes to the trackers that know us.
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

    /// What is known of each tracker.
    pub(crate) fn tracker_views(&self, now: Instant) -> Vec<TrackerView> {
        self.trackers.views(now)
    }

    /// Why no tracker works; `None` when one does.
    pub(crate) fn tracker_trouble(&self) -> Option<&Sentence> {
        self.trackers.trouble()
    }

    /// Whether any tracker can be asked.
    pub(crate) fn has_tracker(&self) -> bool {
        !self.trackers.is_empty()
    }

    /// What the DHT could do for it; `None` for a private torrent.
    pub(crate) fn dht_wish(&self, is_complete: bool) -> Option<Wish> {
        let wish = if is_complete { Wish::Announce } else { Wish::Peers };
        (!self.private).then_some(wish)
    }

    /// Whether a DHT node looks for its peers.
    pub(crate) fn set_asks_dht(&mut self, asks: bool) {
        self.asks_dht = asks;
    }

    /// Whether a DHT node looks for its peers.
    pub(crate) fn asks_dht(&self) -> bool {
        self.asks_dht
    }

    /// Whether it may be named in the local network.
    pub(crate) fn may_be_named(&self) -> bool {
        !self.private
    }

    /// A peer has a DHT node at this port: the node's address, unless the torrent is private.
    pub(crate) fn dht_node(&self, conn: ConnId, port: u16) -> Option<SocketAddr> {
        let addr = self.addr(conn).filter(|_| !self.private)?;
        Some(SocketAddr::new(addr.ip(), port))
    }

    /// Whether peers of this swarm may name peers to each other.
    pub(in crate::torrent) fn exchanges_peers(&self, local: &Local) -> bool {
        local.pex && !self.private
    }

    /// A peer names others. A peer that once learned that we listen goes on naming them, so they
    /// are ignored where the settings no longer want them.
    pub(crate) fn peers_named(&mut self, peers: Vec<SocketAddr>, local: &Local) {
        if self.exchanges_peers(local) {
            self.add_candidates(peers, Source::Pex);
        }
    }

    /// Tells the peers whose turn it is which peers came and went (BEP 11).
    pub(in crate::torrent) fn tell_peers(&mut self, local: &Local, now: Instant) {
        let is_due = self.peers.values().any(|peer| peer.wants_peers(now));
        if !self.exchanges_peers(local) || !is_due {
            return;
        }
        let known: Peers = self
            .ready_peers()
            .filter_map(|(_, peer)| Some((peer.listens_at()?, peer.flags())))
            .collect();
        self.peers.values_mut().for_each(|peer| peer.tell_peers(&known, now));
    }

    /// How many addresses are known.
    pub(crate) fn known_peers(&self) -> usize {
        self.candidates.len()
    }

    /// Addresses worth a dial after a restart, at most `most`.
    pub(crate) fn worth_keeping(&self, most: usize) -> Vec<SocketAddr> {
        self.candidates.worth_keeping(most)
    }

    /// What a magnet link has discovered, for its torrent. All addresses may be dialled at once.
    pub(crate) fn into_discovered(self) -> Discovered {
        let Self { mut candidates, trackers, .. } = self;
        candidates.renew();
        Discovered { candidates, trackers }
    }

    /// Takes over what a magnet link discovered before the torrent was described. Only then is it
    /// known whether the torrent is private.
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

/// Each tracker as a tier of its own: the order is kept.
fn tiers(urls: &[String]) -> Vec<Vec<String>> {
    urls.iter().map(|url| vec![url.clone()]).collect()
}
