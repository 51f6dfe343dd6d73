//! The world around the engine: a clock, a daemon with a disk in memory, and lines to seeders.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use shared_proto::io::{CloseReason, DigestKind, DivertKey, Mapping, NotStored, OpError, OpErrorKind, OpOutput};
use shared_proto::{
    ConnId, DaemonMessage, EngineMessage, FileRef, IoCommand, IoEvent, Limits, OpId, RequestId, Root, RootKey,
    SocketId, Span,
};

use super::disk::{Disk, path_in};
use super::seeder::{Deed, Manner, Seeder};
use super::timeline::Timeline;
use super::tracker::UdpTracker;
use crate::engine::{Config, Engine};
use crate::io::{Input, Output};
use crate::metainfo::Magnet;
use crate::metainfo::testing::Sample;
use crate::time::Instant;
use crate::view::{Intent, IntentReply, TorrentView};

/// One way between engine and daemon, and what the daemon takes for anything.
const DAEMON_DELAY: Duration = Duration::from_micros(200);

#[derive(Debug)]
enum Event {
    Wake,
    ToEngine(Input),
    ToSeeder(ConnId, Vec<u8>),
    Connect(ConnId, SocketAddr),
    Deed(ConnId, Deed),
    Line(ConnId),
    /// A file is to be at its new path now.
    Moved(OpId, Vec<String>, Vec<String>),
}

#[derive(Debug)]
struct Conn {
    addr: SocketAddr,
    seeder: Seeder,
    armed: BTreeMap<DivertKey, Vec<Span>>,
    raw_left: u32,
    framed: bool,
    held: Vec<u8>,
    /// When its seeder will look at its requests.
    looks_at: Option<Instant>,
}

/// A request of a viewer, as the daemon sees it.
#[derive(Clone, Debug)]
pub(super) struct Viewer {
    pub(super) end: u64,
    /// First byte not granted.
    pub(super) next: u64,
    /// When the first byte was granted, and the last.
    pub(super) first_at: Option<Instant>,
    pub(super) done_at: Option<Instant>,
    pub(super) rejected: Option<Option<u16>>,
    file: usize,
}

/// Everything.
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) engine: Engine,
    pub(super) sample: Sample,
    pub(super) viewers: BTreeMap<RequestId, Viewer>,
    pub(super) replies: Vec<IntentReply>,
    /// What was said to `http_call`s and `file_resolve`s.
    pub(super) answers: Vec<EngineMessage>,
    pub(super) dialled: BTreeMap<SocketAddr, u32>,
    pub(super) received_bytes: u64,
    /// What can be fetched, by URL without its query.
    pub(super) web: BTreeMap<String, Bytes>,
    pub(super) fetched: Vec<String>,
    /// URLs without their query that are asked for in vain and for ever.
    pub(super) hanging: BTreeSet<String>,
    /// UDP trackers.
    pub(super) trackers: BTreeMap<SocketAddr, UdpTracker>,
    /// Sockets that the router is to let others reach.
    asked_router: Vec<SocketId>,
    names: BTreeMap<String, Vec<IpAddr>>,
    config: Config,
    seeders: BTreeMap<SocketAddr, Manner>,
    pub(super) disk: Disk,
    files: BTreeMap<FileRef, Vec<String>>,
    state: BTreeMap<String, Bytes>,
    conns: BTreeMap<ConnId, Conn>,
    events: Timeline<Event>,
    asked: u128,
    linked: bool,
    epoch: u64,
    seed: u8,
    /// Where each file is served from.
    served: BTreeMap<usize, Vec<String>>,
    /// How many files the daemon lets be open, and how many ever were.
    pub(super) max_files: u32,
    pub(super) most_open: usize,
    /// Digests, looks and moves that were ordered.
    pub(super) digests: u32,
    pub(super) stats: u32,
    pub(super) moves: u32,
    /// How long it takes to move a file.
    pub(super) move_time: Duration,
}

impl World {
    pub(super) fn new(sample: Sample, seeders: &[Manner], seed: u8) -> Self {
        Self::configured(Config::default(), sample, seeders, seed)
    }

