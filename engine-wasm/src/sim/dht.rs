//! The engine's DHT node: its commands to the daemon, and its handling of another node's answers.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use shared_proto::io::{Family, Notes, OpError, OpErrorKind, OpOutput};
use shared_proto::{IoCommand, IoEvent, Limits, OpId, Root, RootKey, SocketId};

use crate::config::Config;
use crate::discover::dht::message::{Body, Message, Query};
use crate::discover::dht::node_id::NodeId;
use crate::discover::dht::{Dht, DhtConfig};
use crate::engine::Engine;
use crate::io::{Input, Output};
use crate::metainfo::InfoHash;
use crate::metainfo::encode::Dict;
use crate::net::NetConfig;
use crate::time::Instant;
use crate::view::{Intent, Settings};

const TORRENT: InfoHash = InfoHash([7; 20]);

/// An engine, its daemon, and one other DHT node. The daemon has UDP and a state store only.
struct Bench {
    engine: Engine,
    other: Dht,
    rng: ChaCha8Rng,
    now: Instant,
    state: BTreeMap<String, Bytes>,
    sockets: BTreeMap<SocketId, Family>,
    resolved: Vec<String>,
    dialled: Vec<SocketAddr>,
    asked: Vec<Query>,
    orders: VecDeque<IoCommand>,
}

fn other() -> SocketAddr {
    "20.0.0.1:6881".parse().unwrap()
}

fn us() -> SocketAddr {
    "21.0.0.1:50000".parse().unwrap()
}

impl Bench {
    fn new(listen_port: Option<u16>, state: BTreeMap<String, Bytes>) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut other = Dht::new(&mut rng, Instant(0));
        other.open(Family::V4, Instant(0));
        other.set_read_only(false);
        let dht = Some(DhtConfig { bootstrap: vec!["router.example:6881".to_owned()] });
        let net = NetConfig { listen_port, udp: true, ..NetConfig::default() };
        let config = Config { net, dht, adjustable: true, ..Config::default() };
        let mut bench = Self {
            engine: Engine::new(config, [1; 32], Instant(0)),
            other,
            rng,
            now: Instant(0),
            state,
            sockets: BTreeMap::new(),
            resolved: Vec::new(),
            dialled: Vec::new(),
            asked: Vec::new(),
            orders: VecDeque::new(),
        };
        bench.link();
        bench
    }

    fn link(&mut self) {
        let roots = vec![Root {
            key: RootKey("downloads".to_owned()),
            label: "Downloads".to_owned(),
            path: String::new(),
        }];
        let limits =
            Limits { max_conns: 100, max_files: 100, io_window: 1 << 20, max_wait_ms: 120_000 };
        self.tell(Input::Linked { epoch: 1, roots, limits });
    }

    fn tell(&mut self, input: Input) {
        self.engine.handle_input(self.now, input);
        while let Some(output) = self.engine.poll_output() {
            if let Output::Io(command) = output {
                self.orders.push_back(command);
            }
        }
        while let Some(command) = self.orders.pop_front() {
            self.carry_out(command);
        }
    }

    fn done(&mut self, op: OpId, output: OpOutput) {
        self.tell(Input::Io(IoEvent::Done { op, result: Ok(output) }));
    }

    fn carry_out(&mut self, command: IoCommand) {
        match command {
            IoCommand::KvGet { op, key } => {
                self.done(op, OpOutput::Value(self.state.get(&key).cloned()))
            }
            IoCommand::KvPut { op, key, value } => {
                self.state.insert(key, value);
                self.done(op, OpOutput::Unit);
            }
            IoCommand::KvScan { op, .. } => self.done(op, OpOutput::Keys(Vec::new())),
            IoCommand::RootRoom { op, .. } => {
                self.done(op, OpOutput::Room { free: 1 << 30, total: 1 << 40 })
            }
            IoCommand::NotesRead { op } => self.done(op, OpOutput::Notes(Notes::default())),
            IoCommand::TcpListen { op, port, .. } => self.done(op, OpOutput::Bound { port }),
            IoCommand::UdpBind { op, socket, family: Family::V4, group: None, .. } => {
                self.sockets.insert(socket, Family::V4);
                self.done(op, OpOutput::Bound { port: us().port() });
            }
            IoCommand::UdpBind { op, .. } => {
                let error = OpError { kind: OpErrorKind::Network, message: "no IPv6".to_owned() };
                self.tell(Input::Io(IoEvent::Done { op, result: Err(error) }));
            }
            IoCommand::Resolve { op, host, port } => {
                self.resolved.push(format!("{host}:{port}"));
                self.done(op, OpOutput::Addresses(vec![other()]));
            }
            IoCommand::UdpSend { socket, to, data } => {
                assert_eq!((to, self.sockets[&socket]), (other(), Family::V4));
                if let Body::Query { query, .. } = Message::parse(&data).unwrap().body {
                    self.asked.push(query);
                }
                self.other.handle_packet(us(), &data, self.now, &mut self.rng);
                while let Some((to, data)) = self.other.poll_packet() {
                    assert_eq!(to, us());
                    self.tell(Input::Io(IoEvent::UdpReceived { socket, from: other(), data }));
                }
            }
            IoCommand::TcpConnect { addr, .. } => self.dialled.push(addr),
            other => panic!("{other:?}"),
        }
    }

    fn wait(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(at) =
            self.engine.poll_timeout().map(|timeout| timeout.at).filter(|at| *at <= until)
        {
            self.now = self.now.max(at);
            self.tell(Input::Timeout);
        }
        self.now = until;
    }

    fn want_dht(&mut self, dht: bool) {
        let settings = self.engine.snapshot(self.now).settings.expect("they can be changed");
        self.tell(Input::Intent {
            id: 2,
            intent: Intent::Configure { settings: Settings { dht, ..settings } },
        });
    }

    fn add_magnet(&mut self) {
        let uri = format!("magnet:?xt=urn:btih:{TORRENT}");
        self.tell(Input::Intent { id: 1, intent: Intent::AddMagnet { uri } });
    }

    /// Announces a peer of the torrent to the other node.
    fn announce(&mut self, peer: &str) {
        let peer: SocketAddr = peer.parse().unwrap();
        let mut ask = |query| {
            let body = Body::Query { id: NodeId([9; 20]), query, want: None, read_only: true };
            let packet = Message { transaction: vec![1], seen_as: None, body }.encode();
            self.other.handle_packet(peer, &packet, self.now, &mut self.rng);
            let (_, packet) = self.other.poll_packet().expect("an answer");
            match Message::parse(&packet).unwrap().body {
                Body::Response(response) => response.token,
                other => panic!("{other:?}"),
            }
        };
        let token = ask(Query::GetPeers { info_hash: TORRENT }).expect("a token");
        ask(Query::AnnouncePeer { info_hash: TORRENT, port: None, token });
    }

    fn announced(&self) -> Option<u16> {
        self.asked.iter().find_map(|query| match query {
            Query::AnnouncePeer { port, .. } => *port,
            _ => None,
        })
    }
}

