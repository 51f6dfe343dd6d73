//! What pages see of the engine: snapshots, lists and the state of single torrents.

use std::collections::BTreeMap;

use shared_proto::{FileId, Root};

use super::Engine;

use crate::magnet::Pending;
use crate::metainfo::InfoHash;
use crate::time::Instant;
use crate::torrent::Torrent;
use crate::view::topics::{FilmView, State, Topic, World};
use crate::view::{
    FileView, NoticeView, PeerView, PiecesView, RootView, Snapshot, TorrentView, TrackerView,
};

impl Engine {
    /// Returns the state of everything that a page shows.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let url = |id: &FileId| self.stream_url(id);
        let positions = self.queue_positions();
        let torrents =
            self.newest_first(|torrent| torrent.view(now, &url), |pending| pending.view(now));
        let torrents = torrents.into_iter().map(|view| placed(view, &positions)).collect();
        let World { roots, listen_port, port_mapping, settings, notices, removed, folders } =
            self.world(now);
        let streams = self.torrents.values().flat_map(|torrent| torrent.streams(now)).collect();
        Snapshot {
            torrents,
            roots,
            streams,
            listen_port,
            port_mapping,
            settings,
            notices,
            removed,
            folders,
        }
    }

    /// Returns the state of a topic.
    pub(crate) fn topic(&self, topic: Topic<'_>, now: Instant) -> State {
        match topic {
            Topic::List => State::List { torrents: self.rows(now), world: self.world(now) },
            Topic::Torrent(info_hash) => {
                let (files, trackers) = self.contents(info_hash, now);
                State::Torrent { files, trackers }
            }
            Topic::Peers(info_hash) => State::Peers(self.peers(info_hash, now)),
            Topic::Film(info_hash, index) => {
                State::Film(Box::new(self.film(info_hash, index, now)))
            }
        }
    }

    /// Returns all torrents without their files and trackers, newest first.
    fn rows(&self, now: Instant) -> Vec<TorrentView> {
        let positions = self.queue_positions();
        let rows = self.newest_first(|torrent| torrent.row(now), Pending::row);
        rows.into_iter().map(|row| placed(row, &positions)).collect()
    }

    /// Returns what a list shows beside its torrents.
    fn world(&self, now: Instant) -> World {
        World {
            roots: self.roots.offered().iter().map(|root| self.root_view(root)).collect(),
            listen_port: self.common.shared.net.listen_port(),
            port_mapping: self.common.shared.net.mapping_report().map(Into::into),
            settings: self.settings(),
            notices: self.notices(),
            removed: self.decisions.removals.views(now),
            folders: self.config.folders,
        }
    }

    fn root_view(&self, Root { key, label, path }: &Root) -> RootView {
        let room = self.roots.space.of(key);
        RootView {
            key: key.0.clone(),
            label: label.clone(),
            path: path.clone(),
            free_bytes: room.map(|(free, _)| free),
            total_bytes: room.map(|(_, total)| total),
        }
    }

    fn notices(&self) -> Vec<NoticeView> {
        let kept = self.store.notices().into_iter().chain(self.notebook.notices());
        kept.chain(self.space_notices()).collect()
    }

    /// Returns a torrent's files and trackers; empty if there is no such torrent.
    pub(super) fn contents(
        &self,
        info_hash: &str,
        now: Instant,
    ) -> (Vec<FileView>, Vec<TrackerView>) {
        let Some(info_hash) = self.listed(info_hash) else { return Default::default() };
        if let Some(torrent) = self.torrents.get(&info_hash) {
            return (torrent.file_views(&|id| self.stream_url(id)), torrent.tracker_views(now));
        }
        let pending = self.magnets.get(&info_hash);
        (Vec::new(), pending.map(|pending| pending.tracker_views(now)).unwrap_or_default())
    }

    /// Returns a torrent's connected peers; empty if its metadata is not known.
    pub(crate) fn peers(&self, info_hash: &str, now: Instant) -> Vec<PeerView> {
        let torrent = info_hash.parse().ok().and_then(|info_hash| self.torrents.get(&info_hash));
        torrent
            .map(|torrent| torrent.peer_views(&self.common.shared.conns, now))
            .unwrap_or_default()
    }

    /// Returns what a player shows of one file.
    fn film(&self, info_hash: &str, index: u32, now: Instant) -> FilmView {
        let Some(info_hash) = self.listed(info_hash) else { return FilmView::default() };
        let Some(torrent) = self.torrents.get(&info_hash) else {
            return FilmView {
                torrent: self.magnets.get(&info_hash).map(Pending::row),
                ..FilmView::default()
            };
        };
        FilmView {
            torrent: Some(self.located(torrent.row(now))),
            file: torrent.file_view(index, &|id| self.stream_url(id)),
            streams: torrent.streams(now).filter(|stream| stream.file_index == index).collect(),
        }
    }

    fn newest_first(
        &self,
        torrent: impl Fn(&Torrent) -> TorrentView,
        pending: impl Fn(&Pending) -> TorrentView,
    ) -> Vec<TorrentView> {
        let is_shown = |info_hash: &InfoHash| !self.decisions.removals.hides(*info_hash);
        let torrents = self.torrents.iter().filter(|(info_hash, _)| is_shown(info_hash));
        let magnets = self.magnets.iter().filter(|(info_hash, _)| is_shown(info_hash));
        let torrents = torrents.map(|(_, one)| (one.added(), self.located(torrent(one))));
        let mut all: Vec<(u64, TorrentView)> =
            torrents.chain(magnets.map(|(_, one)| (one.added(), pending(one)))).collect();
        all.sort_by_key(|(added, _)| std::cmp::Reverse(*added));
        all.into_iter().map(|(_, view)| view).collect()
    }

    /// Returns the torrent with this hash. `None` if the torrent is removed and can only be
    /// restored.
    fn listed(&self, info_hash: &str) -> Option<InfoHash> {
        info_hash.parse().ok().filter(|info_hash| !self.decisions.removals.hides(*info_hash))
    }

    /// Returns the number of torrents that pages show.
    pub(super) fn listed_count(&self) -> usize {
        let hidden = |info_hash: &&InfoHash| self.decisions.removals.hides(**info_hash);
        let all = || self.torrents.keys().chain(self.magnets.keys());
        all().count() - all().filter(hidden).count()
    }

    /// Adds a torrent's absolute path to its view.
    fn located(&self, mut view: TorrentView) -> TorrentView {
        let root = self.roots.find(&view.root).filter(|root| !root.path.is_empty());
        view.path = root.map(|root| below(&root.path, &view.lies_at)).unwrap_or_default();
        view
    }

    /// Returns the pieces of one file in at most `cells` cells. `None` if there is no such file or
    /// it is empty.
    pub fn pieces(&self, info_hash: &str, file: u32, cells: u32) -> Option<PiecesView> {
        self.torrents.get(&info_hash.parse().ok()?)?.pieces_view(file, cells)
    }
}

/// Adds the position in the queue to a view.
fn placed(view: TorrentView, positions: &BTreeMap<InfoHash, u32>) -> TorrentView {
    let position = view.info_hash.parse().ok().and_then(|info_hash| positions.get(&info_hash));
    TorrentView { queue_position: position.copied().unwrap_or_default(), ..view }
}

/// Appends a path with `/` to an absolute path. The result has the separator of the absolute path's
/// system.
fn below(folder: &str, path: &str) -> String {
    let separator = if folder.contains('\\') && !folder.starts_with('/') { "\\" } else { "/" };
    format!("{}{separator}{}", folder.trim_end_matches(['/', '\\']), path.replace('/', separator))
}