    /// A world whose engines have these settings.
    pub(super) fn configured(config: Config, sample: Sample, seeders: &[Manner], seed: u8) -> Self {
        let now = Instant(1_000_000);
        let addrs = (1u16..).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut world = Self {
            now,
            engine: Engine::new(config.clone(), [seed; 32], now),
            config,
            sample,
            viewers: BTreeMap::new(),
            replies: Vec::new(),
            answers: Vec::new(),
            dialled: BTreeMap::new(),
            received_bytes: 0,
            web: BTreeMap::new(),
            fetched: Vec::new(),
            hanging: BTreeSet::new(),
            trackers: BTreeMap::new(),
            asked_router: Vec::new(),
            names: BTreeMap::new(),
            seeders: addrs.zip(seeders.iter().cloned()).collect(),
            disk: Disk::default(),
            files: BTreeMap::new(),
            state: BTreeMap::new(),
            conns: BTreeMap::new(),
            events: Timeline::default(),
            asked: 0,
            linked: false,
            epoch: 0,
            seed,
            served: BTreeMap::new(),
            max_files: 100,
            most_open: 0,
            digests: 0,
            stats: 0,
            moves: 0,
            move_time: Duration::ZERO,
        };
        world.link();
        world
    }

    /// A world in which the torrent was added and its seeders named.
    pub(super) fn with_torrent(sample: Sample, seeders: &[Manner], seed: u8) -> Self {
        let mut world = Self::new(sample, seeders, seed);
        world.add();
        world
    }

    /// A world in which a magnet link was added that names its seeders.
    pub(super) fn with_magnet(sample: Sample, seeders: &[Manner], seed: u8) -> Self {
        let mut world = Self::new(sample, seeders, seed);
        world.intend(Intent::AddMagnet { uri: world.magnet() });
        world
    }

    /// A magnet link that names all seeders.
    pub(super) fn magnet(&self) -> String {
        let mut link = Magnet::new(self.sample.metainfo.identity());
        link.name = Some("A film".to_owned());
        link.peers.extend(self.seeders.keys());
        link.to_string()
    }

    /// The first torrent, as a page sees it.
    pub(super) fn view(&self) -> TorrentView {
        self.engine.snapshot(self.now).torrents.remove(0)
    }

    /// Keys in the daemon's state that begin so.
    pub(super) fn keys(&self, prefix: &str) -> usize {
        self.state.keys().filter(|key| key.starts_with(prefix)).count()
    }

    /// The torrent is added and its seeders named.
    pub(super) fn add(&mut self) {
        self.run_for(Duration::from_millis(10));
        self.intend(Intent::AddTorrent { metainfo: self.sample.torrent.clone().into() });
        self.run_for(Duration::from_millis(10));
        self.name_seeders();
    }

    /// The same with files wanted so before anybody is named.
    pub(super) fn add_choosing(&mut self, priorities: &[(u32, crate::view::Priority)]) {
        self.run_for(Duration::from_millis(10));
        self.intend(Intent::AddTorrent { metainfo: self.sample.torrent.clone().into() });
        let file = |&(index, priority)| crate::view::FilePriority { index, priority };
        let files = priorities.iter().map(file).collect();
        self.intend(Intent::SetPriorities { info_hash: self.info_hash(), files });
        self.run_for(Duration::from_millis(10));
        self.name_seeders();
    }

    pub(super) fn info_hash(&self) -> String {
        self.sample.metainfo.info_hash.to_string()
    }

    pub(super) fn intend(&mut self, intent: Intent) {
        self.input(Input::Intent { id: 1, intent });
    }

    /// A viewer asks.
    pub(super) fn ask(&mut self, file: usize, start: u64, end: u64) -> RequestId {
        self.asked += 1;
        let request_id = RequestId(uuid::Uuid::from_u128(self.asked));
        let viewer = Viewer { end, next: start, first_at: None, done_at: None, rejected: None, file };
        self.viewers.insert(request_id, viewer);
        let file_id = format!("{}.{file}", self.info_hash()).as_str().into();
        self.input(Input::Control(DaemonMessage::RangeRequest { request_id, file_id, start, end }));
        request_id
    }

    /// Somebody calls the HTTP API.
    pub(super) fn question(&mut self, question: impl FnOnce(RequestId) -> DaemonMessage) -> RequestId {
        self.asked += 1;
        let request_id = RequestId(uuid::Uuid::from_u128(self.asked));
        self.input(Input::Control(question(request_id)));
        request_id
    }

