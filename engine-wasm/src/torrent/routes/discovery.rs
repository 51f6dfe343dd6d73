//! Discovery of peers for a torrent: trackers, the DHT, the local network, users and links.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use bytes::Bytes;
use shared_proto::OpId;
use shared_proto::io::{OpError, OpOutput};

use crate::announcing;
use crate::context::Context;
use crate::discover::candidates::Source;
use crate::discover::tracker::announcer::Ask;
use crate::geometry::FileIndex;
use crate::metainfo::Magnet;
use crate::metainfo::magnet::MAX_RANGES;
use crate::metainfo::magnet::ranges;
use crate::torrent::Torrent;
use crate::torrent::swarm::{Discovered, Totals};
use crate::view::Sentence;

impl Torrent {
    /// Adds the addresses of peers, and dials them while there is room.
    pub(crate) fn add_peers(
        &mut self,
        peers: impl Iterator<Item = SocketAddr>,
        source: Source,
        cx: &mut Context<'_>,
    ) {
        self.swarm.add_candidates(peers, source);
        if source == Source::Hand {
            self.record.touch(cx.now);
        }
        self.dial(cx);
    }

    /// Takes over the peers that its magnet link discovered.
    pub(crate) fn take_over(&mut self, discovered: Discovered, cx: &mut Context<'_>) {
        self.swarm.take_over(discovered, &self.content.meta.trackers, cx.now);
    }

    /// Adds the peers of a magnet link for this torrent. A private torrent takes none (BEP 27).
    pub(crate) fn merge(&mut self, link: &Magnet, cx: &mut Context<'_>) {
        if !self.content.meta.private {
            self.add_peers(link.peers.iter().copied(), Source::Hand, cx);
            self.next_tick = cx.now;
        }
    }

    fn totals(&self) -> Totals {
        Totals {
            downloaded: self.account.downloaded(),
            left: self.content.geometry.total_length() - self.ledger.pieces().verified_bytes(),
        }
    }

    fn send_to_trackers(&mut self, asks: Vec<Ask>, cx: &mut Context<'_>) {
        announcing::send(&mut self.swarm, self.content.meta.info_hash, asks, cx);
    }

    /// Our port has changed: trackers will be informed.
    pub(crate) fn port_moved(&mut self, cx: &mut Context<'_>) {
        self.swarm.port_moved();
        self.announce_to_trackers(cx);
    }

    /// The computer slept, or its addresses changed: connections that may be dead are replaced, and
    /// peers are looked for anew.
    pub(crate) fn network_changed(&mut self, slept: bool, cx: &mut Context<'_>) {
        if slept {
            self.release_all(cx);
        }
        // A web server's connection does not tell its local address.
        self.end_runs_outside(&BTreeSet::new(), cx);
        self.swarm.network_changed(cx.now);
        self.announce_to_trackers(cx);
        self.dial(cx);
    }

    /// Asks the trackers that are due for peers.
    ///
    /// A torrent that may turn out to be complete needs none, and must not announce itself as
    /// incomplete: it waits for its check, until the first piece is known to be missing. Pieces
    /// whose hashes only peers know can't be checked before.
    pub(in crate::torrent) fn announce_to_trackers(&mut self, cx: &mut Context<'_>) {
        let awaits_check = self.is_running()
            && self.ledger.may_be_complete()
            && !self.ledger.trees().lacks_layers();
        if (self.is_running() && !awaits_check) || self.awaits_hashes() {
            let asks = self.swarm.due_announces(self.totals(), &cx.local(), cx.now);
            self.send_to_trackers(asks, cx);
        }
    }

    /// Handles an answer that may be a tracker's.
    pub(in crate::torrent) fn tracker_answered(
        &mut self,
        op: OpId,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let torrent = self.content.meta.info_hash;
        if !announcing::take_answer(&mut self.swarm, torrent, (op, result), cx) {
            return;
        }
        self.dial(cx);
        // A failed tracker makes room for the next.
        self.announce_to_trackers(cx);
    }

    /// All selected files are complete: informs trackers and peers, and closes connections to
    /// seeds.
    pub(in crate::torrent) fn completed(&mut self, cx: &mut Context<'_>) {
        // Files found on the disk were completed at another time.
        if self.account.downloaded() > 0 {
            self.swarm.announce_completion();
        }
        self.refresh_interest(cx.now);
        self.close_seeds(cx);
        self.announce_upload_only(cx);
        self.next_tick = cx.now;
        cx.changed();
    }

