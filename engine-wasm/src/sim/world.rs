//! The world around one engine: a queue of events on a virtual clock.
//!
//! `daemon` carries out commands on a disk in memory, `lines` carries bytes of seeders, and
//! `viewers` compares every grant with the film.

mod daemon;
mod lines;
mod sending;
mod story;
mod viewers;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use shared_proto::io::{About, OpErrorKind};
use shared_proto::{
    ConnId, DaemonMessage, EngineMessage, FileRef, IoEvent, Limits, OpId, RequestId, Root, RootKey,
    SocketId,
};

use self::lines::Conn;
pub(super) use self::sending::Sending;
pub(super) use self::viewers::Viewer;
use super::disk::Disk;
use super::seeder::{Action, Behaviour};
use super::state::State;
use super::timeline::Timeline;
use super::tracker::UdpTracker;
use crate::config::Config;
use crate::engine::Engine;
use crate::io::{Input, Output};
use crate::metainfo::testing::Sample;
use crate::time::Instant;
use crate::view::IntentReply;

/// Delay from daemon to engine. The daemon needs the same time for a command.
const DAEMON_DELAY: Duration = Duration::from_micros(200);

#[derive(Debug)]
enum Event {
    Wake,
    ToEngine(Input),
    ToSeeder(ConnId, Vec<u8>),
    Connect(ConnId, SocketAddr),
    Action(ConnId, Action),
    Line(ConnId),
    /// A reply continues.
    Send(RequestId),
    /// A move is complete.
    Moved(OpId, Vec<String>, Vec<String>),
}

/// One engine, its daemon, disk, seeders and viewers.
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) engine: Engine,
    pub(super) sample: Sample,
    pub(super) viewers: BTreeMap<RequestId, Viewer>,
    pub(super) replies: Vec<IntentReply>,
    /// The engine's answers to `http_call` and `file_resolve`.
    pub(super) answers: Vec<EngineMessage>,
    pub(super) lines: Lines,
    pub(super) outside: Outside,
    pub(super) disk: Disk,
    pub(super) daemon: Daemon,
    pub(super) store: Store,
    events: Timeline<Event>,
    asked: u128,
    run: Run,
}

/// The connections to seeders.
#[derive(Default)]
pub(super) struct Lines {
    seeders: BTreeMap<SocketAddr, Behaviour>,
    conns: BTreeMap<ConnId, Conn>,
    pub(super) dialled: BTreeMap<SocketAddr, u32>,
    pub(super) received_bytes: u64,
    /// Those of blocks that the daemon did not write.
    pub(super) redundant_bytes: u64,
}

/// Web servers, trackers, names and the router.
#[derive(Default)]
pub(super) struct Outside {
    /// What web servers hold, by URL without query.
    pub(super) web: BTreeMap<String, Bytes>,
    pub(super) fetched: Vec<String>,
    /// URLs, without query, whose servers never answer.
    pub(super) hanging: BTreeSet<String>,
    /// UDP trackers.
    pub(super) trackers: BTreeMap<SocketAddr, UdpTracker>,
    /// Sockets whose ports the router was asked to map.
    asked_router: Vec<SocketId>,
    names: BTreeMap<String, Vec<IpAddr>>,
}

/// The daemon: its open files, what it was told to do, and how it behaves.
pub(super) struct Daemon {
    files: BTreeMap<FileRef, Vec<String>>,
    /// The path of each announced file.
    served: BTreeMap<usize, Vec<String>>,
    /// The limit of open files, and the most that were open at once.
    pub(super) max_files: u32,
    pub(super) most_open: usize,
    /// Numbers of ordered digests, reads, stats and moves.
    pub(super) digests: u32,
    pub(super) reads: u32,
    pub(super) stats: u32,
    pub(super) moves: u32,
    /// Received `range_hint`s: file, first and last byte.
    pub(super) hints: Vec<(usize, u64, u64)>,
    /// How long it takes to move a file.
    pub(super) move_time: Duration,
    /// Free disk space, bytes.
    pub(super) free: u64,
    /// The daemon's description of itself.
    pub(super) about: About,
    /// Replies that are sent step by step, if enabled.
    pub(super) sending: Option<Sending>,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            files: BTreeMap::new(),
            served: BTreeMap::new(),
            max_files: 100,
            most_open: 0,
            digests: 0,
            reads: 0,
            stats: 0,
            moves: 0,
            hints: Vec::new(),
            move_time: Duration::ZERO,
            free: 1 << 39,
            about: About::default(),
            sending: None,
        }
    }
}

/// The daemon's state store.
#[derive(Default)]
pub(super) struct Store {
    pub(super) state: State,
    /// The error with which the store refuses writes.
    pub(super) refuses: Option<OpErrorKind>,
    /// Whether the store refuses reads.
    pub(super) is_unreadable: bool,
}

/// The engine's configuration and seed, and its connection to the daemon.
struct Run {
    config: Config,
    seed: u8,
    linked: bool,
    epoch: u64,
}