#[test]
fn a_magnet_link_without_trackers_finds_peers() {
    let mut bench = Bench::new(None, BTreeMap::new());
    bench.announce("22.0.0.1:7000");
    bench.add_magnet();
    bench.wait(5);
    assert_eq!(bench.resolved, ["router.example:6881"]);
    assert_eq!(bench.dialled, ["22.0.0.1:7000".parse().unwrap()]);
    assert_eq!(bench.announced(), None, "nobody can reach us");
}

#[test]
fn a_peer_announced_later_is_found_soon() {
    let mut bench = Bench::new(None, BTreeMap::new());
    bench.add_magnet();
    bench.wait(20);
    bench.announce("22.0.0.1:7000");
    bench.wait(60);
    assert_eq!(bench.dialled, ["22.0.0.1:7000".parse().unwrap()]);
}

#[test]
fn a_listening_engine_announces_itself() {
    let mut bench = Bench::new(Some(6_999), BTreeMap::new());
    bench.add_magnet();
    bench.wait(5);
    assert_eq!(bench.announced(), Some(6_999));
}

#[test]
fn known_nodes_are_stored_and_used_by_the_next_engine() {
    let mut first = Bench::new(None, BTreeMap::new());
    first.wait(120);
    assert!(first.state.contains_key("dht"));
    let mut second = Bench::new(None, first.state);
    second.announce("22.0.0.1:7000");
    second.add_magnet();
    second.wait(4);
    assert!(second.resolved.is_empty(), "no name was resolved");
    assert_eq!(second.dialled.len(), 1);
}

#[test]
fn a_corrupt_stored_state_is_ignored() {
    let state =
        BTreeMap::from([("dht".to_owned(), Bytes::from(Dict::new().int("id4", 1).encode()))]);
    let mut bench = Bench::new(None, state);
    bench.wait(5);
    assert_eq!(bench.resolved.len(), 1);
}

#[test]
fn the_node_continues_after_a_lost_link() {
    let mut bench = Bench::new(None, BTreeMap::new());
    bench.add_magnet();
    bench.wait(30);
    bench.tell(Input::Unlinked);
    bench.wait(600);
    bench.announce("22.0.0.1:7000");
    bench.link();
    bench.wait(60);
    assert_eq!(bench.dialled, ["22.0.0.1:7000".parse().unwrap()]);
}

#[test]
fn the_user_switches_the_dht_off_and_on() {
    let mut bench = Bench::new(None, BTreeMap::new());
    bench.wait(5);
    bench.want_dht(false);
    bench.asked.clear();
    bench.announce("22.0.0.1:7000");
    bench.add_magnet();
    bench.wait(600);
    assert_eq!((bench.asked.len(), bench.dialled.len()), (0, 0));
    let mut bench = Bench::new(None, bench.state);
    bench.announce("22.0.0.1:7000");
    bench.add_magnet();
    bench.wait(600);
    assert_eq!((bench.asked.len(), bench.dialled.len()), (0, 0), "it is remembered");
    bench.want_dht(true);
    bench.announce("22.0.0.1:7000");
    bench.wait(120);
    assert_eq!(bench.dialled, ["22.0.0.1:7000".parse().unwrap()]);
}
