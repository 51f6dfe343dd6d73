//! The engine: owns all torrents and tables, and routes inputs to them.

mod adding;
mod asking;
mod dht;
mod encryption;
mod folders;
mod http;
mod incoming;
mod intents;
mod keeping;
mod link;
mod loading;
mod lsd;
mod magnets;
mod plans;
mod preparing;
mod queue_order;
mod removing;
mod report;
mod routing;
mod settings;
mod sockets;
mod space;
mod store;
mod trackers;
mod undo;
mod views;
mod wakeups;
mod watching;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use shared_proto::{FileId, OpId, RequestId, Root, RootKey};

use self::loading::Loading;
use crate::api::{Api, Reply};
use crate::arrivals::Arrivals;
use crate::config::Config;
use crate::context::{Context, Shared};
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

/// First part of the peer id (BEP 20).
const PEER_ID_PREFIX: &[u8; 8] = b"-JS0100-";

/// A complete BitTorrent engine without I/O.
///
/// Give it one [`Input`] and the time ([`Engine::handle_input`]), then drain its outputs
/// ([`Engine::poll_output`]). Then ask when it needs to be woken ([`Engine::poll_timeout`]), and
/// pass [`Input::Timeout`] at that time. It reads no clock, no random source and no socket: the
/// same seed and the same inputs at the same times give the same outputs.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    rng: ChaCha8Rng,
    peer_id: [u8; 20],
    shared: Shared,
    arrivals: Arrivals,
    out: VecDeque<Output>,
    root: Option<RootKey>,
    /// The folders that take new torrents; the first is the default.
    roots: Vec<Root>,
    /// Folders that hold torrents and take no new ones.
    roots_aside: Vec<Root>,
    loading: Loading,
    loaded: bool,
    store: store::Store,
    /// The watch marks, including those of removed torrents.
    notebook: Notebook,
    torrents: BTreeMap<InfoHash, Torrent>,
    magnets: BTreeMap<InfoHash, Pending>,
    /// The user's decisions about torrents.
    plans: BTreeMap<InfoHash, Plan>,
    removals: undo::Removals,
    folders: folders::Folders,
    /// Downloads of `.torrent` files, with their intents.
    fetches: BTreeMap<OpId, u64>,
    files: BTreeMap<FileId, (InfoHash, FileIndex)>,
    requests: BTreeMap<RequestId, InfoHash>,
    unsettled: BTreeSet<InfoHash>,
    timers: Timers,
    /// The torrent that has a prepared file.
    prepared: Option<InfoHash>,
    api: Api,
    node: Option<Box<dht::Node>>,
    saving: settings::Saving,
    space: space::Space,
    reports: report::Reports,
    added: u64,
    queue_order: queue_order::QueueOrder,
    now: Instant,
}

impl Engine {
    /// Creates an engine without a connection to the daemon.
    ///
    /// `seed` is its only source of randomness; it must be unpredictable, because secrets and
    /// identifiers come from it.
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
            removals: undo::Removals::default(),
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
            queue_order: queue_order::QueueOrder::new(now),
            now,
        }
    }

    /// Handles an input that happened at `now`.
    ///
    /// `now` must not be earlier than in any call before.
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
            Input::Timeout => self.handle_api_timeout(now),
        }
        self.close_silent_arrivals(now);
        self.update_queue(now);
        self.refresh_space(now);
        self.wake_torrents(now);
        self.drive_dht(now);
        self.drive_udp_trackers(now);
        self.announce_locally(now);
        self.answer_added(now);
        self.retry_loading(now);
        self.finish_removals(now);
        self.resend_writes(now);
        self.sync_notes(now);
        self.now = now;
    }

    /// Returns the next action for the host; `None` when there is none.
    ///
    /// Several inputs may be handled before the outputs are drained: the engine then decides once
    /// about all of them.
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.out.is_empty() {
            self.settle();
        }
        match self.out.pop_front()? {
            // The intent came over HTTP.
            Output::Reply { id, reply } => Some(match self.api.pages.take_call(id) {
                Some(call) => Output::Control(Reply::json(&reply).to(call)),
                None => Output::Reply { id, reply },
            }),
            output => Some(output),
        }
    }

    /// Returns when to pass [`Input::Timeout`], and why.
    ///
    /// Call it after [`Engine::poll_output`] has returned `None`. `None` means that the engine
    /// waits for an input only.
    pub fn poll_timeout(&self) -> Option<Timeout> {
        self.timers.next()
    }

    /// Returns the last log lines.
    #[cfg(test)]
    pub(crate) fn log(&self) -> &crate::log_tail::LogTail {
        &self.config.log
    }

    /// Returns whether all these bytes of a file, first to last, are verified.
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

    /// Returns whether a file was inspected since its last write, and no write is pending.
    #[cfg(test)]
    pub(crate) fn is_settled(&self, info_hash: &str, file: usize) -> bool {
        let torrent = info_hash.parse().ok().and_then(|info_hash| self.torrents.get(&info_hash));
        torrent.is_some_and(|torrent| torrent.is_known(file))
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

fn context<'a>(
    rng: &'a mut ChaCha8Rng,
    peer_id: [u8; 20],
    shared: &'a mut Shared,
    out: &'a mut VecDeque<Output>,
    now: Instant,
) -> Context<'a> {
    Context { now, rng, peer_id, shared, out }
}