    /// Tells the trackers that know us that the torrent stops.
    pub(in crate::torrent) fn announce_stopped(&mut self, cx: &mut Context<'_>) {
        let goodbyes = self.swarm.stop_trackers(self.totals(), &cx.local(), cx.now);
        self.send_to_trackers(goodbyes, cx);
    }

    /// The settings allow or forbid trackers.
    pub(in crate::torrent) fn allow_trackers(&mut self, cx: &mut Context<'_>) {
        let allowed = cx.shared.sources.trackers;
        let goodbyes = self.swarm.allow_trackers(allowed, self.totals(), &cx.local(), cx.now);
        self.send_to_trackers(goodbyes, cx);
    }

    /// Announces to its trackers now; returns how many are asked.
    ///
    /// # Errors
    /// No tracker may be asked now; the sentence says why.
    pub(crate) fn announce_now(&mut self, cx: &mut Context<'_>) -> Result<u32, Sentence> {
        if !(self.is_running() || self.awaits_hashes()) {
            return Err(Sentence::NotAtWork);
        }
        let outcome = self.swarm.announce_now(cx.now);
        self.announce_to_trackers(cx);
        cx.changed();
        outcome
    }

    /// Follows the user's changes to the list of trackers.
    pub(crate) fn follow_trackers(
        &mut self,
        added: &[String],
        removed: &[String],
        cx: &mut Context<'_>,
    ) {
        if added.is_empty() && removed.is_empty() {
            return;
        }
        let goodbyes = self.swarm.remove_trackers(removed, self.totals(), &cx.local());
        self.send_to_trackers(goodbyes, cx);
        self.swarm.add_trackers_by_hand(added, cx.now);
        self.next_tick = cx.now;
        cx.changed();
    }

    /// Asks the DHT and the local network for peers.
    pub(in crate::torrent) fn seek_peers(&mut self, cx: &mut Context<'_>) {
        if !self.is_running() {
            return;
        }
        let info_hash = self.content.meta.info_hash;
        if let Some(wish) = self.swarm.dht_wish(self.ledger.pieces().is_complete()) {
            self.swarm.set_asks_dht(cx.ask_dht(info_hash, wish));
        }
        if self.swarm.may_be_announced() && cx.shared.sources.lsd {
            cx.shared.lsd.ask(info_hash, cx.now);
        }
    }

    /// Sends due peer exchange messages.
    pub(in crate::torrent) fn send_peers(&mut self, cx: &Context<'_>) {
        if self.is_running() {
            self.swarm.send_peers(&cx.local(), cx.now);
        }
    }

    /// Whether only its own trackers may name peers (BEP 27).
    pub(crate) fn is_private(&self) -> bool {
        self.content.meta.private
    }

    /// Its name, safe to show as text.
    pub(crate) fn name(&self) -> &str {
        &self.content.meta.name
    }

    /// Its `.torrent` file, original or built from a magnet link.
    pub(crate) fn source(&self) -> Bytes {
        self.record.source().clone()
    }

    /// A magnet link with which others can add it.
    ///
    /// The trackers of a private torrent contain the user's keys, so they are left out.
    pub(crate) fn magnet(&self) -> Magnet {
        let mut link = Magnet::new(self.content.meta.identity());
        link.name = Some(self.content.meta.name.clone());
        if !self.content.meta.private {
            link.trackers = self.swarm.tracker_urls();
            link.web_seeds.clone_from(&self.content.meta.web_seeds);
            let merged = self
                .swarm
                .web_seeds()
                .urls()
                .filter(|url| !self.content.meta.web_seeds.iter().any(|own| own == url));
            link.web_seeds.extend(merged.map(str::to_owned));
        }
        let geometry = &self.content.geometry;
        let all = geometry.files().filter(|&file| !geometry.is_padding(file));
        let wanted = all.clone().filter(|&file| self.selection.is_wanted(file));
        // A link without a selection means all files.
        if wanted.clone().count() < all.count() {
            link.files = ranges(wanted.map(FileIndex::get));
            link.files.truncate(MAX_RANGES);
        }
        link
    }
}
