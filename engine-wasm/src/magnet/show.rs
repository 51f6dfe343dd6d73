//! A magnet link as pages show it: a torrent without files.

use super::{Pending, Status};
use crate::time::Instant;
use crate::view::{Giving, Sentence, Sharing, TorrentState, TorrentView, TrackerView, Trouble};

impl Pending {
    /// The complete view.
    pub(crate) fn view(&self, now: Instant) -> TorrentView {
        TorrentView { trackers: self.tracker_views(now), ..self.row() }
    }

    /// Its trackers, tier by tier.
    pub(crate) fn tracker_views(&self, now: Instant) -> Vec<TrackerView> {
        self.swarm.tracker_views(now)
    }

    /// The view for a row of a list: without trackers, whose countdowns change every second.
    pub(crate) fn row(&self) -> TorrentView {
        let peers = self.swarm.ready_peers().count();
        let says = self.says();
        TorrentView {
            info_hash: self.link.info_hash.to_string(),
            name: self.name(),
            version: None,
            undecided: self.undecided,
            queue_position: 0,
            private: false,
            state: self.state(),
            message: says.as_ref().map(Sentence::to_string),
            says,
            trouble: self.has_failed().then_some(Trouble::NotDescribed),
            length: 0,
            verified: 0,
            wanted: 0,
            wanted_verified: 0,
            check_progress: None,
            move_progress: None,
            root: String::new(),
            lies_at: String::new(),
            path: String::new(),
            downloaded: 0,
            uploaded: 0,
            wasted: 0,
            piece_length: 0,
            piece_count: 0,
            down_rate_bps: 0,
            up_rate_bps: 0,
            eta_s: None,
            stalled: false,
            sharing: Sharing::default(),
            giving: Giving::Closed,
            peers: u32::try_from(peers).unwrap_or(u32::MAX),
            known_peers: u32::try_from(self.swarm.known_peers()).unwrap_or(u32::MAX),
            file_count: 0,
            next: None,
            choices: Default::default(),
            trackers: Vec::new(),
            files: Vec::new(),
        }
    }

    fn state(&self) -> TorrentState {
        match &self.status {
            Status::Paused => TorrentState::Paused,
            Status::Failed(_) => TorrentState::Error,
            Status::Unlinked | Status::Seeking { .. } | Status::Resting(_) => {
                TorrentState::Metadata
            }
        }
    }

    /// What it is doing, or why it does not continue.
    pub(crate) fn says(&self) -> Option<Sentence> {
        match &self.status {
            Status::Failed(says) => Some(says.clone()),
            Status::Resting(_) => Some(Sentence::DescriptionRetry),
            Status::Seeking { .. } => Some(self.seeking()),
            Status::Unlinked | Status::Paused => None,
        }
    }

    fn seeking(&self) -> Sentence {
        match self.assembly.progress() {
            Some((have, all)) if have > 0 => return Sentence::GettingDescription { have, all },
            Some(_) => return Sentence::AskingForDescription,
            None => {}
        }
        if self.swarm.has_ready_peer() {
            return Sentence::AskingForDescription;
        }
        let is_sought = self.swarm.asks_dht() || self.swarm.has_tracker();
        match (self.swarm.tracker_trouble(), self.swarm.known_peers()) {
            (Some(why), 0) => Sentence::NoPeers { why: why.into() },
            (None, 0) if is_sought => Sentence::LookingForPeers,
            (None, 0) if self.link.hosts > 0 => Sentence::NoPeersByHost,
            (None, 0) => Sentence::NoPeersInLink,
            _ => Sentence::ConnectingToPeers,
        }
    }
}
