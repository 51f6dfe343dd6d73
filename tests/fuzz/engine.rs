//! The whole engine with one torrent; the bytes decide which inputs come.
//!
//! The simulated daemon grants everything at once, and every digest is the right one, so that the
//! fuzzer gets far.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use engine_wasm::net::NetConfig;
use engine_wasm::peer::policy::ConnectionPolicy;
use engine_wasm::time::Instant;
use engine_wasm::view::Intent;
use engine_wasm::{Config, Engine, Input, Output};
use shared_proto::io::{
    CloseReason, DigestKind, DivertKey, FileStat, NotStored, OpError, OpErrorKind, OpOutput,
};
use shared_proto::{
    ConnId, DaemonMessage, EngineMessage, FileId, IoCommand, IoEvent, Limits, OpId, RequestId,
    Root, RootKey, SocketId,
};

/// Length of the file, bytes: seven pieces of one block, the last one short.
const LENGTH: u64 = 100_000;
/// Most inputs of one run.
const MOST_INPUTS: usize = 2_000;

/// The fuzzed bytes that are left.
struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn number(&mut self) -> u64 {
        let high = self.byte().unwrap_or_default();
        u64::from(u16::from_be_bytes([high, self.byte().unwrap_or_default()]))
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte().unwrap_or_default()).min(self.0.len());
        let (now, later) = self.0.split_at(length);
        self.0 = later;
        now
    }
}

struct World {
    engine: Engine,
    now: Instant,
    conns: Vec<ConnId>,
    sockets: Vec<SocketId>,
    armed: BTreeMap<ConnId, Vec<DivertKey>>,
    todo: VecDeque<Input>,
    requests: u128,
    info_hash: String,
    inputs: usize,
}

impl World {
    fn new() -> Self {
        let policy = ConnectionPolicy { utp: true, ..ConnectionPolicy::default() };
        let config = Config {
            net: NetConfig { listen_port: Some(0), udp: true, ..NetConfig::default() },
            policy,
            ..Config::default()
        };
        let now = Instant(1_000_000);
        let engine = Engine::new(config, [7; 32], now);
        let (conns, sockets, todo) = (Vec::new(), Vec::new(), VecDeque::new());
        let armed = BTreeMap::new();
        let mut world = Self {
            engine,
            now,
            conns,
            sockets,
            armed,
            todo,
            requests: 0,
            info_hash: String::new(),
            inputs: 0,
        };
        let roots = vec![Root { key: RootKey("d".into()), label: "d".into(), path: String::new() }];
        let limits =
            Limits { max_conns: 100, max_files: 100, io_window: 1 << 20, max_wait_ms: 120_000 };
        world.put(Input::Linked { epoch: 1, roots, limits });
        world.put(Input::Intent { id: 1, intent: Intent::AddTorrent { metainfo: torrent() } });
        let torrents = world.engine.snapshot(now).torrents;
        world.info_hash = torrents.first().expect("the torrent was added").info_hash.clone();
        let peers = (1..9).map(|port| format!("127.0.0.1:{port}")).collect();
        world.put(Input::Intent {
            id: 2,
            intent: Intent::AddPeers { info_hash: world.info_hash.clone(), peers },
        });
        world
    }

    /// Handles an input, and all inputs that follow from it at once.
    fn put(&mut self, input: Input) {
        self.todo.push_back(input);
        while let Some(input) = self.todo.pop_front() {
            self.inputs += 1;
            if self.inputs > MOST_INPUTS {
                return;
            }
            self.engine.handle_input(self.now, input);
            while let Some(output) = self.engine.poll_output() {
                match output {
                    Output::Io(command) => self.carry_out(command),
                    Output::Control(EngineMessage::RangeAvailable { end: Some(end), .. }) => {
                        assert!(end < LENGTH)
                    }
                    _ => {}
                }
            }
        }
    }

    fn done(&mut self, op: OpId, output: OpOutput) {
        self.todo.push_back(Input::Io(IoEvent::Done { op, result: Ok(output) }));
    }

    fn carry_out(&mut self, command: IoCommand) {
        match command {
            IoCommand::TcpConnect { conn, .. } | IoCommand::UtpConnect { conn, .. } => {
                self.conns.push(conn);
                self.todo.push_back(Input::Io(IoEvent::TcpConnected { conn }));
            }
            IoCommand::TcpClose { conn } => self.conns.retain(|open| *open != conn),
            IoCommand::Arm { conn, key, .. } => self.armed.entry(conn).or_default().push(key),
            IoCommand::Disarm { conn, key } => {
                self.armed.entry(conn).or_default().retain(|armed| *armed != key)
            }
            IoCommand::TcpListen { op, socket, port, .. }
            | IoCommand::UdpBind { op, socket, port, .. } => {
                self.sockets.push(socket);
                self.done(op, OpOutput::Bound { port: port.max(1) });
            }
            IoCommand::FileOpen { op, .. } => {
                let stat = FileStat { length: 0, modified_ns: 0, changed_ns: 0, identity: None };
                self.done(op, OpOutput::Opened { stat });
            }
            IoCommand::RootRoom { op, .. } => {
                self.done(op, OpOutput::Room { free: 1 << 39, total: 1 << 40 })
            }
            IoCommand::FileStat { op, .. } => self.done(op, OpOutput::Stat(None)),
            IoCommand::FileRead { op, span } => {
                self.done(op, OpOutput::Bytes(vec![0; span.length as usize].into()));
            }
            IoCommand::Digest { op, kind, spans } => {
                let bytes: u64 = spans.iter().map(|span| u64::from(span.length)).sum();
                let length = match kind {
                    DigestKind::Sha1 => 20,
                    DigestKind::Sha256 => 32,
                    DigestKind::Sha256Leaves => {
                        32 * usize::try_from(bytes.div_ceil(16 << 10)).unwrap_or(0)
                    }
                };
                self.done(op, OpOutput::Digest(vec![0; length].into()));
            }
            IoCommand::KvGet { op, .. } => self.done(op, OpOutput::Value(None)),
            IoCommand::KvScan { op, .. } => self.done(op, OpOutput::Keys(Vec::new())),
            IoCommand::Resolve { op, port, .. } => {
                self.done(op, OpOutput::Addresses(vec![SocketAddr::from(([127, 0, 0, 1], port))]));
            }
            IoCommand::HttpGet { op, .. } | IoCommand::HttpFetch { op, .. } => {
                let error = OpError { kind: OpErrorKind::Network, message: "no".into() };
                self.todo.push_back(Input::Io(IoEvent::Done { op, result: Err(error) }));
            }
            IoCommand::FileWrite { op, .. }
            | IoCommand::FileSync { op, .. }
            | IoCommand::FileMove { op, .. }
            | IoCommand::FileDelete { op, .. }
            | IoCommand::FileCopy { op, .. }
            | IoCommand::KvPut { op, .. }
            | IoCommand::KvDelete { op, .. }
            | IoCommand::UtpListen { op, .. }
            | IoCommand::TcpSendSpan { op, .. } => self.done(op, OpOutput::Unit),
            _ => {}
        }
    }

