//! Engines among themselves: each with a daemon, a disk and a line of its own, and a tracker that names them to each other.
//!
//! As in [`super::world`] the same seed gives the same run. The invariant that is checked in every run, whatever it is about: what an engine
//! says and hears holds no payload.

mod datagrams;
mod routers;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use rc4::{KeyInit, Rc4, StreamCipher};
use sha1::{Digest as _, Sha1};
use shared_proto::io::{CloseReason, DivertKey, FileStat, NotStored, OpError, OpErrorKind, OpOutput, Rc4Start};
use shared_proto::{ConnId, EngineMessage, FileRef, IoCommand, IoEvent, Limits, OpId, Root, RootKey, SocketId, Span};

use super::timeline::Timeline;
use crate::engine::{Config, Engine};
use crate::io::{Input, Output};
use crate::metainfo::testing::Sample;
use crate::peer::handshake::PROTOCOL;
use crate::time::Instant;
use crate::view::{Intent, IntentReply, TorrentView};
pub(super) use routers::Carried;
use routers::{Call, Routers};

/// One way between an engine and its daemon.
const DAEMON_DELAY: Duration = Duration::from_micros(200);
/// One way between two daemons.
const LATENCY: Duration = Duration::from_millis(10);
/// Where everybody listens.
const PORT: u16 = 6881;
/// What is shorter is sent in crumbs, bytes.
const CRUMBLED: usize = 3_000;
/// Where the tracker is.
pub(super) const TRACKER: &str = "http://tracker/announce";

#[derive(Debug)]
enum Event {
    Wake,
    ToEngine(Input),
    Connect(Call),
    Bytes(ConnId, Vec<u8>),
    HungUp(ConnId),
}

/// One end of a connection.
#[derive(Debug)]
struct End {
    other: (usize, ConnId),
    raw_left: u32,
    framed: Option<u8>,
    held: Vec<u8>,
    armed: BTreeMap<DivertKey, Vec<Span>>,
    ciphers: Ciphers,
}

impl End {
    fn to(other: (usize, ConnId)) -> Self {
        Self { other, raw_left: 0, framed: None, held: Vec::new(), armed: BTreeMap::new(), ciphers: Ciphers::default() }
    }
}

/// The transforms of what an end reads and sends.
#[derive(Default)]
struct Ciphers {
    read: Option<Rc4>,
    write: Option<Rc4>,
}

impl std::fmt::Debug for Ciphers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ciphers").finish_non_exhaustive()
    }
}

fn cipher(start: &Rc4Start) -> Rc4 {
    let mut cipher = Rc4::new_from_slice(&start.key).expect("the engine's keys are keys");
    cipher.apply_keystream(&mut vec![0; start.skip as usize]);
    cipher
}

/// An engine and what is around it.
pub(super) struct Node {
    pub(super) engine: Engine,
    pub(super) replies: Vec<IntentReply>,
    /// Bytes of files sent.
    pub(super) given: u64,
    /// Limits that were set, by group: down and up.
    pub(super) limits: BTreeMap<u32, (Option<u64>, Option<u64>)>,
    up_bps: u64,
    line_free: Instant,
    disk: BTreeMap<Vec<String>, Vec<u8>>,
    files: BTreeMap<FileRef, Vec<String>>,
    state: BTreeMap<String, Bytes>,
    conns: BTreeMap<ConnId, End>,
    /// Connections that it dials.
    calling: BTreeSet<ConnId>,
    listens: Option<SocketId>,
    sockets: Vec<datagrams::Socket>,
    /// Of connections, those that are being made included.
    groups: BTreeMap<ConnId, u32>,
    /// The socket over which it speaks uTP.
    utp: Option<SocketId>,
    linked: bool,
    config: Config,
}

/// Somebody without an engine, whose every byte is the test's.
#[derive(Debug, Default)]
pub(super) struct Stranger {
    /// What it was sent.
    pub(super) heard: Vec<u8>,
    pub(super) closed: bool,
    /// Its connection at the node that it dialled.
    at: Option<(usize, ConnId)>,
}

/// The index of those who have no engine.
const STRANGERS: usize = usize::MAX;