    /// A viewer has drained so far.
    pub(super) fn drain(&mut self, request_id: RequestId, position: u64) {
        self.input(Input::Control(DaemonMessage::RangeProgress { request_id, position }));
    }

    /// A viewer leaves.
    pub(super) fn leave(&mut self, request_id: RequestId) {
        self.input(Input::Control(DaemonMessage::RangeCancel { request_id }));
    }

    /// Verified bytes, as a page sees them.
    pub(super) fn verified(&self) -> u64 {
        self.engine.snapshot(self.now).torrents.first().map_or(0, |torrent| torrent.verified)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.verified() == self.sample.metainfo.total_length()
    }

    /// The daemon goes, with its sockets and open files; its disk and state stay.
    pub(super) fn unlink(&mut self) {
        self.linked = false;
        self.conns.clear();
        self.files.clear();
        self.events.retain(|event| matches!(event, Event::Wake));
        self.input(Input::Unlinked);
    }

    /// A daemon comes.
    pub(super) fn link(&mut self) {
        self.linked = true;
        self.epoch += 1;
        let root = |key: &str, label: &str| Root { key: RootKey(key.into()), label: label.into() };
        let roots = vec![root("d", "Downloads"), root("e", "Another disk")];
        let limits = Limits { max_conns: 100, max_files: self.max_files, io_window: 1 << 20, max_wait_ms: 120_000 };
        self.input(Input::Linked { epoch: self.epoch, roots, limits });
    }

    /// The engine dies and another one takes its place.
    pub(super) fn replace_engine(&mut self) {
        self.unlink();
        self.viewers.clear();
        self.seed = self.seed.wrapping_add(1);
        self.engine = Engine::new(self.config.clone(), [self.seed; 32], self.now);
        self.link();
    }

    /// At the same addresses others listen now; those who are connected are gone.
    pub(super) fn replace_seeders(&mut self, seeders: &[Manner]) {
        let addrs = (1u16..).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        self.seeders = addrs.zip(seeders.iter().cloned()).collect();
        for conn in std::mem::take(&mut self.conns).into_keys() {
            self.tell(IoEvent::TcpClosed { conn, reason: CloseReason::Remote });
        }
    }

    /// A name has these addresses.
    pub(super) fn name(&mut self, name: &str, ips: &[&str]) {
        let ips = ips.iter().map(|ip| ip.parse().expect("an address")).collect();
        self.names.insert(name.to_owned(), ips);
    }

    /// All seeders are gone for good.
    pub(super) fn lose_seeders(&mut self) {
        self.seeders.clear();
        self.conns.clear();
    }

    pub(super) fn name_seeders(&mut self) {
        let peers = self.seeders.keys().map(SocketAddr::to_string).collect();
        self.intend(Intent::AddPeers { info_hash: self.info_hash(), peers });
    }

    /// Somebody changes a byte of the first file behind the daemon's back.
    pub(super) fn vandalise(&mut self, offset: usize) {
        let path = self.disk.paths().next().expect("a file is there").clone();
        self.disk.change(&path, offset, self.now);
    }

    pub(super) fn run_for(&mut self, span: Duration) {
        let until = self.now + span;
        self.run_until(until, |_| false);
    }

