//! Several engines that connect to each other, with a tracker.
//!
//! Each engine has its own daemon, disk and line. As in [`super::world`], the same seed gives the
//! same run. Every run checks that no payload passes through an engine.

mod daemon;
mod datagrams;
mod lines;
mod routers;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use shared_proto::io::CloseReason;
use shared_proto::{ConnId, EngineMessage, FileRef, IoEvent, Limits, Root, RootKey, SocketId};

use self::lines::End;
use super::state::State;
use super::timeline::Timeline;
use crate::config::Config;
use crate::engine::Engine;
use crate::io::{Input, Output};
use crate::metainfo::testing::Sample;
use crate::time::Instant;
use crate::view::{Intent, IntentReply, TorrentView};
pub(super) use routers::Carried;
use routers::{Call, Routers};

/// Delay between an engine and its daemon.
const DAEMON_DELAY: Duration = Duration::from_micros(200);
/// Delay between two daemons.
const LATENCY: Duration = Duration::from_millis(10);
/// The port on which every engine listens.
const PORT: u16 = 6881;
/// The tracker's URL.
pub(super) const TRACKER: &str = "http://tracker/announce";

#[derive(Debug)]
enum Event {
    Wake,
    ToEngine(Input),
    Connect(Call),
    Bytes(ConnId, Vec<u8>),
    HungUp(ConnId),
}

/// An engine with its daemon, disk and line.
pub(super) struct Node {
    pub(super) engine: Engine,
    pub(super) replies: Vec<IntentReply>,
    /// Payload bytes sent from files.
    pub(super) given: u64,
    /// Rate limits by group: download and upload.
    pub(super) limits: BTreeMap<u32, (Option<u64>, Option<u64>)>,
    up_bps: u64,
    line_free: Instant,
    disk: BTreeMap<Vec<String>, Vec<u8>>,
    files: BTreeMap<FileRef, Vec<String>>,
    state: State,
    conns: BTreeMap<ConnId, End>,
    /// Outgoing connections.
    calling: BTreeSet<ConnId>,
    listens: Option<SocketId>,
    sockets: Vec<datagrams::Socket>,
    /// The groups of connections, including those being opened.
    groups: BTreeMap<ConnId, u32>,
    /// The socket for uTP.
    utp: Option<SocketId>,
    config: Config,
}

/// A peer without an engine: the test writes its bytes.
#[derive(Debug, Default)]
pub(super) struct Stranger {
    /// The bytes that it received.
    pub(super) heard: Vec<u8>,
    pub(super) closed: bool,
    /// Its connection number at the dialled node.
    at: Option<(usize, ConnId)>,
}

/// The node index of peers without an engine.
const STRANGERS: usize = usize::MAX;

/// All engines, lines and the tracker.
pub(super) struct Engines {
    pub(super) now: Instant,
    pub(super) sample: Sample,
    pub(super) nodes: Vec<Node>,
    /// The queries of all announces, with their node.
    pub(super) announces: Vec<(usize, String)>,
    pub(super) strangers: BTreeMap<ConnId, Stranger>,
    /// All datagrams, with sender and destination.
    pub(super) datagrams: Vec<(usize, SocketAddr, Bytes)>,
    /// Size of the parts in which a connection's first bytes arrive. The size is 0 for whole
    /// messages.
    pub(super) crumbs: usize,
    /// Whether TCP connections fail.
    pub(super) without_tcp: bool,
    /// How long a daemon takes to open a socket.
    pub(super) sockets_take: Duration,
    pub(super) routers: Routers,
    /// All dials, with node and address.
    pub(super) dialled: Vec<(usize, SocketAddr, Carried)>,
    /// Established connections: dialling and dialled node. The tracker also returns a node's own
    /// address.
    pub(super) connected: Vec<(usize, usize)>,
    /// Plain handshakes, with sender and recipient.
    pub(super) overheard: Vec<(usize, usize)>,
    known: Vec<SocketAddr>,
    events: Timeline<(usize, Event)>,
    accepted: u64,
}

pub(super) fn addr_of(node: usize) -> SocketAddr {
    let host = u8::try_from(node + 1).expect("a test has few engines");
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, host, 1)), PORT)
}
impl Engines {
    /// Creates listening engines with these upload rates, bytes per second.
    pub(super) fn new(sample: Sample, up_bps: &[u64], seed: u8) -> Self {
        Self::configured(sample, up_bps, seed, |_| Config::default())
    }

