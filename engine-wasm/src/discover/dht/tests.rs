//! One node among simulated others, and whole networks ([`network`]).

mod network;

use std::net::SocketAddr;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::message::{ErrorCode, Query, Response};
use super::*;
use crate::discover::dht::message::Want;

const TORRENT: InfoHash = InfoHash([7; 20]);

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A node and the packets that it sends.
struct Bench {
    dht: Dht,
    rng: ChaCha8Rng,
    now: Instant,
}

impl Bench {
    /// Creates a node with a socket of each family that answers queries.
    fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut dht = Dht::new(&mut rng, Instant(0));
        dht.open(Family::V4, Instant(0));
        dht.open(Family::V6, Instant(0));
        dht.set_read_only(false);
        Self { dht, rng, now: Instant(0) }
    }

    fn wait(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(at) = self.dht.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.dht.handle_timeout(self.now, &mut self.rng);
        }
        self.now = until;
    }

    fn hear(&mut self, from: &str, message: &Message) {
        self.dht.handle_packet(addr(from), &message.encode(), self.now, &mut self.rng);
    }

    fn ask(&mut self, from: &str, id: NodeId, query: Query, read_only: bool) {
        let body = Body::Query { id, query, want: None, read_only };
        self.hear(from, &Message { transaction: b"tt".to_vec(), seen_as: None, body });
    }

    /// Returns the packets that it sends now.
    fn sent(&mut self) -> Vec<(SocketAddr, Message)> {
        let packets = std::iter::from_fn(|| self.dht.poll_packet());
        packets
            .map(|(to, packet)| {
                (to, Message::parse(&packet).expect("the node sends valid messages"))
            })
            .collect()
    }

    /// Checks what it sends now, in short notation.
    fn check(&mut self, expected: &[&str]) {
        let sent: Vec<String> =
            self.sent().iter().map(|(to, message)| format!("{to} {}", show(message))).collect();
        assert_eq!(sent, expected);
    }

    /// Answers the last query that it sent to this address.
    fn answer(&mut self, from: &str, id: NodeId, nodes: &[Contact], peers: &[&str]) {
        let sent = self.sent();
        let (_, asked) =
            sent.iter().rev().find(|(to, _)| *to == addr(from)).expect("it sent a query");
        let peers = peers.iter().map(|peer| addr(peer)).collect();
        let response =
            Response { id, nodes: nodes.to_vec(), peers, token: Some(b"token".to_vec()) };
        let transaction = asked.transaction.clone();
        self.hear(from, &Message { transaction, seen_as: None, body: Body::Response(response) });
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.dht.poll_event()).collect()
    }
}

fn show(message: &Message) -> String {
    match &message.body {
        Body::Query { query, read_only, want, .. } => {
            let name = match query {
                Query::Ping => "ping".to_owned(),
                Query::FindNode { .. } => "find_node".to_owned(),
                Query::GetPeers { .. } => "get_peers".to_owned(),
                Query::AnnouncePeer { port, token, .. } => {
                    format!("announce_peer {} {}", port.unwrap_or(0), token.escape_ascii())
                }
            };
            let want = if *want == Some(Want { v4: true, v6: true }) { " n4 n6" } else { "" };
            format!("{name}{want}{}", if *read_only { " ro" } else { "" })
        }
        Body::Response(response) => format!("response {} nodes", response.nodes.len()),
        Body::Error(code) => format!("error {code:?}"),
    }
}

fn id(byte: u8) -> NodeId {
    NodeId([byte; 20])
}

#[test]
fn bootstrap_nodes_are_asked_for_both_families() {
    let mut bench = Bench::new();
    bench.wait(0);
    bench.check(&[]);
    bench.dht.add_router(addr("10.0.0.1:1"), bench.now);
    bench.wait(0);
    bench.check(&["10.0.0.1:1 find_node n4 n6"]);
    bench.wait(30);
    bench.check(&["10.0.0.1:1 find_node n4 n6"]);
    bench.dht.set_read_only(true);
    bench.wait(20);
    bench.check(&["10.0.0.1:1 find_node n4 n6 ro"]);
}

#[test]
fn a_search_waits_for_a_known_node_and_then_reports_peers_as_they_arrive() {
    let mut bench = Bench::new();
    bench.dht.announce(TORRENT, 6881, bench.now, &mut bench.rng);
    bench.check(&[]);
    bench.dht.add_node(addr("10.0.0.1:1"), bench.now, &mut bench.rng);
    bench.answer("10.0.0.1:1", id(1), &[], &[]);
    assert_eq!(bench.dht.nodes(), 1);
    let near = Contact { id: id(7), addr: addr("10.0.0.2:2") };
    bench.answer("10.0.0.1:1", id(1), &[near], &["10.9.9.9:9"]);
    let peers = |peer| Event::Peers { info_hash: TORRENT, peers: vec![addr(peer)] };
    assert_eq!(bench.events(), [peers("10.9.9.9:9")]);
    bench.answer("10.0.0.2:2", id(7), &[near], &["10.9.9.9:9", "10.9.9.8:8"]);
    let searched = Event::Searched { info_hash: TORRENT, family: Family::V4, peers: 2 };
    assert_eq!(bench.events(), [peers("10.9.9.8:8"), searched]);
    bench.check(&["10.0.0.2:2 announce_peer 6881 token", "10.0.0.1:1 announce_peer 6881 token"]);
}