    fn conn(&self, at: u8) -> ConnId {
        self.conns
            .get(usize::from(at) % self.conns.len().max(1))
            .copied()
            .unwrap_or(ConnId(u64::from(at)))
    }

    fn handshake(&self, source: &mut Source<'_>) -> Bytes {
        let mut bytes = b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x05".to_vec();
        bytes.extend(HEXLOWER.decode(self.info_hash.as_bytes()).unwrap_or_default());
        bytes.resize(47, 0);
        bytes.extend([source.byte().unwrap_or_default(); 21]);
        bytes.into()
    }

    /// Takes one step; returns `None` when no bytes are left.
    fn step(&mut self, source: &mut Source<'_>) -> Option<()> {
        let (kind, at) = (source.byte()?, source.byte()?);
        let conn = self.conn(at);
        let input = match kind % 13 {
            0 => Input::Io(IoEvent::TcpData { conn, data: Bytes::copy_from_slice(source.bytes()) }),
            1 => Input::Io(IoEvent::TcpData { conn, data: self.handshake(source) }),
            2 | 3 => {
                Input::Io(IoEvent::TcpFrame { conn, data: Bytes::copy_from_slice(source.bytes()) })
            }
            4 => {
                let key = self.armed.get_mut(&conn).and_then(Vec::pop)?;
                Input::Io(IoEvent::Stored { conn, key })
            }
            5 => {
                let mut key = DivertKey::default();
                key.iter_mut().for_each(|byte| *byte = source.byte().unwrap_or_default());
                let length = u32::try_from(source.number()).unwrap_or_default();
                Input::Io(IoEvent::NotStored { conn, key, length, reason: NotStored::Unarmed })
            }
            6 => {
                self.conns.retain(|open| *open != conn);
                let reasons = [CloseReason::Remote, CloseReason::AddressGone];
                let reason = reasons[usize::from(at & 1)];
                Input::Io(IoEvent::TcpClosed { conn, reason })
            }
            7 => {
                self.now = self.now + Duration::from_millis(source.number());
                Input::Timeout
            }
            8 => {
                let socket =
                    self.sockets.get(usize::from(at) % self.sockets.len().max(1)).copied()?;
                let from = SocketAddr::from(([127, 0, 0, at], 6881));
                Input::Io(IoEvent::UdpReceived {
                    socket,
                    from,
                    data: Bytes::copy_from_slice(source.bytes()),
                })
            }
            9 => {
                let (socket, conn) =
                    (*self.sockets.first()?, ConnId(ConnId::ACCEPTED.0 + u64::from(at)));
                self.conns.push(conn);
                Input::Io(IoEvent::TcpAccepted {
                    socket,
                    conn,
                    addr: SocketAddr::from(([127, 0, 1, at], 9)),
                })
            }
            10 => {
                self.requests += 1;
                let start = source.number() * 2 % LENGTH;
                Input::Control(DaemonMessage::RangeRequest {
                    request_id: request(self.requests),
                    file_id: FileId(format!("{}.0", self.info_hash)),
                    start,
                    end: LENGTH - 1,
                    only_now: at % 4 == 0,
                })
            }
            11 => Input::Control(DaemonMessage::FileChanged {
                file_id: FileId(format!("{}.0", self.info_hash)),
                stat: (at > 3).then_some(FileStat {
                    length: LENGTH,
                    modified_ns: at.into(),
                    changed_ns: at.into(),
                    identity: None,
                }),
                sending: at % 2 == 0,
            }),
            _ => Input::Control(DaemonMessage::RangeCancel { request_id: request(u128::from(at)) }),
        };
        self.put(input);
        Some(())
    }
}

fn request(number: u128) -> RequestId {
    RequestId(uuid::Uuid::from_u128(number))
}

/// A torrent whose pieces all have the digest zero.
fn torrent() -> Bytes {
    let mut text =
        format!("d4:infod6:lengthi{LENGTH}e4:name4:film12:piece lengthi16384e6:pieces140:")
            .into_bytes();
    text.extend([0; 140]);
    text.extend(b"ee");
    text.into()
}

/// Runs the engine as the bytes decide.
pub(crate) fn run(data: &[u8]) {
    let mut world = World::new();
    let mut source = Source(data);
    while world.step(&mut source).is_some() && world.inputs < MOST_INPUTS {}
    let _ = world.engine.snapshot(world.now);
    let _ = world.engine.poll_timeout();
}