    /// Creates engines, each with its own configuration.
    pub(super) fn configured(
        sample: Sample,
        up_bps: &[u64],
        seed: u8,
        config: impl Fn(usize) -> Config,
    ) -> Self {
        let now = Instant(1_000_000);
        let mut engines = Self {
            now,
            sample,
            nodes: Vec::new(),
            announces: Vec::new(),
            strangers: BTreeMap::new(),
            datagrams: Vec::new(),
            crumbs: 0,
            without_tcp: false,
            sockets_take: DAEMON_DELAY,
            routers: Routers::default(),
            dialled: Vec::new(),
            connected: Vec::new(),
            overheard: Vec::new(),
            known: Vec::new(),
            events: Timeline::default(),
            accepted: 0,
        };
        for (at, &up_bps) in up_bps.iter().enumerate() {
            let mut config = config(at);
            config.net.listen_port = Some(PORT);
            let seed = seed.wrapping_add(u8::try_from(at).expect("a test has few engines") * 16);
            engines.nodes.push(Node {
                engine: Engine::new(config.clone(), [seed; 32], now),
                replies: Vec::new(),
                given: 0,
                limits: BTreeMap::new(),
                up_bps,
                line_free: now,
                disk: BTreeMap::new(),
                files: BTreeMap::new(),
                state: State::default(),
                conns: BTreeMap::new(),
                calling: BTreeSet::new(),
                listens: None,
                sockets: Vec::new(),
                groups: BTreeMap::new(),
                utp: None,
                config,
            });
            engines.link(at);
        }
        engines.run_for(Duration::from_millis(10));
        engines
    }

    /// Puts the torrent's files on a node's disk, so that the node seeds.
    pub(super) fn plant(&mut self, node: usize) {
        for (at, file) in self.sample.metainfo.files.iter().enumerate() {
            self.nodes[node].disk.insert(file.path.clone(), self.sample.file(at).to_vec());
        }
    }

    /// Changes the last byte of each file on a node's disk.
    pub(super) fn spoil(&mut self, node: usize) {
        for bytes in self.nodes[node].disk.values_mut() {
            bytes.last_mut().into_iter().for_each(|byte| *byte ^= 1);
        }
    }

    pub(super) fn add(&mut self, node: usize) {
        self.intend(node, Intent::AddTorrent { metainfo: self.sample.torrent.clone().into() });
    }

    /// Adds the torrent to a node that has its files.
    pub(super) fn seed(&mut self, node: usize) {
        self.plant(node);
        self.add(node);
        self.run_for(Duration::from_secs(2));
        assert!(self.is_complete(node), "the existing files are found");
    }

    pub(super) fn intend(&mut self, node: usize, intent: Intent) {
        self.input(node, Input::Intent { id: 1, intent });
    }

    /// Connects a peer without an engine to a node.
    pub(super) fn dial(&mut self, node: usize) -> ConnId {
        self.accepted += 1;
        let (conn, theirs) = (ConnId(self.accepted), ConnId(ConnId::ACCEPTED.0 + self.accepted));
        self.strangers.insert(conn, Stranger { at: Some((node, theirs)), ..Stranger::default() });
        let socket = self.nodes[node].listens.expect("it listens");
        self.nodes[node].conns.insert(theirs, End::to((STRANGERS, conn)));
        let port = u16::try_from(50_000 + self.accepted % 10_000).expect("it is a port");
        let addr = SocketAddr::from(([10, 9, 9, 9], port));
        self.tell(node, IoEvent::TcpAccepted { socket, conn: theirs, addr });
        conn
    }

    /// Sends bytes from a peer without an engine.
    pub(super) fn say(&mut self, stranger: ConnId, bytes: Vec<u8>) {
        let Some((node, theirs)) = self.strangers[&stranger].at else { return };
        self.at(self.now + LATENCY, node, Event::Bytes(theirs, bytes));
        self.run_for(LATENCY * 3);
    }

    /// Passes an intent to a node's engine.
    pub(super) fn hear(&mut self, node: usize, input: Input) {
        self.input(node, input);
    }

    pub(super) fn info_hash(&self) -> String {
        self.sample.metainfo.info_hash.to_string()
    }

    /// Returns a node's first torrent.
    pub(super) fn view(&self, node: usize) -> TorrentView {
        self.nodes[node].engine.snapshot(self.now).torrents.remove(0)
    }

    pub(super) fn is_complete(&self, node: usize) -> bool {
        let torrents = self.nodes[node].engine.snapshot(self.now).torrents;
        torrents.first().is_some_and(|view| view.verified == self.sample.metainfo.total_length())
    }