#[test]
fn other_nodes_cannot_make_us_contact_local_or_special_addresses() {
    let mut bench = Bench::new();
    bench.dht.add_node(addr("8.8.8.8:1"), bench.now, &mut bench.rng);
    bench.answer("8.8.8.8:1", id(1), &[], &[]);
    bench.dht.search(TORRENT, bench.now, &mut bench.rng);
    let named = [
        "10.0.0.1:1",
        "127.0.0.1:1",
        "192.168.1.1:80",
        "224.0.0.1:1",
        "0.0.0.0:1",
        "9.9.9.9:0",
        "9.9.9.9:9",
    ];
    let nodes: Vec<Contact> = named
        .iter()
        .map(|node| Contact { id: NodeId::random(&mut bench.rng), addr: addr(node) })
        .collect();
    bench.answer("8.8.8.8:1", id(1), &nodes, &named);
    bench.check(&["9.9.9.9:9 get_peers"]);
    assert_eq!(
        bench.events(),
        [Event::Peers { info_hash: TORRENT, peers: vec![addr("9.9.9.9:9")] }]
    );
}

#[test]
fn nodes_of_the_other_family_are_queried_in_their_network() {
    let mut bench = Bench::new();
    bench.dht.add_router(addr("10.0.0.1:1"), bench.now);
    bench.wait(0);
    let other = Contact { id: id(9), addr: addr("[2001:db8::1]:1") };
    bench.answer("10.0.0.1:1", id(1), &[other], &[]);
    bench.check(&["[2001:db8::1]:1 ping"]);
}

#[test]
fn a_querying_node_is_answered_and_pinged_unless_read_only() {
    let mut bench = Bench::new();
    bench.ask("10.0.0.1:1", id(1), Query::Ping, true);
    bench.check(&["10.0.0.1:1 response 0 nodes"]);
    bench.ask("10.0.0.1:1", id(1), Query::FindNode { target: id(2) }, false);
    bench.check(&["10.0.0.1:1 response 0 nodes", "10.0.0.1:1 ping"]);
}

#[test]
fn an_unreachable_node_answers_no_queries() {
    let mut bench = Bench::new();
    bench.dht.set_read_only(true);
    bench.ask("10.0.0.1:1", id(1), Query::Ping, false);
    bench.dht.handle_packet(
        addr("10.0.0.1:1"),
        b"d1:q4:ping1:t2:aa1:y1:qe",
        bench.now,
        &mut bench.rng,
    );
    bench.check(&[]);
}

#[test]
fn an_invalid_query_gets_an_error_and_other_packets_are_ignored() {
    let mut bench = Bench::new();
    bench.dht.handle_packet(
        addr("10.0.0.1:1"),
        b"d1:q4:ping1:t2:aa1:y1:qe",
        bench.now,
        &mut bench.rng,
    );
    bench.check(&["10.0.0.1:1 error Protocol"]);
    bench.dht.handle_packet(addr("10.0.0.1:1"), b"rubbish", bench.now, &mut bench.rng);
    let body = Body::Error(ErrorCode::Server);
    bench.hear("10.0.0.1:1", &Message { transaction: b"xx".to_vec(), seen_as: None, body });
    bench.check(&[]);
}

#[test]
fn a_response_without_a_query_is_ignored() {
    let mut bench = Bench::new();
    let response = Response { id: id(1), nodes: Vec::new(), peers: Vec::new(), token: None };
    let body = Body::Response(response);
    bench.hear("10.0.0.1:1", &Message { transaction: b"xx".to_vec(), seen_as: None, body });
    assert_eq!(bench.dht.nodes(), 0);
}

#[test]
fn without_a_socket_searches_wait_for_the_next_one() {
    let mut bench = Bench::new();
    bench.dht.add_node(addr("10.0.0.1:1"), bench.now, &mut bench.rng);
    bench.answer("10.0.0.1:1", id(1), &[], &[]);
    bench.dht.search(TORRENT, bench.now, &mut bench.rng);
    bench.dht.close(Family::V4);
    bench.wait(100);
    bench.check(&[]);
    bench.dht.open(Family::V4, bench.now);
    bench.wait(0);
    assert!(bench.sent().iter().any(|(_, message)| show(message) == "get_peers"));
}

#[test]
fn a_cancelled_search_sends_no_events() {
    let mut bench = Bench::new();
    bench.dht.add_node(addr("10.0.0.1:1"), bench.now, &mut bench.rng);
    bench.answer("10.0.0.1:1", id(1), &[], &[]);
    bench.dht.search(TORRENT, bench.now, &mut bench.rng);
    bench.dht.cancel(TORRENT);
    bench.answer("10.0.0.1:1", id(1), &[], &["10.9.9.9:9"]);
    assert_eq!((bench.events(), bench.dht.is_searching()), (Vec::new(), false));
}