impl World {
    pub(super) fn new(sample: Sample, seeders: &[Behaviour], seed: u8) -> Self {
        Self::configured(Config::default(), sample, seeders, seed)
    }

    /// Creates a world whose engines have this configuration.
    pub(super) fn configured(
        config: Config,
        sample: Sample,
        seeders: &[Behaviour],
        seed: u8,
    ) -> Self {
        let now = Instant(1_000_000);
        let addrs = (1u16..).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut world = Self {
            now,
            engine: Engine::new(config.clone(), [seed; 32], now),
            sample,
            viewers: BTreeMap::new(),
            replies: Vec::new(),
            answers: Vec::new(),
            lines: Lines {
                seeders: addrs.zip(seeders.iter().cloned()).collect(),
                ..Lines::default()
            },
            outside: Outside::default(),
            disk: Disk::default(),
            daemon: Daemon::default(),
            store: Store::default(),
            events: Timeline::default(),
            asked: 0,
            run: Run { config, seed, linked: false, epoch: 0 },
        };
        world.link();
        world
    }

    /// Disconnects the daemon: sockets and open files are lost, disk and state stay.
    pub(super) fn unlink(&mut self) {
        self.run.linked = false;
        self.lines.conns.clear();
        self.daemon.files.clear();
        self.events.retain(|event| matches!(event, Event::Wake));
        self.input(Input::Unlinked);
    }

    /// Connects a daemon.
    pub(super) fn link(&mut self) {
        self.link_with_aside(&[]);
    }

    /// Connects a daemon that has set these folders aside.
    pub(super) fn link_with_aside(&mut self, aside: &[&str]) {
        self.run.linked = true;
        self.run.epoch += 1;
        let root = |key: &str, label: &str| Root {
            key: RootKey(key.into()),
            label: label.into(),
            path: format!("/{label}"),
        };
        let all = vec![root("d", "Downloads"), root("e", "Another disk")];
        let (aside, roots): (Vec<Root>, Vec<Root>) =
            all.into_iter().partition(|root| aside.contains(&root.key.0.as_str()));
        let limits = Limits {
            max_conns: 100,
            max_files: self.daemon.max_files,
            io_window: 1 << 20,
            max_wait_ms: 120_000,
        };
        self.input(Input::Linked { epoch: self.run.epoch, roots, limits });
        if !aside.is_empty() {
            self.input(Input::Control(DaemonMessage::RootsAside { roots: aside }));
        }
    }

    /// Replaces the engine by a new one.
    pub(super) fn replace_engine(&mut self) {
        self.unlink();
        self.viewers.clear();
        self.run.seed = self.run.seed.wrapping_add(1);
        self.engine = Engine::new(self.run.config.clone(), [self.run.seed; 32], self.now);
        self.link();
    }

    pub(super) fn run_for(&mut self, span: Duration) {
        let until = self.now + span;
        self.run_until(until, |_| false);
    }

    /// Runs until the condition holds; returns how long that took, or `None` after `span`.
    pub(super) fn run_until_within(
        &mut self,
        span: Duration,
        done: impl FnMut(&World) -> bool,
    ) -> Option<Duration> {
        let from = self.now;
        self.run_until(from + span, done).then(|| self.now.saturating_since(from))
    }

    fn run_until(&mut self, until: Instant, mut done: impl FnMut(&World) -> bool) -> bool {
        loop {
            if done(self) {
                return true;
            }
            let Some((at, event)) = self.events.next_by(until) else { break };
            self.now = self.now.max(at);
            self.happen(event);
        }
        self.now = until;
        false
    }

    fn at(&mut self, at: Instant, event: Event) {
        self.events.put(at, event);
    }

    fn tell(&mut self, event: IoEvent) {
        self.at(self.now + DAEMON_DELAY, Event::ToEngine(Input::Io(event)));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake => self.input(Input::Timeout),
            Event::ToEngine(input) => self.input(input),
            Event::Connect(conn, addr) => self.connect(conn, addr),
            Event::ToSeeder(conn, data) => self.reach(conn, &data),
            Event::Line(conn) => self.serve(conn),
            Event::Action(conn, action) => self.arrive(conn, action),
            Event::Send(id) => self.send_on(id),
            Event::Moved(op, from, to) => self.moved(op, &from, &to),
        }
    }

    pub(in crate::sim) fn input(&mut self, input: Input) {
        self.engine.handle_input(self.now, input);
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Control(message) if self.run.linked => self.control(message),
                Output::Io(command) if self.run.linked => self.command(command),
                Output::Control(_) | Output::Io(_) => {}
                Output::Reply { reply, .. } => self.replies.push(reply),
                Output::Changed => {}
            }
        }
        if let Some(at) = self.engine.poll_timeout().map(|timeout| timeout.at) {
            self.at(at.max(self.now), Event::Wake);
        }
    }
}
