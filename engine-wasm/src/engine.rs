//! The engine: routes inputs to its torrents and owns no algorithm.

mod adding;
mod asking;
mod config;
mod dht;
mod folders;
mod http;
mod incoming;
mod intents;
mod keeping;
mod leaving;
mod link;
mod loading;
mod lsd;
mod magnets;
mod plans;
mod preparing;
mod removing;
mod report;
mod secrets;
mod settings;
mod sockets;
mod space;
mod store;
mod trackers;
mod turns;
mod wakeups;
mod watching;

pub(crate) use asking::ranges;
pub(crate) use keeping::Target;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use shared_proto::io::{OpError, OpOutput};
use shared_proto::{DaemonMessage, EngineMessage, FileId, IoEvent, OpId, RequestId, Root, RootKey};

pub use self::config::Config;
use self::loading::Loading;
use crate::api::{Api, Reply};
use crate::arrivals::Arrivals;
use crate::context::{Context, Owner, Shared};
use crate::geometry::FileIndex;
use crate::io::{Input, Output};
use crate::magnet::Pending;
use crate::metainfo::InfoHash;
use crate::net::Net;
use crate::notebook::Notebook;
use crate::plan::Plan;
use crate::time::Instant;
use crate::timers::{Timeout, Timers};
use crate::torrent::Torrent;
use crate::view::topics::{FilmView, World};
use crate::view::{
    FileView, NoticeView, PeerView, PiecesView, RootView, Snapshot, TorrentView, TrackerView,
};

/// First part of the peer id (BEP 20).
const PEER_ID_PREFIX: &[u8; 8] = b"-JS0100-";

/// A complete BitTorrent engine without I/O.
///
/// Give it one [`Input`] and the time ([`Engine::handle_input`]), then drain its outputs
/// ([`Engine::poll_output`]) until there are none, then ask when it wants to be woken
/// ([`Engine::poll_timeout`]) and hand it [`Input::Timeout`] at that moment. It reads no clock, no
/// random source and no socket: the same seed and the same inputs at the same times give the same
/// outputs.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    rng: ChaCha8Rng,
    peer_id: [u8; 20],
    shared: Shared,
    arrivals: Arrivals,
    out: VecDeque<Output>,
    root: Option<RootKey>,
    /// All folders that the daemon lets torrents lie in; the first is where new ones do.
    roots: Vec<Root>,
    /// Folders that hold torrents and take no new ones.
    roots_aside: Vec<Root>,
    loading: Loading,
    loaded: bool,
    store: store::Store,
    /// What was watched, of all torrents that ever were.
    notebook: Notebook,
    torrents: BTreeMap<InfoHash, Torrent>,
    magnets: BTreeMap<InfoHash, Pending>,
    /// What persons decided about torrents.
    plans: BTreeMap<InfoHash, Plan>,
    leavers: leaving::Leavers,
    folders: folders::Folders,
    /// Fetches of `.torrent` files, with the intents that want them.
    fetches: BTreeMap<OpId, u64>,
    files: BTreeMap<FileId, (InfoHash, FileIndex)>,
    requests: BTreeMap<RequestId, InfoHash>,
    unsettled: BTreeSet<InfoHash>,
    timers: Timers,
    /// The torrent whose file was prepared last.
    prepared: Option<InfoHash>,
    api: Api,
    node: Option<Box<dht::Node>>,
    saving: settings::Saving,
    space: space::Space,
    reports: report::Reports,
    added: u64,
    turns: turns::Turns,
    now: Instant,
}

impl Engine {
    /// An engine with no daemon. All its chance comes from `seed`.
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Self {
        let mut rng = ChaCha8Rng::from_seed(seed);
        let mut peer_id = [0; 20];
        peer_id[..PEER_ID_PREFIX.len()].copy_from_slice(PEER_ID_PREFIX);
        rng.fill_bytes(&mut peer_id[PEER_ID_PREFIX.len()..]);
        Self {
            shared: Shared::new(Net::new(config.net, config.ways), config.sources, config.ways),
            config,
            rng,
            peer_id,
            arrivals: Arrivals::default(),
            out: VecDeque::new(),
            root: None,
            roots: Vec::new(),
            roots_aside: Vec::new(),
            loading: Loading::default(),
            loaded: false,
            store: store::Store::default(),
            notebook: Notebook::default(),
            torrents: BTreeMap::new(),
            magnets: BTreeMap::new(),
            plans: BTreeMap::new(),
            leavers: leaving::Leavers::default(),
            folders: folders::Folders::default(),
            fetches: BTreeMap::new(),
            files: BTreeMap::new(),
            requests: BTreeMap::new(),
            unsettled: BTreeSet::new(),
            timers: Timers::default(),
            prepared: None,
            api: Api::default(),
            node: None,
            saving: settings::Saving::default(),
            space: space::Space::default(),
            reports: report::Reports::new(),
            added: 0,
            turns: turns::Turns::new(now),
            now,
        }
    }

