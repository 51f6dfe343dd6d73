//! A torrent as pages show it.

use crate::geometry::{count_pieces, nth_piece};
use crate::pick::piece_map::PieceState;
use crate::time::Instant;
use crate::torrent::Rest;
use crate::torrent::Status;
use crate::torrent::Torrent;
use crate::torrent::watch::films::seconds;
use crate::view::{
    FileView, Giving, PiecesView, Sentence, StreamView, TorrentState, TorrentView, TrackerView,
    Trouble,
};
use shared_proto::FileId;

impl Torrent {
    /// The complete view.
    pub(crate) fn view(&self, now: Instant, url: &dyn Fn(&FileId) -> String) -> TorrentView {
        TorrentView {
            trackers: self.tracker_views(now),
            files: self.file_views(url),
            ..self.row(now)
        }
    }

    /// The view for a row of a list: without files, and without trackers, whose countdowns change
    /// every second.
    pub(crate) fn row(&self, now: Instant) -> TorrentView {
        let (wanted, wanted_verified) = self.wanted_bytes();
        let says = self.says();
        TorrentView {
            wanted,
            wanted_verified,
            check_progress: self.check_progress(),
            move_progress: self.storage.move_progress(),
            root: self.storage.place().root.0.clone(),
            lies_at: self.lies_at(),
            path: String::new(),
            info_hash: self.content.meta.info_hash.to_string(),
            undecided: self.is_undecided(),
            queue_position: 0,
            private: self.content.meta.private,
            name: self.content.meta.name.clone(),
            version: Some(self.content.meta.version().into()),
            state: self.state(),
            message: says.as_ref().map(Sentence::to_string),
            says,
            trouble: self.trouble_kind(),
            length: self.content.geometry.total_length(),
            verified: self.ledger.pieces().verified_bytes(),
            downloaded: self.account.downloaded(),
            uploaded: self.uploaded(),
            wasted: self.account.wasted(),
            piece_length: self.content.geometry.piece_length(),
            piece_count: self.content.geometry.piece_count(),
            down_rate_bps: if self.fetches() { self.account.pace.rate_bps(now) } else { 0 },
            up_rate_bps: if self.is_running() { self.swarm.upload_rate_bps(now) } else { 0 },
            eta_s: self.eta_s((wanted, wanted_verified), now),
            stalled: self.is_stalled(now),
            sharing: self.sharing(),
            giving: self.giving_view(),
            peers: count(self.swarm.ready_peers()),
            known_peers: u32::try_from(self.swarm.known_peers()).unwrap_or(u32::MAX),
            file_count: count(self.content.meta.files.iter().filter(|file| !file.padding)),
            next: self.next_film(),
            choices: self.watch.films().choices(),
            trackers: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Its trackers, tier by tier.
    pub(crate) fn tracker_views(&self, now: Instant) -> Vec<TrackerView> {
        self.swarm.tracker_views(now)
    }

    /// One of its files. `None` if there is no such file, or if it is padding.
    pub(crate) fn file_view(
        &self,
        index: u32,
        url: &dyn Fn(&FileId) -> String,
    ) -> Option<FileView> {
        let file = self.servable(index)?;
        let length = self.content.geometry.file_len(file);
        let mark = self.mark(index);
        let path = self.shown_path(file).join("/");
        Some(FileView {
            verified: self.storage.verified(file),
            priority: self.selection.priority(file),
            url: url(self.storage.id(file)),
            displaced: self.storage.is_displaced(file),
            position_s: seconds(mark.position_ms),
            duration_s: Some(mark.duration_ms).filter(|&length| length > 0).map(seconds),
            watched: mark.watched,
            subtitles: self.subtitles(index).to_vec(),
            ..FileView::new(index, path, length)
        })
    }

    /// All of its files in natural order, without padding files.
    pub(crate) fn file_views(&self, url: &dyn Fn(&FileId) -> String) -> Vec<FileView> {
        self.watch.films().order().filter_map(|index| self.file_view(index, url)).collect()
    }

    /// The file to show in a file manager.
    ///
    /// Without an index it is the first file with existing data, or else the first file. `None` if
    /// there is no such file, or if it is padding.
    pub(crate) fn file_to_show(&self, index: Option<u32>) -> Option<FileId> {
        let geometry = &self.content.geometry;
        let mut all = geometry.files().filter(|&file| !geometry.is_padding(file));
        let file = match index {
            Some(index) => self.servable(index),
            None => {
                all.clone().find(|&file| self.storage.verified(file) > 0).or_else(|| all.next())
            }
        };
        Some(self.storage.id(file?).clone())
    }

    /// The requests of its viewers.
    pub(crate) fn streams(&self, now: Instant) -> impl Iterator<Item = StreamView> + '_ {
        self.watch.desk().requests().map(move |(id, request)| StreamView {
            info_hash: self.content.meta.info_hash.to_string(),
            file_index: request.file.get(),
            start: request.range.first().get(),
            end: request.range.last().get(),
            position: request.position.get(),
            waiting: self.waiting(id, now),
        })
    }

    /// The pieces of one file in at most `cells` cells. `None` if there is no such file, or if it
    /// is empty.
    pub(crate) fn pieces_view(&self, file: u32, cells: u32) -> Option<PiecesView> {
        let file = self.content.geometry.file(file)?;
        let pieces = self.content.geometry.pieces_of_file(file)?;
        let count = count_pieces(&pieces);
        let cells = cells.clamp(1, count);
        let mut view = PiecesView::default();
        for cell in 0..cells {
            let bound = |cell: u32| u64::from(cell) * u64::from(count) / u64::from(cells);
            let (from, to) = (bound(cell), bound(cell + 1));
            let (mut have, mut underway) = (0u64, 0u64);
            let of_cell = (from..to).filter_map(|at| nth_piece(&pieces, u32::try_from(at).ok()?));
            for piece in of_cell {
                match self.ledger.pieces().state(piece) {
                    PieceState::Have => have += 255,
                    PieceState::Missing => {}
                    PieceState::Open => underway += u64::from(self.ledger.pieces().underway(piece)),
                    PieceState::Unchecked | PieceState::Hashing => underway += 255,
                }
            }
            let share = |sum: u64| u8::try_from(sum / (to - from).max(1)).unwrap_or(255);
            view.verified.push(share(have));
            view.underway.push(share(underway));
        }
        Some(view)
    }

    fn giving_view(&self) -> Giving {
        match self.life.status {
            Status::Running => Giving::Open,
            Status::Resting(Rest::Queued) => Giving::Queued,
            Status::Resting(Rest::Sated) => Giving::Sated,
            _ => Giving::Closed,
        }
    }

    /// Whether it is paused, or stopped by an error.
    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self.life.status, Status::Paused | Status::Failed(..))
    }

    /// Bytes of the selected files that are not verified.
    pub(crate) fn missing_bytes(&self) -> u64 {
        let (wanted, verified) = self.wanted_bytes();
        wanted.saturating_sub(verified)
    }

    fn state(&self) -> TorrentState {
        match &self.life.status {
            Status::Paused => TorrentState::Paused,
            Status::Failed(..) => TorrentState::Error,
            Status::Looking => TorrentState::Checking,
            _ if self.is_done()
                && self.storage.is_confirmed()
                && self.ledger.checks_underway() == 0
                && self.ledger.pieces().unchecked().is_clear() =>
            {
                TorrentState::Complete
            }
            Status::Resting(_) => TorrentState::Queued,
            _ if self.is_done()
                || self.ledger.checks_underway() > 0
                || self.ledger.pieces().unchecked().first_set().is_some() =>
            {
                TorrentState::Checking
            }
            Status::Unlinked | Status::Running => TorrentState::Downloading,
        }
    }

    fn trouble_kind(&self) -> Option<Trouble> {
        match self.life.status {
            Status::Failed(kind, _) => Some(kind),
            _ => None,
        }
    }

    fn says(&self) -> Option<Sentence> {
        let moving = self.storage.move_says();
        match &self.life.status {
            _ if self.is_being_removed() => Some(Sentence::DeletingFiles),
            Status::Failed(_, says) => Some(says.clone()),
            _ if moving.is_some() => moving,
            Status::Resting(Rest::Queued) if self.is_done() => Some(Sentence::QueuedForSeeding),
            Status::Resting(Rest::Queued) => Some(Sentence::Queued),
            Status::Running
                if self.lacks_something()
                    && !self.swarm.web_seeds().is_hopeful()
                    && !self.swarm.has_ready_peer() =>
            {
                Some(match (self.swarm.tracker_trouble(), self.swarm.known_peers()) {
                    (Some(why), 0) => Sentence::NoPeers { why: why.into() },
                    (_, 0) if self.swarm.asks_dht() => Sentence::LookingForPeers,
                    (_, 0) if !self.swarm.has_tracker() => Sentence::NoPeersNoTracker,
                    (_, 0) => Sentence::LookingForPeers,
                    _ => Sentence::ConnectingToPeers,
                })
            }
            _ => None,
        }
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}