    /// Runs until the condition holds; the time that it took, `None` when it does not hold in time.
    pub(super) fn run_until_within(&mut self, span: Duration, done: impl FnMut(&World) -> bool) -> Option<Duration> {
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
            Event::ToSeeder(conn, data) => {
                let now = self.now;
                let Some(line) = self.conns.get_mut(&conn) else { return };
                let deeds = line.seeder.receive(&data, &self.sample, now);
                self.schedule(conn, deeds);
                self.serve(conn);
            }
            Event::Line(conn) => self.serve(conn),
            Event::Deed(conn, deed) => self.arrive(conn, deed),
            Event::Moved(op, from, to) => self.moved(op, &from, &to),
        }
    }

    /// Whoever has the file open goes on with the same bytes, and so do its viewers.
    fn moved(&mut self, op: OpId, from: &[String], to: &[String]) {
        let moved = self.disk.rename(from, to, self.now);
        if moved.is_ok() {
            let known = self.files.values_mut().chain(self.served.values_mut());
            known.filter(|path| *path == from).for_each(|path| *path = to.to_vec());
        }
        self.tell(IoEvent::Done { op, result: moved.map(|()| OpOutput::Unit) });
    }

    /// Who names a path that is being moved waits for that.
    fn finish_moves(&mut self, path: &[String]) {
        let touches = |event: &Event| matches!(event, Event::Moved(_, from, to) if from == path || to == path);
        for event in self.events.take(touches) {
            self.happen(event);
        }
    }

    fn connect(&mut self, conn: ConnId, addr: SocketAddr) {
        *self.dialled.entry(addr).or_default() += 1;
        let Some(manner) = self.seeders.get(&addr).cloned() else {
            return self.tell(IoEvent::TcpClosed { conn, reason: CloseReason::Refused });
        };
        let seeder = Seeder::new(manner, addr.port(), &self.sample.metainfo, self.now);
        let line =
            Conn { addr, seeder, armed: BTreeMap::new(), raw_left: 0, framed: false, held: Vec::new(), looks_at: None };
        self.conns.insert(conn, line);
        self.tell(IoEvent::TcpConnected { conn });
    }

    /// The seeder's line takes the next block when it is free.
    fn serve(&mut self, conn: ConnId) {
        let piece_length = self.sample.metainfo.piece_length;
        let Some(line) = self.conns.get_mut(&conn) else { return };
        let Some((at, deed)) = line.seeder.next_block(&self.sample.content, piece_length, self.now) else {
            // A line without a pulse is looked at when something comes.
            if let Some(at) = line.seeder.looks_at().filter(|&at| at > self.now && line.looks_at != Some(at)) {
                line.looks_at = Some(at);
                self.at(at, Event::Line(conn));
            }
            return;
        };
        let (free, one_way) = (line.seeder.line_free(), line.seeder.one_way());
        let whims = line.seeder.whim(free);
        self.at(at + one_way, Event::Deed(conn, deed));
        self.at(free, Event::Line(conn));
        self.schedule(conn, whims);
    }

    fn schedule(&mut self, conn: ConnId, deeds: Vec<(Instant, Deed)>) {
        let Some(one_way) = self.conns.get(&conn).map(|line| line.seeder.one_way()) else { return };
        for (at, deed) in deeds {
            self.at(at + one_way, Event::Deed(conn, deed));
        }
    }

    /// What a seeder sent arrives at the daemon.
    fn arrive(&mut self, conn: ConnId, deed: Deed) {
        match deed {
            Deed::Send(bytes) => self.bytes(conn, &bytes),
            Deed::Unchoke => {
                let Some(line) = self.conns.get_mut(&conn) else { return };
                let bytes = line.seeder.unchoke();
                self.bytes(conn, &bytes);
                self.serve(conn);
            }
            Deed::HangUp => {
                if self.conns.remove(&conn).is_some() {
                    self.tell(IoEvent::TcpClosed { conn, reason: CloseReason::Remote });
                }
            }
            Deed::Block { piece, begin, data } => self.block(conn, piece, begin, &data),
        }
    }

    /// Raw up to the byte that was asked for, then frames.
    fn bytes(&mut self, conn: ConnId, bytes: &[u8]) {
        let Some(line) = self.conns.get_mut(&conn) else { return };
        line.held.extend_from_slice(bytes);
        let raw = line.held.len().min(line.raw_left as usize);
        let mut events = Vec::new();
        if raw > 0 {
            line.raw_left -= u32::try_from(raw).expect("a handshake is short");
            let data = Bytes::from(line.held.drain(..raw).collect::<Vec<u8>>());
            events.push(IoEvent::TcpData { conn, data });
        }
        while line.framed {
            let Some(length) = line.held.first_chunk().map(|&length| u32::from_be_bytes(length) as usize) else {
                break;
            };
            if line.held.len() < 4 + length {
                break;
            }
            let data = Bytes::from(line.held.drain(..4 + length).skip(4).collect::<Vec<u8>>());
            if !data.is_empty() {
                events.push(IoEvent::TcpFrame { conn, data });
            }
        }
        events.into_iter().for_each(|event| self.tell(event));
    }

    fn block(&mut self, conn: ConnId, piece: u32, begin: u32, data: &[u8]) {
        let mut key = [0; 8];
        key[..4].copy_from_slice(&piece.to_be_bytes());
        key[4..].copy_from_slice(&begin.to_be_bytes());
        let length = u32::try_from(data.len()).expect("a block is short");
        let Some(line) = self.conns.get_mut(&conn) else { return };
        self.received_bytes += u64::from(length);
        let Some(spans) = line.armed.remove(&key) else {
            return self.tell(IoEvent::NotStored { conn, key, length, reason: NotStored::Unarmed });
        };
        let mut rest = data;
        for span in spans {
            let (now, later) = rest.split_at(span.length as usize);
            rest = later;
            if span.file == FileRef::ZEROS {
                continue;
            }
            let Some(path) = self.files.get(&span.file) else {
                let closed = OpError { kind: OpErrorKind::NotFound, message: "the file was closed".into() };
                return self.tell(IoEvent::NotStored { conn, key, length, reason: NotStored::Failed(closed) });
            };
            if let Err(error) = self.disk.write(path, span.offset, now, self.now) {
                return self.tell(IoEvent::NotStored { conn, key, length, reason: NotStored::Failed(error) });
            }
        }
        assert!(rest.is_empty(), "the spans of a block are as long as the block");
        self.tell(IoEvent::Stored { conn, key });
    }

    fn input(&mut self, input: Input) {
        self.engine.handle_input(self.now, input);
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Control(message) if self.linked => self.control(message),
                Output::Io(command) if self.linked => self.command(command),
                Output::Control(_) | Output::Io(_) => {}
                Output::Reply { reply, .. } => self.replies.push(reply),
                Output::Changed => {}
            }
        }
        if let Some(at) = self.engine.poll_timeout() {
            self.at(at.max(self.now), Event::Wake);
        }
    }

    fn control(&mut self, message: EngineMessage) {
        match message {
            EngineMessage::RangeAvailable { request_id, end } | EngineMessage::RangeReady { request_id, end } => {
                self.granted(request_id, end);
            }
            EngineMessage::RangeReject { request_id, status, .. } => {
                if let Some(viewer) = self.viewers.get_mut(&request_id) {
                    viewer.rejected = Some(status);
                }
            }
            EngineMessage::FileAnnounce { file_id, root, path, .. } => {
                let number = file_id.as_str().rsplit('.').next().and_then(|number| number.parse().ok());
                self.served.insert(number.expect("a file has a number"), path_in(&root, path));
            }
            EngineMessage::HttpReply { .. }
            | EngineMessage::FileResolved { .. }
            | EngineMessage::RangeBlock { reason: None, .. } => self.answers.push(message),
            _ => {}
        }
    }

    /// The invariant: what is granted is on the disk, and it is the film.
    fn granted(&mut self, id: RequestId, end: Option<u64>) {
        let Some(viewer) = self.viewers.get_mut(&id) else { return };
        let end = end.unwrap_or(viewer.end);
        assert!(end <= viewer.end, "granted beyond what was asked");
        assert!(end + 1 > viewer.next, "a grant that grants nothing");
        let range = usize::try_from(viewer.next).unwrap()..usize::try_from(end + 1).unwrap();
        let path = self.served.get(&viewer.file).expect("a file that is granted was announced");
        assert_eq!(
            self.disk.read(path).expect("a file that is granted is there")[range.clone()],
            self.sample.file(viewer.file)[range],
            "an unverified byte was granted"
        );
        viewer.next = end + 1;
        viewer.first_at.get_or_insert(self.now);
        if viewer.next > viewer.end {
            viewer.done_at.get_or_insert(self.now);
        }
    }

    fn command(&mut self, command: IoCommand) {
        match command {
            IoCommand::TcpConnect { conn, addr, .. } => {
                let rtt = self.seeders.get(&addr).map_or(Duration::ZERO, |manner| manner.rtt);
                self.at(self.now + DAEMON_DELAY + rtt, Event::Connect(conn, addr));
            }
            IoCommand::TcpSend { conn, data } => {
                let Some(line) = self.conns.get(&conn) else { return };
                let at = self.now + DAEMON_DELAY + line.seeder.one_way();
                self.at(at, Event::ToSeeder(conn, data.to_vec()));
            }
            IoCommand::TcpRaw { conn, bytes } => {
                if let Some(line) = self.conns.get_mut(&conn) {
                    line.raw_left += bytes;
                }
                self.bytes(conn, &[]);
            }
            IoCommand::TcpFramed { conn, .. } => {
                if let Some(line) = self.conns.get_mut(&conn) {
                    line.framed = true;
                }
                self.bytes(conn, &[]);
            }
            IoCommand::Arm { conn, key, spans } => {
                if let Some(line) = self.conns.get_mut(&conn) {
                    line.armed.insert(key, spans);
                }
            }
            IoCommand::Disarm { conn, key } => {
                if let Some(line) = self.conns.get_mut(&conn) {
                    line.armed.remove(&key);
                }
            }
            IoCommand::TcpGroup { .. } => {}
            IoCommand::TcpClose { conn } => {
                self.conns.remove(&conn);
            }
            IoCommand::FileClose { file } => {
                self.files.remove(&file);
            }
            IoCommand::UdpSend { socket, to, data } => {
                if let Some(answer) = self.trackers.get_mut(&to).and_then(|tracker| tracker.receive(&data)) {
                    self.tell(IoEvent::UdpReceived { socket, from: to, data: answer.into() });
                }
            }
            IoCommand::HttpGet { url, .. } if self.hanging.contains(url.split('?').next().unwrap_or_default()) => {
                self.fetched.push(url);
            }
            other => self.answer(other),
        }
    }

    fn answer(&mut self, command: IoCommand) {
        let (op, result): (OpId, Result<OpOutput, OpError>) = match command {
            IoCommand::FileOpen { op, file, root, path, length, create } => {
                let path = path_in(&root, path);
                self.finish_moves(&path);
                let opened = self.disk.open(&path, length, create, self.now);
                assert!(self.files.insert(file, path).is_none(), "a number is used twice");
                assert!(self.files.len() <= self.max_files as usize, "more files are open than may be");
                self.most_open = self.most_open.max(self.files.len());
                (op, opened.map(|existing| OpOutput::Opened { existing }))
            }
            IoCommand::FileStat { op, root, path } => {
                self.stats += 1;
                let path = path_in(&root, path);
                self.finish_moves(&path);
                (op, Ok(OpOutput::Stat(self.disk.stat(&path))))
            }
            IoCommand::FileSync { op, file } => {
                let synced = self.files.get(&file).map(|_| OpOutput::Unit).ok_or_else(not_open);
                (op, synced)
            }
            IoCommand::FileMove { op, root, from, to_root, to } => {
                let (from, to) = (path_in(&root, from), path_in(&to_root, to));
                self.moves += 1;
                return self.at(self.now + self.move_time, Event::Moved(op, from, to));
            }
            IoCommand::FileDelete { op, root, path } => {
                let path = path_in(&root, path);
                self.finish_moves(&path);
                self.disk.remove(&path);
                (op, Ok(OpOutput::Unit))
            }
            IoCommand::Digest { op, kind, spans } => {
                self.digests += 1;
                (op, self.digest(kind, &spans))
            }
            IoCommand::KvPut { op, key, value } => {
                let room = self.disk.check_room(0);
                if room.is_ok() {
                    self.state.insert(key, value);
                }
                (op, room.map(|()| OpOutput::Unit))
            }
            IoCommand::KvGet { op, key } => (op, Ok(OpOutput::Value(self.state.get(&key).cloned()))),
            IoCommand::KvDelete { op, key } => {
                self.state.remove(&key);
                (op, Ok(OpOutput::Unit))
            }
            IoCommand::KvScan { op, prefix } => {
                let keys = self.state.keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
                (op, Ok(OpOutput::Keys(keys)))
            }
            IoCommand::HttpGet { op, url, max_bytes, .. } => {
                let body = url.split('?').next().and_then(|page| self.web.get(page)).cloned();
                self.fetched.push(url);
                let refused = OpError { kind: OpErrorKind::Network, message: "nobody answers".into() };
                let body = body.filter(|body| body.len() <= max_bytes as usize).ok_or(refused);
                (op, body.map(|body| OpOutput::Http { status: 200, body }))
            }
            IoCommand::TcpListen { op, port, .. } | IoCommand::UdpBind { op, port, .. } => {
                (op, Ok(OpOutput::Bound { port }))
            }
            IoCommand::Resolve { op, host, port } => {
                let found = self.names.get(&host).map(|ips| ips.iter().map(|&ip| (ip, port).into()).collect());
                let unknown = OpError { kind: OpErrorKind::Network, message: "nobody has this name".into() };
                (op, found.map(OpOutput::Addresses).ok_or(unknown))
            }
            IoCommand::HttpFetch { op, url, offset, spans, .. } => {
                self.fetched.push(url.clone());
                let length: usize = spans.iter().map(|span| span.length as usize).sum();
                let from = usize::try_from(offset).expect("a test's file is small");
                let file = self.web.get(&url).cloned();
                let part = file.as_ref().and_then(|file| file.get(from..from + length));
                if let Some(mut part) = part {
                    for span in spans {
                        let (now, later) = part.split_at(span.length as usize);
                        if let Some(path) = self.files.get(&span.file) {
                            let _ = self.disk.write(path, span.offset, now, self.now);
                        }
                        part = later;
                    }
                }
                let status = if part.is_some() { 206 } else { 404 };
                let at = self.now + Duration::from_millis(20) + Duration::from_micros(length as u64 / 4);
                let result = Ok(OpOutput::Http { status, body: Bytes::new() });
                return self.at(at, Event::ToEngine(Input::Io(IoEvent::Done { op, result })));
            }
            IoCommand::PortMap { socket } => return self.asked_router.push(socket),
            IoCommand::Cancel { .. } => return,
            other => panic!("the simulated daemon was not expected to see {other:?}"),
        };
        self.tell(IoEvent::Done { op, result });
    }

    /// The router answers for all sockets that it was asked for; how many that are.
    pub(super) fn router_says(&mut self, result: &Result<Mapping, OpError>) -> usize {
        for socket in self.asked_router.clone() {
            self.tell(IoEvent::PortMapped { socket, result: result.clone() });
        }
        self.asked_router.len()
    }

    /// Requests at the seeder that has most of them.
    pub(super) fn longest_queue(&self) -> usize {
        self.conns.values().map(|line| line.seeder.queued()).max().unwrap_or(0)
    }

    /// Connections open now, by the seeder's address.
    pub(super) fn connected(&self) -> Vec<SocketAddr> {
        self.conns.values().map(|line| line.addr).collect()
    }

    pub(super) fn has_state(&self) -> bool {
        self.state.keys().any(|key| key != "secret")
    }

    /// A file that was there before any torrent.
    pub(super) fn plant(&mut self, path: &str, bytes: &[u8]) {
        let path: Vec<String> = path.split('/').map(str::to_owned).collect();
        self.disk.plant(path, bytes.to_vec(), self.now);
    }

    /// A file on the disk.
    pub(super) fn read(&self, path: &str) -> Option<&[u8]> {
        let path: Vec<String> = path.split('/').map(str::to_owned).collect();
        self.disk.read(&path)
    }

    /// File numbers that the engine has not given back.
    pub(super) fn numbers_in_use(&self) -> usize {
        self.files.len()
    }

    /// Paths of all files on the disk.
    pub(super) fn paths(&self) -> Vec<String> {
        self.disk.paths().map(|path| path.join("/")).collect()
    }

    pub(super) fn has_files(&self) -> bool {
        self.disk.paths().next().is_some()
    }

    fn digest(&self, kind: DigestKind, spans: &[Span]) -> Result<OpOutput, OpError> {
        let mut bytes = Vec::new();
        for span in spans {
            if span.file == FileRef::ZEROS {
                bytes.resize(bytes.len() + span.length as usize, 0);
                continue;
            }
            let path = self.files.get(&span.file).ok_or_else(not_open)?;
            let from = usize::try_from(span.offset).expect("a test's file is small");
            let held = self.disk.read(path).and_then(|held| held.get(from..from + span.length as usize));
            bytes.extend_from_slice(held.ok_or_else(not_open)?);
        }
        let digest = match kind {
            DigestKind::Sha1 => Sha1::digest(&bytes).to_vec(),
            DigestKind::Sha256 => Sha256::digest(&bytes).to_vec(),
            DigestKind::Sha256Leaves => bytes.chunks(16 << 10).flat_map(Sha256::digest).collect(),
        };
        Ok(OpOutput::Digest(Bytes::from(digest)))
    }
}

fn not_open() -> OpError {
    OpError { kind: OpErrorKind::NotFound, message: "no such open file, or not so many bytes".into() }
}