    /// Something happened. Times never go back.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.config.log.set_now(now);
        match input {
            Input::Linked { roots, limits, .. } => {
                self.shared.handles.set_capacity(limits.max_files);
                self.roots.clone_from(&roots);
                self.roots_aside.clear();
                self.link(roots.into_iter().next().map(|root| root.key), now);
            }
            Input::Unlinked => self.unlink(now),
            Input::Control(message) => self.handle_control(message, now),
            Input::Io(event) => self.handle_io(event, now),
            Input::Intent { id, intent } => self.handle_intent(id, intent, now),
            Input::Timeout => self.tend_api(now),
        }
        self.tend_arrivals(now);
        self.tend_queue(now);
        self.tend_space(now);
        self.wake_torrents(now);
        self.tend_dht(now);
        self.tend_trackers(now);
        self.tend_lsd(now);
        self.tend_adding(now);
        self.tend_loading(now);
        self.tend_leavers(now);
        self.tend_writes(now);
        self.tend_notes(now);
        self.now = now;
    }

    /// What is to be done next; `None` when nothing is. Inputs that came together may all be handed
    /// in before the first call: what they make possible is then worked out once.
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.out.is_empty() {
            self.settle();
        }
        match self.out.pop_front()? {
            // Somebody asked over HTTP.
            Output::Reply { id, reply } => Some(match self.api.pages.take_call(id) {
                Some(call) => Output::Control(Reply::json(&reply).to(call)),
                None => Output::Reply { id, reply },
            }),
            output => Some(output),
        }
    }

    /// When to come back with [`Input::Timeout`] if nothing happens before, and why. To be asked
    /// after [`Engine::poll_output`] has returned `None`.
    pub fn poll_timeout(&self) -> Option<Timeout> {
        self.timers.next()
    }

    /// Everything, for a page.
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

    /// All torrents as rows of a list, newest first: without their files and trackers.
    pub(crate) fn rows(&self, now: Instant) -> Vec<TorrentView> {
        let positions = self.queue_positions();
        let rows = self.newest_first(|torrent| torrent.row(now), Pending::row);
        rows.into_iter().map(|row| placed(row, &positions)).collect()
    }

    /// What a list shows beside its torrents.
    pub(crate) fn world(&self, now: Instant) -> World {
        World {
            roots: self.roots.iter().map(|root| self.root_view(root)).collect(),
            listen_port: self.shared.net.listen_port(),
            port_mapping: self.shared.net.mapping_view(),
            settings: self.settings(),
            notices: self.notices(),
            removed: self.removed_views(now),
            folders: self.config.folders,
        }
    }

    fn root_view(&self, Root { key, label, path }: &Root) -> RootView {
        let room = self.space.of(key);
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

    /// A torrent's files and trackers; none of a torrent that is not there.
    pub(crate) fn contents(
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

    /// Who is connected to a torrent; nobody to one that is not there, or not described yet.
    pub(crate) fn peers(&self, info_hash: &str, now: Instant) -> Vec<PeerView> {
        let torrent = info_hash.parse().ok().and_then(|info_hash| self.torrents.get(&info_hash));
        torrent.map(|torrent| torrent.peer_views(&self.shared.conns, now)).unwrap_or_default()
    }

    /// What a player shows of one file.
    pub(crate) fn film(&self, info_hash: &str, index: u32, now: Instant) -> FilmView {
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
        let is_shown = |info_hash: &InfoHash| !self.leavers.hides(*info_hash);
        let torrents = self.torrents.iter().filter(|(info_hash, _)| is_shown(info_hash));
        let magnets = self.magnets.iter().filter(|(info_hash, _)| is_shown(info_hash));
        let torrents = torrents.map(|(_, one)| (one.added(), self.located(torrent(one))));
        let mut all: Vec<(u64, TorrentView)> =
            torrents.chain(magnets.map(|(_, one)| (one.added(), pending(one)))).collect();
        all.sort_by_key(|(added, _)| std::cmp::Reverse(*added));
        all.into_iter().map(|(_, view)| view).collect()
    }

    /// The torrent of this name, unless it was removed and can only be brought back.
    fn listed(&self, info_hash: &str) -> Option<InfoHash> {
        info_hash.parse().ok().filter(|info_hash| !self.leavers.hides(*info_hash))
    }

    /// How many torrents pages are shown.
    fn listed_count(&self) -> usize {
        let hidden = |info_hash: &&InfoHash| self.leavers.hides(**info_hash);
        let all = || self.torrents.keys().chain(self.magnets.keys());
        all().count() - all().filter(hidden).count()
    }

    /// A torrent's view that says where it lies on the disk.
    fn located(&self, mut view: TorrentView) -> TorrentView {
        let root = self.root_called(&view.root).filter(|root| !root.path.is_empty());
        view.path = root.map(|root| below(&root.path, &view.lies_at)).unwrap_or_default();
        view
    }

    /// The pieces of one file, in at most `cells` cells. `None` when there is no such file, or it
    /// is empty.
    pub fn pieces(&self, info_hash: &str, file: u32, cells: u32) -> Option<PiecesView> {
        self.torrents.get(&info_hash.parse().ok()?)?.pieces_view(FileIndex(file), cells)
    }

    /// What keeps the last lines of the log.
    #[cfg(test)]
    pub(crate) fn log(&self) -> &crate::log_tail::LogTail {
        &self.config.log
    }

    /// Whether all of these bytes of a file, from the first to the last, are proven.
    #[cfg(test)]
    pub(crate) fn is_proven(
        &self,
        info_hash: &str,
        file: usize,
        (first, last): (u64, u64),
    ) -> bool {
        let torrent = info_hash.parse().ok().and_then(|info_hash| self.torrents.get(&info_hash));
        let file = u32::try_from(file).map(FileIndex);
        torrent.zip(file.ok()).is_some_and(|(torrent, file)| torrent.is_proven(file, (first, last)))
    }

    /// Whether a file was looked at since it was written to, and nothing is about to be written.
    #[cfg(test)]
    pub(crate) fn is_settled(&self, info_hash: &str, file: usize) -> bool {
        let torrent = info_hash.parse().ok().and_then(|info_hash| self.torrents.get(&info_hash));
        torrent.is_some_and(|torrent| torrent.is_known(file))
    }

    fn handle_control(&mut self, message: DaemonMessage, now: Instant) {
        match message {
            DaemonMessage::RangeRequest { request_id, file_id, start, end, only_now } => {
                let Some(&(info_hash, file)) = self.files.get(&file_id) else {
                    let reason = Some("unknown file".to_owned());
                    let reject = EngineMessage::RangeReject {
                        request_id,
                        status: Some(404),
                        reason,
                        retry_after: None,
                    };
                    return self.out.push_back(Output::Control(reject));
                };
                if only_now {
                    // It is answered in this turn: nothing that is said of it later matters.
                    return self.with(info_hash, now, |it, cx| {
                        it.range_now(request_id, file, (start, end), cx)
                    });
                }
                self.requests.insert(request_id, info_hash);
                self.with(info_hash, now, |torrent, cx| {
                    torrent.range_request(request_id, file, (start, end), cx)
                });
            }
            DaemonMessage::RangeProgress { request_id, position } => {
                if let Some(&info_hash) = self.requests.get(&request_id) {
                    self.with(info_hash, now, |torrent, cx| {
                        torrent.range_progress(request_id, position, cx)
                    });
                }
            }
            DaemonMessage::RangeCancel { request_id } => {
                if let Some(info_hash) = self.requests.remove(&request_id) {
                    self.with(info_hash, now, |torrent, cx| torrent.range_cancel(request_id, cx));
                } else {
                    self.cancel_call(request_id);
                }
            }
            DaemonMessage::FileChanged { file_id, stat, sending } => {
                if let Some(&(info_hash, file)) = self.files.get(&file_id) {
                    self.with(info_hash, now, |torrent, cx| {
                        torrent.file_changed(file, stat, sending, cx)
                    });
                }
            }
            question @ (DaemonMessage::HttpCall { .. } | DaemonMessage::FileResolve { .. }) => {
                self.handle_question(question, now);
            }
            DaemonMessage::StateStatus { trouble, set_aside, begun_anew } => {
                self.store_told((trouble, set_aside, begun_anew), now);
            }
            DaemonMessage::RootsAside { roots } => self.set_roots_aside(roots),
            DaemonMessage::Welcome { .. } => {}
        }
    }

    fn handle_io(&mut self, event: IoEvent, now: Instant) {
        let event = match event {
            IoEvent::TcpAccepted { socket, conn, addr } => {
                return self.accepted(socket, conn, addr, now);
            }
            IoEvent::UdpReceived { socket, from, data } => {
                return self.datagram(socket, from, &data, now);
            }
            IoEvent::PortMapped { socket, result } => return self.port_mapped(socket, result, now),
            IoEvent::HttpContent { request_id, data } => {
                return self.handle_content(request_id, &data, now);
            }
            IoEvent::NotesChanged { notes } => return self.notes_told(&notes, now),
            IoEvent::TcpData { conn, data } if self.arrival_data(conn, &data, now) => return,
            IoEvent::TcpClosed { conn, .. } if self.arrivals.closed(conn) => {
                return self.shared.conns.remove(&conn);
            }
            IoEvent::TcpData { conn, data } if self.secret_data(conn, &data, now) => return,
            event => event,
        };
        let conn = match &event {
            IoEvent::Credit { .. } => return,
            IoEvent::Done { .. } => None,
            IoEvent::TcpConnected { conn }
            | IoEvent::TcpClosed { conn, .. }
            | IoEvent::TcpData { conn, .. }
            | IoEvent::TcpFrame { conn, .. }
            | IoEvent::Stored { conn, .. }
            | IoEvent::NotStored { conn, .. } => Some(*conn),
            IoEvent::TcpAccepted { .. }
            | IoEvent::UdpReceived { .. }
            | IoEvent::PortMapped { .. }
            | IoEvent::HttpContent { .. }
            | IoEvent::NotesChanged { .. } => None,
        };
        if let IoEvent::Done { op, result } = event {
            return self.answered(op, result, now);
        }
        let Some(&info_hash) = conn.and_then(|conn| self.shared.conns.get(&conn)) else { return };
        if self.magnets.contains_key(&info_hash) {
            return self.with_magnet(info_hash, now, |pending, cx| match event {
                IoEvent::TcpConnected { conn } => pending.connected(conn, cx),
                IoEvent::TcpClosed { conn, reason } => pending.closed(conn, reason, cx),
                IoEvent::TcpData { conn, data } => pending.data(conn, &data, cx),
                IoEvent::TcpFrame { conn, data } => pending.frame(conn, &data, cx),
                // No block was asked for.
                IoEvent::Stored { .. } | IoEvent::NotStored { .. } => {}
                IoEvent::Credit { .. }
                | IoEvent::Done { .. }
                | IoEvent::TcpAccepted { .. }
                | IoEvent::UdpReceived { .. }
                | IoEvent::PortMapped { .. }
                | IoEvent::HttpContent { .. }
                | IoEvent::NotesChanged { .. } => {}
            });
        }
        self.with(info_hash, now, |torrent, cx| match event {
            IoEvent::TcpConnected { conn } => torrent.connected(conn, cx),
            IoEvent::TcpClosed { conn, reason } => torrent.closed(conn, reason, cx),
            IoEvent::TcpData { conn, data } => torrent.data(conn, &data, cx),
            IoEvent::TcpFrame { conn, data } => torrent.frame(conn, &data, cx),
            IoEvent::Stored { conn, key } => torrent.stored(conn, key, cx),
            IoEvent::NotStored { conn, key, length, reason } => {
                torrent.not_stored(conn, key, length, reason, cx)
            }
            IoEvent::Credit { .. }
            | IoEvent::Done { .. }
            | IoEvent::TcpAccepted { .. }
            | IoEvent::UdpReceived { .. }
            | IoEvent::PortMapped { .. }
            | IoEvent::HttpContent { .. }
            | IoEvent::NotesChanged { .. } => {}
        });
    }

    fn answered(&mut self, op: OpId, result: Result<OpOutput, OpError>, now: Instant) {
        match self.shared.ops.remove(&op) {
            Some(Owner::Torrent(info_hash)) if self.magnets.contains_key(&info_hash) => {
                self.with_magnet(info_hash, now, |pending, cx| pending.handle_done(op, result, cx));
            }
            Some(Owner::Torrent(info_hash)) => {
                self.with(info_hash, now, |torrent, cx| torrent.handle_done(op, result, cx));
            }
            Some(Owner::Engine) => self.handle_done(op, result, now),
            None => {}
        }
    }

    fn handle_done(&mut self, op: OpId, result: Result<OpOutput, OpError>, now: Instant) {
        self.shared.writes.answered(op, result.is_ok(), now);
        if self.shared.net.answered(op, &result) {
            self.open_sockets(now);
            return self.dial_over_sockets(now);
        }
        let is_known = self.dht_answered(op, &result, now) || self.settings_answered(op, &result);
        let is_known = is_known
            || self.folders_answered(op, &result)
            || self.space_answered(op, &result)
            || self.report_answered(op, &result, now);
        if is_known || self.notes_answered(op, &result, now) {
            return;
        }
        if !self.fetched(op, &result, now) && !self.loaded {
            self.loading_answered(op, result, now);
        }
    }

    fn with(
        &mut self,
        info_hash: InfoHash,
        now: Instant,
        act: impl FnOnce(&mut Torrent, &mut Context<'_>),
    ) {
        let Some(torrent) = self.torrents.get_mut(&info_hash) else { return };
        let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
        act(torrent, &mut cx);
        self.unsettled.insert(info_hash);
    }

    fn wake_torrents(&mut self, now: Instant) {
        while let Some((info_hash, reason)) = self.timers.take_due_of_torrents(now) {
            self.with(info_hash, now, |torrent, cx| torrent.handle_timeout(reason, cx));
            self.with_magnet(info_hash, now, Pending::handle_timeout);
        }
    }

    fn settle(&mut self) {
        let now = self.now;
        let (mut answers, mut partings) = (Vec::new(), Vec::new());
        loop {
            for info_hash in self.shared.handles.take_retries() {
                self.with(info_hash, now, Torrent::retry_openings);
            }
            let Some(info_hash) = self.unsettled.pop_first() else { break };
            let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
            if let Some(torrent) = self.torrents.get_mut(&info_hash) {
                torrent.settle(&mut cx);
                answers.extend(torrent.take_answer().map(|answer| (info_hash, answer)));
                partings.extend(torrent.take_parting(&mut cx).map(|parting| (info_hash, parting)));
            } else if let Some(pending) = self.magnets.get_mut(&info_hash) {
                pending.settle(&mut cx);
            }
            self.set_torrent_timers(info_hash);
        }
        self.answer_movers(answers);
        self.part(partings, now);
        self.set_timers();
    }

    fn stream_url(&self, id: &FileId) -> String {
        format!("/stream/{id}?key={}", self.shared.capability(id))
    }
}

/// A view with its place in the queue.
fn placed(view: TorrentView, positions: &BTreeMap<InfoHash, u32>) -> TorrentView {
    let position = view.info_hash.parse().ok().and_then(|info_hash| positions.get(&info_hash));
    TorrentView { queue_position: position.copied().unwrap_or_default(), ..view }
}

/// A path with `/` below an absolute one, written as the system of the absolute one writes it.
fn below(folder: &str, path: &str) -> String {
    let separator = if folder.contains('\\') && !folder.starts_with('/') { "\\" } else { "/" };
    format!("{}{separator}{}", folder.trim_end_matches(['/', '\\']), path.replace('/', separator))
}

fn context<'a>(
    rng: &'a mut ChaCha8Rng,
    peer_id: [u8; 20],
    shared: &'a mut Shared,
    out: &'a mut VecDeque<Output>,
    now: Instant,
) -> Context<'a> {
    Context { now, rng, peer_id, shared, out }
}