/// Everything.
pub(super) struct Engines {
    pub(super) now: Instant,
    pub(super) sample: Sample,
    pub(super) nodes: Vec<Node>,
    /// The queries of all announces, by who made them.
    pub(super) announces: Vec<(usize, String)>,
    pub(super) strangers: BTreeMap<ConnId, Stranger>,
    /// All datagrams, by who sent them, with where they went.
    pub(super) datagrams: Vec<(usize, SocketAddr, Bytes)>,
    /// What is sent while connections are new comes in parts of so many bytes; 0 for in one piece.
    pub(super) crumbs: usize,
    /// No TCP connection is made.
    pub(super) without_tcp: bool,
    pub(super) routers: Routers,
    /// All dials, by who dialled where.
    pub(super) dialled: Vec<(usize, SocketAddr, Carried)>,
    /// Connections that were made, by who dialled whom; the tracker names everybody to themselves, too.
    pub(super) connected: Vec<(usize, usize)>,
    /// Handshakes that anybody could read on the way, by who said them to whom.
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
    /// Engines that listen; each sends so many bytes a second.
    pub(super) fn new(sample: Sample, up_bps: &[u64], seed: u8) -> Self {
        Self::configured(sample, up_bps, seed, |_| Config::default())
    }

    /// The same, configured one by one.
    pub(super) fn configured(sample: Sample, up_bps: &[u64], seed: u8, config: impl Fn(usize) -> Config) -> Self {
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
                state: BTreeMap::new(),
                conns: BTreeMap::new(),
                calling: BTreeSet::new(),
                listens: None,
                sockets: Vec::new(),
                groups: BTreeMap::new(),
                utp: None,
                linked: false,
                config,
            });
            engines.link(at);
        }
        engines.run_for(Duration::from_millis(10));
        engines
    }

    /// The torrent's files lie on a node's disk before it is added there: it will seed.
    pub(super) fn plant(&mut self, node: usize) {
        for (at, file) in self.sample.metainfo.files.iter().enumerate() {
            self.nodes[node].disk.insert(file.path.clone(), self.sample.file(at).to_vec());
        }
    }

    pub(super) fn add(&mut self, node: usize) {
        self.intend(node, Intent::AddTorrent { metainfo: self.sample.torrent.clone().into() });
    }

    /// The torrent is added where its files lie already.
    pub(super) fn seed(&mut self, node: usize) {
        self.plant(node);
        self.add(node);
        self.run_for(Duration::from_secs(2));
        assert!(self.is_complete(node), "what lies there is found");
    }

    pub(super) fn intend(&mut self, node: usize, intent: Intent) {
        self.input(node, Input::Intent { id: 1, intent });
    }

    /// Somebody dials a node.
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

    /// A stranger sends bytes.
    pub(super) fn say(&mut self, stranger: ConnId, bytes: Vec<u8>) {
        let Some((node, theirs)) = self.strangers[&stranger].at else { return };
        self.at(self.now + LATENCY, node, Event::Bytes(theirs, bytes));
        self.run_for(LATENCY * 3);
    }

    /// Something is told to a node's engine.
    pub(super) fn hear(&mut self, node: usize, input: Input) {
        self.input(node, input);
    }

    pub(super) fn info_hash(&self) -> String {
        self.sample.metainfo.info_hash.to_string()
    }

    /// The node's first torrent.
    pub(super) fn view(&self, node: usize) -> TorrentView {
        self.nodes[node].engine.snapshot(self.now).torrents.remove(0)
    }

    pub(super) fn is_complete(&self, node: usize) -> bool {
        let torrents = self.nodes[node].engine.snapshot(self.now).torrents;
        torrents.first().is_some_and(|view| view.verified == self.sample.metainfo.total_length())
    }

    /// Whether a node's files are the torrent's, byte for byte.
    pub(super) fn is_right(&self, node: usize) -> bool {
        let files = self.sample.metainfo.files.iter().enumerate();
        files
            .map(|(at, file)| (at, &file.path))
            .all(|(at, path)| self.nodes[node].disk.get(path).is_some_and(|bytes| bytes == self.sample.file(at)))
    }

    pub(super) fn connections(&self, node: usize) -> usize {
        self.nodes[node].conns.len()
    }

    /// Groups of the rate limits that a node's connections are in.
    pub(super) fn groups(&self, node: usize) -> Vec<u32> {
        let it = &self.nodes[node];
        it.conns.keys().map(|conn| it.groups.get(conn).copied().unwrap_or_default()).collect()
    }

    /// A node's engine dies and another takes its place.
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

    pub(super) fn run_until_within(&mut self, span: Duration, done: impl FnMut(&Self) -> bool) -> Option<Duration> {
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
                Event::HungUp(conn) if node == STRANGERS => self.strangers.entry(conn).or_default().closed = true,
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
        self.nodes[node].linked = true;
        let roots = vec![Root { key: RootKey("d".into()), label: "Downloads".into() }];
        let limits = Limits { max_conns: 100, max_files: 100, io_window: 1 << 20, max_wait_ms: 120_000 };
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
        if let Some(at) = self.nodes[node].engine.poll_timeout() {
            self.at(at.max(self.now), node, Event::Wake);
        }
    }

    /// A dial came to its end.
    fn join(&mut self, (node, conn): (usize, ConnId), (other, socket): (usize, SocketId), carried: Carried) {
        self.accepted += 1;
        self.connected.push((node, other));
        let theirs = ConnId(ConnId::ACCEPTED.0 + self.accepted);
        self.nodes[node].conns.insert(conn, End::to((other, theirs)));
        self.nodes[other].conns.insert(theirs, End::to((node, conn)));
        self.tell(node, IoEvent::TcpConnected { conn });
        let ephemeral = u16::try_from(40_000 + self.accepted % 20_000).expect("it is a port");
        let addr = match carried {
            Carried::ByTcp => SocketAddr::new(addr_of(node).ip(), ephemeral),
            Carried::ByUtp => self.routers.outside(node),
        };
        self.tell(other, IoEvent::TcpAccepted { socket, conn: theirs, addr });
    }

    fn close(&mut self, node: usize, conn: ConnId) {
        self.nodes[node].calling.remove(&conn);
        let Some(end) = self.nodes[node].conns.remove(&conn) else { return };
        let free = self.nodes[node].line_free.max(self.now);
        self.at(free + LATENCY, end.other.0, Event::HungUp(end.other.1));
    }

    /// Bytes go down a node's line, one after the other; when the last of them has left.
    fn send(&mut self, node: usize, conn: ConnId, mut bytes: Vec<u8>) -> Instant {
        let it = &mut self.nodes[node];
        let Some(end) = it.conns.get_mut(&conn) else { return self.now };
        end.ciphers.write.iter_mut().for_each(|cipher| cipher.apply_keystream(&mut bytes));
        if bytes.windows(PROTOCOL.len()).any(|window| window == PROTOCOL) {
            self.overheard.push((node, end.other.0));
        }
        let took = Duration::from_micros(bytes.len() as u64 * 1_000_000 / it.up_bps);
        it.line_free = it.line_free.max(self.now) + took;
        let ((other, theirs), left) = (end.other, it.line_free);
        let part = if self.crumbs > 0 && bytes.len() < CRUMBLED { self.crumbs } else { bytes.len().max(1) };
        for bytes in bytes.chunks(part) {
            self.at(left + LATENCY, other, Event::Bytes(theirs, bytes.to_vec()));
        }
        left
    }

    /// Raw up to the byte that was asked for, then frames; those that are diverted go to the disk.
    fn bytes(&mut self, node: usize, conn: ConnId, bytes: &[u8]) {
        let Some(end) = self.nodes[node].conns.get_mut(&conn) else { return };
        let from = end.held.len();
        end.held.extend_from_slice(bytes);
        end.ciphers.read.iter_mut().for_each(|cipher| cipher.apply_keystream(&mut end.held[from..]));
        let raw = end.held.len().min(end.raw_left as usize);
        let mut events = Vec::new();
        if raw > 0 {
            end.raw_left -= u32::try_from(raw).expect("a handshake is short");
            let data = Bytes::from(end.held.drain(..raw).collect::<Vec<u8>>());
            events.push(IoEvent::TcpData { conn, data });
        }
        let mut diverted = Vec::new();
        while let Some(divert) = end.framed {
            let Some(length) = end.held.first_chunk().map(|&length| u32::from_be_bytes(length) as usize) else { break };
            if end.held.len() < 4 + length {
                break;
            }
            let frame: Vec<u8> = end.held.drain(..4 + length).skip(4).collect();
            match frame.split_first() {
                None => {}
                Some((&first, rest)) if first == divert && rest.len() >= 8 => {
                    let key: DivertKey = rest[..8].try_into().expect("it is as long");
                    diverted.push((key, end.armed.remove(&key), rest[8..].to_vec()));
                }
                Some(_) => events.push(IoEvent::TcpFrame { conn, data: frame.into() }),
            }
        }
        events.into_iter().for_each(|event| self.tell(node, event));
        for (key, spans, payload) in diverted {
            let event = match spans {
                Some(spans) => {
                    self.write(node, &spans, &payload);
                    IoEvent::Stored { conn, key }
                }
                None => {
                    let length = u32::try_from(payload.len()).expect("a block is short");
                    IoEvent::NotStored { conn, key, length, reason: NotStored::Unarmed }
                }
            };
            self.tell(node, event);
        }
    }

    fn write(&mut self, node: usize, spans: &[Span], mut payload: &[u8]) {
        let it = &mut self.nodes[node];
        for span in spans {
            let (now, later) = payload.split_at(span.length as usize);
            let file = it.disk.get_mut(&it.files[&span.file]).expect("an open file is there");
            file[usize::try_from(span.offset).expect("a test's file is small")..][..now.len()].copy_from_slice(now);
            payload = later;
        }
        assert!(payload.is_empty(), "a block is as long as its spans");
    }

    fn read(&self, node: usize, spans: &[Span]) -> Vec<u8> {
        let it = &self.nodes[node];
        let bytes = |span: &Span| {
            let from = usize::try_from(span.offset).expect("a test's file is small");
            it.disk[&it.files[&span.file]][from..from + span.length as usize].to_vec()
        };
        spans.iter().flat_map(bytes).collect()
    }

    fn command(&mut self, node: usize, command: IoCommand) {
        match command {
            IoCommand::TcpConnect { conn, addr, timeout_ms } => {
                let give_up = self.now + Duration::from_millis(timeout_ms.into());
                self.call(node, Call { conn, addr, carried: Carried::ByTcp, give_up });
            }
            IoCommand::UtpConnect { conn, addr, socket, timeout_ms } => {
                assert_eq!(self.nodes[node].utp, Some(socket), "uTP is spoken there");
                let give_up = self.now + Duration::from_millis(timeout_ms.into());
                self.call(node, Call { conn, addr, carried: Carried::ByUtp, give_up });
            }
            IoCommand::TcpSend { conn, data } => {
                // What comes before frames is no message, and may be encrypted.
                let is_framed = self.nodes[node].conns.get(&conn).is_some_and(|end| end.framed.is_some());
                let mut rest = if is_framed { &data[..] } else { &[] };
                while let Some(length) = rest.first_chunk().map(|&length| u32::from_be_bytes(length) as usize) {
                    assert!(length < 5_000 || rest[4] != 7, "the brain says no payload");
                    rest = rest.get(4 + length..).unwrap_or_default();
                }
                self.send(node, conn, data.to_vec());
            }
            IoCommand::TcpSendSpan { op, conn, head, spans } => {
                let payload = self.read(node, &spans);
                self.nodes[node].given += payload.len() as u64;
                let left = self.send(node, conn, [&head[..], &payload].concat());
                let done = IoEvent::Done { op, result: Ok(OpOutput::Unit) };
                self.at(left + DAEMON_DELAY, node, Event::ToEngine(Input::Io(done)));
            }
            IoCommand::TcpRaw { conn, bytes } => {
                if let Some(end) = self.nodes[node].conns.get_mut(&conn) {
                    end.raw_left += bytes;
                }
                self.bytes(node, conn, &[]);
            }
            IoCommand::TcpFramed { conn, divert, .. } => {
                if let Some(end) = self.nodes[node].conns.get_mut(&conn) {
                    end.framed = divert;
                }
                self.bytes(node, conn, &[]);
            }
            IoCommand::TcpCipher { conn, read, write } => {
                let Some(end) = self.nodes[node].conns.get_mut(&conn) else { return };
                assert!(end.ciphers.read.is_none() && end.ciphers.write.is_none(), "once for each direction");
                end.ciphers = Ciphers { read: read.as_ref().map(cipher), write: write.as_ref().map(cipher) };
                // What had come and was not handed up.
                end.ciphers.read.iter_mut().for_each(|cipher| cipher.apply_keystream(&mut end.held));
            }
            IoCommand::TcpGroup { conn, group } => {
                self.nodes[node].groups.insert(conn, group);
            }
            IoCommand::Arm { conn, key, spans } => {
                if let Some(end) = self.nodes[node].conns.get_mut(&conn) {
                    end.armed.insert(key, spans);
                }
            }
            IoCommand::Disarm { conn, key } => {
                if let Some(end) = self.nodes[node].conns.get_mut(&conn) {
                    end.armed.remove(&key);
                }
            }
            IoCommand::TcpClose { conn } => self.close(node, conn),
            IoCommand::UdpSend { socket, to, data } => self.datagram(node, socket, to, data),
            IoCommand::FileClose { file } => drop(self.nodes[node].files.remove(&file)),
            other => {
                let (op, result) = self.answer(node, other);
                self.tell(node, IoEvent::Done { op, result });
            }
        }
    }

    fn answer(&mut self, node: usize, command: IoCommand) -> (OpId, Result<OpOutput, OpError>) {
        let failed = |kind| Err(OpError { kind, message: "no".into() });
        let spans = match &command {
            IoCommand::Digest { spans, .. } => self.read(node, spans),
            _ => Vec::new(),
        };
        if matches!(command, IoCommand::UdpBind { .. } | IoCommand::Resolve { .. }) {
            return self.bind(node, command);
        }
        let it = &mut self.nodes[node];
        match command {
            IoCommand::TcpListen { op, family: shared_proto::io::Family::V4, socket, port } => {
                it.listens = Some(socket);
                (op, Ok(OpOutput::Bound { port }))
            }
            // Nobody changes anything behind this daemon's back.
            IoCommand::FileStat { op, path, .. } => {
                let length = it.disk.get(&path).map(|bytes| bytes.len() as u64);
                let stat = |length| FileStat { length, modified_ns: 1, changed_ns: 1 };
                (op, Ok(OpOutput::Stat(length.map(stat))))
            }
            IoCommand::FileSync { op, .. } => (op, Ok(OpOutput::Unit)),
            IoCommand::UtpListen { op, socket } => {
                it.utp = Some(socket);
                (op, Ok(OpOutput::Unit))
            }
            IoCommand::TcpListen { op, .. } => (op, failed(OpErrorKind::Other)),
            IoCommand::FileOpen { op, file, path, create: false, .. } => {
                let existing = it.disk.get(&path).map(|bytes| bytes.len() as u64);
                it.files.insert(file, path);
                let opened = |length| Ok(OpOutput::Opened { existing: Some(length) });
                (op, existing.map_or_else(|| failed(OpErrorKind::NotFound), opened))
            }
            IoCommand::FileOpen { op, file, path, length, .. } => {
                let length = usize::try_from(length).expect("a test's file is small");
                let existing = it.disk.get(&path).map(|bytes| bytes.len() as u64);
                let bytes = it.disk.entry(path.clone()).or_default();
                bytes.resize(length.max(bytes.len()), 0);
                it.files.insert(file, path);
                (op, Ok(OpOutput::Opened { existing }))
            }
            IoCommand::Digest { op, .. } => (op, Ok(OpOutput::Digest(Bytes::from(Sha1::digest(&spans).to_vec())))),
            IoCommand::KvPut { op, key, value } => {
                it.state.insert(key, value);
                (op, Ok(OpOutput::Unit))
            }
            IoCommand::KvGet { op, key } => (op, Ok(OpOutput::Value(it.state.get(&key).cloned()))),
            IoCommand::KvDelete { op, key } => {
                it.state.remove(&key);
                (op, Ok(OpOutput::Unit))
            }
            IoCommand::KvScan { op, prefix } => {
                let keys = it.state.keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
                (op, Ok(OpOutput::Keys(keys)))
            }
            // It has no numbers to tell.
            IoCommand::HttpGet { op, url, .. } if url.starts_with("http://tracker/scrape") => {
                (op, Ok(OpOutput::Http { status: 404, body: Bytes::new() }))
            }
            IoCommand::HttpGet { op, url, .. } => {
                (op, Ok(OpOutput::Http { status: 200, body: self.track(node, &url) }))
            }
            other => panic!("the simulated daemon was not expected to see {other:?}"),
        }
    }

    /// The tracker names everybody who announced to everybody, themselves included.
    fn track(&mut self, node: usize, url: &str) -> Bytes {
        assert!(url.starts_with(TRACKER));
        self.announces.push((node, url.split_once('?').map_or("", |(_, query)| query).to_owned()));
        let addr = addr_of(node);
        if url.contains(&format!("port={PORT}")) && !self.known.contains(&addr) {
            self.known.push(addr);
        }
        let mut peers = Vec::new();
        for addr in &self.known {
            let SocketAddr::V4(addr) = addr else { continue };
            peers.extend(addr.ip().octets());
            peers.extend(addr.port().to_be_bytes());
        }
        crate::metainfo::encode::Dict::new().int("interval", 60).bytes("peers", peers).encode().into()
    }
}
