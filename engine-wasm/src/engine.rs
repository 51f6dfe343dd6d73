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
mod parts;
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

use std::collections::BTreeMap;

use shared_proto::{EngineMessage, FileId};

use self::parts::{Agenda, Awaited, Common, Decisions, Loading, Node, Roots, Routes, Store};
use crate::api::{Api, Reply};
use crate::config::Config;
use crate::context::{Context, Shared};
use crate::io::{Input, Output};
use crate::magnet::Pending;
use crate::metainfo::InfoHash;
use crate::net::Net;
use crate::notebook::Notebook;
use crate::time::Instant;
use crate::timers::Timeout;
use crate::torrent::Torrent;

/// A complete BitTorrent engine without I/O.
///
/// Give it one [`Input`] and the time ([`Engine::handle_input`]), then drain its outputs
/// ([`Engine::poll_output`]). Then ask when it needs to be woken ([`Engine::poll_timeout`]), and
/// pass [`Input::Timeout`] at that time. It reads no clock, no random source and no socket: the
/// same seed and the same inputs at the same times give the same outputs.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    common: Common,
    loading: Loading,
    store: Store,
    roots: Roots,
    routes: Routes,
    agenda: Agenda,
    awaited: Awaited,
    decisions: Decisions,
    /// The watch marks, including those of removed torrents.
    notebook: Notebook,
    torrents: BTreeMap<InfoHash, Torrent>,
    magnets: BTreeMap<InfoHash, Pending>,
    /// The torrent that has a prepared file.
    prepared: Option<InfoHash>,
    api: Api,
    /// The DHT node; `None` without one, and before the first connection to the daemon.
    node: Option<Box<Node>>,
    now: Instant,
}

impl Engine {
    /// Creates an engine without a connection to the daemon.
    ///
    /// `seed` is its only source of randomness; it must be unpredictable, because secrets and
    /// identifiers come from it.
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Self {
        let shared =
            Shared::new(Net::new(config.net, config.policy), config.sources, config.policy);
        Self {
            common: Common::new(seed, shared),
            config,
            loading: Loading::default(),
            store: Store::default(),
            roots: Roots::default(),
            routes: Routes::default(),
            agenda: Agenda::default(),
            awaited: Awaited::default(),
            decisions: Decisions::new(now),
            notebook: Notebook::default(),
            torrents: BTreeMap::new(),
            magnets: BTreeMap::new(),
            prepared: None,
            api: Api::default(),
            node: None,
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
                self.common.shared.handles.set_capacity(limits.max_files);
                self.common.shared.conns.set_capacity(limits.max_conns as usize);
                self.roots.link(roots);
                self.link(now);
            }
            Input::Unlinked => self.unlink(now),
            Input::Control(message) => self.handle_control(message, now),
            Input::Io(event) => self.handle_io(event, now),
            Input::Intent { id, intent } => self.handle_intent(id, intent, now),
            Input::Timeout => self.handle_api_timeout(now),
        }
        self.maintain_arrivals(now);
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
        if self.common.out.is_empty() {
            self.settle();
        }
        match self.common.out.pop_front()? {
            // The intent came over HTTP.
            Output::Reply { id, reply } => Some(match self.api.pages.take_call(id) {
                Some(call) => Output::Control(Reply::json(&reply).to(call)),
                None => Output::Reply { id, reply },
            }),
            // The daemon says nothing about a request after it was rejected.
            Output::Control(reject @ EngineMessage::RangeReject { request_id, .. }) => {
                self.routes.end_request(request_id);
                Some(Output::Control(reject))
            }
            output => Some(output),
        }
    }

    /// Returns when to pass [`Input::Timeout`], and why.
    ///
    /// Call it after [`Engine::poll_output`] has returned `None`. `None` means that the engine
    /// waits for an input only.
    pub fn poll_timeout(&self) -> Option<Timeout> {
        self.agenda.timers.next()
    }

    /// Returns the last log lines.
    #[cfg(test)]
    pub(crate) fn log(&self) -> &crate::log_tail::LogTail {
        &self.config.log
    }

    /// Returns how many requests of viewers have a torrent.
    #[cfg(test)]
    pub(crate) fn open_requests(&self) -> usize {
        self.routes.open_requests()
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
        torrent.is_some_and(|torrent| {
            let file = u32::try_from(file).ok().and_then(|file| torrent.file(file));
            file.is_some_and(|file| torrent.is_proven(file, (first, last)))
        })
    }

    /// Returns whether a file was inspected since its last write. False while a write is pending.
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
        let mut cx = self.common.context(now);
        act(torrent, &mut cx);
        self.agenda.unsettle(info_hash);
    }

    fn wake_torrents(&mut self, now: Instant) {
        while let Some((info_hash, reason)) = self.agenda.timers.take_due_of_torrents(now) {
            self.with(info_hash, now, |torrent, cx| torrent.handle_timeout(reason, cx));
            self.with_magnet(info_hash, now, Pending::handle_timeout);
        }
    }

    fn settle(&mut self) {
        let now = self.now;
        let (mut answers, mut ends) = (Vec::new(), Vec::new());
        loop {
            for info_hash in self.common.shared.handles.take_retries() {
                self.with(info_hash, now, Torrent::retry_openings);
            }
            let Some(info_hash) = self.agenda.next_unsettled() else { break };
            let mut cx = self.common.context(now);
            if let Some(torrent) = self.torrents.get_mut(&info_hash) {
                torrent.settle(&mut cx);
                answers.extend(torrent.take_answer().map(|answer| (info_hash, answer)));
                ends.extend(torrent.take_removal_end(&mut cx).map(|end| (info_hash, end)));
            } else if let Some(pending) = self.magnets.get_mut(&info_hash) {
                pending.settle(&mut cx);
            }
            self.set_torrent_timers(info_hash);
        }
        self.answer_movers(answers);
        self.handle_removal_ends(ends, now);
        self.set_timers();
    }

    fn stream_url(&self, id: &FileId) -> String {
        format!("/stream/{id}?key={}", self.common.shared.capability(id))
    }
}