    /// Returns whether a node's files equal the torrent's.
    pub(super) fn is_right(&self, node: usize) -> bool {
        let files = self.sample.metainfo.files.iter().enumerate();
        files.map(|(at, file)| (at, &file.path)).all(|(at, path)| {
            self.nodes[node].disk.get(path).is_some_and(|bytes| bytes == self.sample.file(at))
        })
    }

    pub(super) fn connections(&self, node: usize) -> usize {
        self.nodes[node].conns.len()
    }

    /// Returns the rate-limit groups of a node's connections.
    pub(super) fn groups(&self, node: usize) -> Vec<u32> {
        let it = &self.nodes[node];
        it.conns.keys().map(|conn| it.groups.get(conn).copied().unwrap_or_default()).collect()
    }

    /// Replaces a node's engine by a new one.
    pub(super) fn replace(&mut self, node: usize, seed: u8) {
        for conn in self.nodes[node].conns.keys().copied().collect::<Vec<_>>() {
            self.close(node, conn);
        }
        let it = &mut self.nodes[node];
        it.files.clear();
        (it.listens, it.utp) = (None, None);
        it.sockets.clear();
        it.calling.clear();
        it.groups.clear();
        it.engine = Engine::new(it.config.clone(), [seed; 32], self.now);
        let at = node;
        self.events.retain(|(node, event)| *node != at || !matches!(event, Event::ToEngine(_)));
        self.link(node);
    }

    pub(super) fn run_for(&mut self, span: Duration) {
        let until = self.now + span;
        self.run_until(until, |_| false);
    }

    pub(super) fn run_until_within(
        &mut self,
        span: Duration,
        done: impl FnMut(&Self) -> bool,
    ) -> Option<Duration> {
        let from = self.now;
        self.run_until(from + span, done).then(|| self.now.saturating_since(from))
    }

    fn run_until(&mut self, until: Instant, mut done: impl FnMut(&Self) -> bool) -> bool {
        loop {
            if done(self) {
                return true;
            }
            let Some((at, (node, event))) = self.events.next_by(until) else { break };
            self.now = self.now.max(at);
            match event {
                Event::Bytes(conn, bytes) if node == STRANGERS => {
                    self.strangers.entry(conn).or_default().heard.extend(bytes);
                }
                Event::HungUp(conn) if node == STRANGERS => {
                    self.strangers.entry(conn).or_default().closed = true
                }
                Event::Wake => self.input(node, Input::Timeout),
                Event::ToEngine(input) => self.input(node, input),
                Event::Connect(call) => self.connect(node, call),
                Event::Bytes(conn, bytes) => self.bytes(node, conn, &bytes),
                Event::HungUp(conn) => {
                    if self.nodes[node].conns.remove(&conn).is_some() {
                        self.tell(node, IoEvent::TcpClosed { conn, reason: CloseReason::Remote });
                    }
                }
            }
        }
        self.now = until;
        false
    }

    fn at(&mut self, at: Instant, node: usize, event: Event) {
        self.events.put(at, (node, event));
    }

    fn tell(&mut self, node: usize, event: IoEvent) {
        if let IoEvent::TcpFrame { data, .. } | IoEvent::TcpData { data, .. } = &event {
            assert!(data.len() < 5_000 || data[0] == 20, "the brain hears no payload");
        }
        self.at(self.now + DAEMON_DELAY, node, Event::ToEngine(Input::Io(event)));
    }

    fn link(&mut self, node: usize) {
        let roots =
            vec![Root { key: RootKey("d".into()), label: "Downloads".into(), path: String::new() }];
        let limits =
            Limits { max_conns: 100, max_files: 100, io_window: 1 << 20, max_wait_ms: 120_000 };
        self.input(node, Input::Linked { epoch: 1, roots, limits });
    }

    fn input(&mut self, node: usize, input: Input) {
        self.nodes[node].engine.handle_input(self.now, input);
        while let Some(output) = self.nodes[node].engine.poll_output() {
            match output {
                Output::Io(command) => self.command(node, command),
                Output::Control(EngineMessage::RateLimit { group, down_bps, up_bps }) => {
                    self.nodes[node].limits.insert(group, (down_bps, up_bps));
                }
                Output::Control(_) | Output::Changed => {}
                Output::Reply { reply, .. } => self.nodes[node].replies.push(reply),
            }
        }
        if let Some(at) = self.nodes[node].engine.poll_timeout().map(|timeout| timeout.at) {
            self.at(at.max(self.now), node, Event::Wake);
        }
    }
}
