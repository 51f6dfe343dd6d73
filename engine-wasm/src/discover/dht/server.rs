//! Answers the queries of other nodes, within limits.
//!
//! This module owns the announces received from others and the rate limits; its caller provides the
//! nodes to name. Invariant: an answer is at most `MAX_ANSWER` bytes long, a machine receives at
//! most [`PER_MACHINE`] answers per [`WINDOW`], and all machines together at most [`IN_ALL`].
//! Source addresses are easy to forge, so answers may be aimed at a victim: hence the limit per
//! machine.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand::Rng;
use shared_proto::io::Family;

use super::message::{Body, Contact, ErrorCode, Message, Query, Response, Want, family_of};
use super::node_id::NodeId;
use super::storage::{Storage, Tokens};
use super::table::BUCKET;
use crate::addresses::machine;
use crate::time::Instant;

/// Longest answer, bytes: fits with its headers into a packet of any network (RFC 8200 §5).
#[cfg(test)]
pub(crate) const MAX_ANSWER: usize = 1_200;
/// The time window of the rate limits.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);
/// Most answers to one machine per window.
pub(crate) const PER_MACHINE: u32 = 50;
/// Most answers per window in total: 60 KiB/s if all are as long as possible.
pub(crate) const IN_ALL: u32 = 500;
/// Most peers in one answer, by family; with 16 nodes they fit into `MAX_ANSWER`.
const MAX_PEERS: [usize; 2] = [60, 25];

/// Number of answers to each machine in the current window.
#[derive(Clone, Debug, Default)]
struct Gate {
    since: Instant,
    machines: BTreeMap<IpAddr, u32>,
    all: u32,
}

impl Gate {
    fn admits(&mut self, ip: IpAddr, now: Instant) -> bool {
        if now.saturating_since(self.since) >= WINDOW {
            *self = Self { since: now, ..Self::default() };
        }
        if self.all >= IN_ALL {
            return false;
        }
        let answered = self.machines.entry(machine(ip)).or_default();
        *answered += 1;
        if *answered > PER_MACHINE {
            return false;
        }
        self.all += 1;
        true
    }
}

/// The part of a node that serves others, for both families.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    storage: Storage,
    tokens: Tokens,
    gate: Gate,
}

impl Server {
    /// Creates a server without announces.
    pub(crate) fn new(rng: &mut impl Rng, now: Instant) -> Self {
        Self { storage: Storage::default(), tokens: Tokens::new(rng, now), gate: Gate::default() }
    }

    /// Returns whether a machine may receive another answer, and counts it.
    pub(crate) fn admits(&mut self, from: SocketAddr, now: Instant) -> bool {
        self.gate.admits(from.ip(), now)
    }

    /// Answers a query. `own` is our ID in the sender's family.
    ///
    /// `closest` returns the nodes nearest to an ID in a family.
    pub(crate) fn answer(
        &mut self,
        (query, want): (&Query, Option<Want>),
        from: SocketAddr,
        own: NodeId,
        closest: impl Fn(NodeId, Family) -> Vec<Contact>,
        rng: &mut impl Rng,
        now: Instant,
    ) -> Body {
        let family = family_of(from);
        let mut response = Response { id: own, nodes: Vec::new(), peers: Vec::new(), token: None };
        let nodes = |target: NodeId| {
            let want = want.unwrap_or(Want { v4: family == Family::V4, v6: family == Family::V6 });
            let families = [(want.v4, Family::V4), (want.v6, Family::V6)];
            let wanted = families.into_iter().filter(|(wanted, _)| *wanted);
            wanted.flat_map(|(_, family)| closest(target, family)).collect()
        };
        match query {
            Query::Ping => {}
            Query::FindNode { target } => response.nodes = nodes(*target),
            Query::GetPeers { info_hash } => {
                let most = MAX_PEERS[usize::from(family == Family::V6)];
                response.nodes = nodes(NodeId::from(*info_hash));
                response.peers = self.storage.peers(*info_hash, family, most, rng);
                response.token = Some(self.tokens.token(from.ip(), *info_hash));
            }
            Query::AnnouncePeer { info_hash, port, token } => {
                if !self.tokens.is_valid(token, from.ip(), *info_hash) {
                    return Body::Error(ErrorCode::Protocol);
                }
                let peer = SocketAddr::new(from.ip(), port.unwrap_or(from.port()));
                self.storage.announce(*info_hash, peer, now);
            }
        }
        Body::Response(response)
    }

    /// Expires old announces and changes the token secret.
    pub(crate) fn maintain(&mut self, rng: &mut impl Rng, now: Instant) {
        self.storage.expire(now);
        self.tokens.rotate(rng, now);
    }

    /// Returns the number of torrents and of peers that are stored for others.
    #[cfg(test)]
    pub(crate) fn stored(&self) -> (usize, usize) {
        self.storage.len()
    }
}

/// Creates a message that answers a query from this address.
pub(crate) fn reply(transaction: Vec<u8>, to: SocketAddr, body: Body) -> Message {
    Message { transaction, seen_as: Some(to), body }
}

/// Number of nodes of each family in an answer.
pub(crate) const NAMED: usize = BUCKET;

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;
    use crate::metainfo::InfoHash;

    const OWN: NodeId = NodeId([1; 20]);
    const TORRENT: InfoHash = InfoHash([2; 20]);

    fn server() -> Server {
        Server::new(&mut ChaCha8Rng::seed_from_u64(1), Instant(0))
    }

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// Returns as many nodes as an answer may contain.
    fn crowd(_: NodeId, family: Family) -> Vec<Contact> {
        let ip = |n: u8| match family {
            Family::V4 => IpAddr::from([1, 1, 1, n]),
            Family::V6 => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(n)]),
        };
        (1..=8)
            .map(|n| Contact { id: NodeId([n; 20]), addr: SocketAddr::new(ip(n), 6881) })
            .collect()
    }

    fn ask_wanting(server: &mut Server, from: &str, query: &Query, want: Option<Want>) -> Body {
        server.answer(
            (query, want),
            addr(from),
            OWN,
            crowd,
            &mut ChaCha8Rng::seed_from_u64(2),
            Instant(0),
        )
    }

    fn ask(server: &mut Server, from: &str, query: &Query) -> Response {
        match ask_wanting(server, from, query, None) {
            Body::Response(response) => response,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_announce_with_a_token_is_found_by_the_next_query() {
        let mut server = server();
        let first = ask(&mut server, "3.3.3.3:1000", &Query::GetPeers { info_hash: TORRENT });
        assert_eq!((first.peers.len(), first.nodes.len()), (0, 8));
        let token = first.token.unwrap();
        let announce =
            |port| Query::AnnouncePeer { info_hash: TORRENT, port, token: token.clone() };
        ask(&mut server, "3.3.3.3:1000", &announce(Some(7000)));
        ask(&mut server, "3.3.3.3:1000", &announce(None));
        let mut peers =
            ask(&mut server, "4.4.4.4:1", &Query::GetPeers { info_hash: TORRENT }).peers;
        peers.sort_unstable();
        assert_eq!(peers, [addr("3.3.3.3:1000"), addr("3.3.3.3:7000")]);
    }

    #[test]
    fn an_announce_without_its_token_is_refused() {
        let mut server = server();
        let token = ask(&mut server, "3.3.3.3:1000", &Query::GetPeers { info_hash: TORRENT })
            .token
            .unwrap();
        let announce = Query::AnnouncePeer { info_hash: TORRENT, port: Some(1), token };
        assert_eq!(
            ask_wanting(&mut server, "3.3.3.4:1000", &announce, None),
            Body::Error(ErrorCode::Protocol)
        );
        assert_eq!(server.stored(), (0, 0));
    }

    #[test]
    fn nodes_have_the_senders_family_unless_it_wants_others() {
        let mut server = server();
        let query = Query::FindNode { target: OWN };
        let families = |body: Body| match body {
            Body::Response(response) => {
                let v4 = response.nodes.iter().filter(|node| node.addr.is_ipv4()).count();
                (v4, response.nodes.len() - v4)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(families(ask_wanting(&mut server, "3.3.3.3:1", &query, None)), (8, 0));
        assert_eq!(families(ask_wanting(&mut server, "[2001:db8::9]:1", &query, None)), (0, 8));
        let both = Some(Want { v4: true, v6: true });
        assert_eq!(families(ask_wanting(&mut server, "3.3.3.3:1", &query, both)), (8, 8));
    }

    #[test]
    fn the_longest_answers_fit_their_bound() {
        for (from, prefix) in [("3.3.3.3:1", ""), ("[2001:db8::9]:1", "6")] {
            let mut server = server();
            for number in 0..200u16 {
                let [_, low] = number.to_be_bytes();
                let ip: IpAddr = if prefix.is_empty() {
                    [9, 9, 9, low].into()
                } else {
                    [0x2001, number, 0, 0, 0, 0, 0, 1].into()
                };
                let peer = SocketAddr::new(ip, 6881);
                server.storage.announce(TORRENT, peer, Instant(0));
            }
            let query = Query::GetPeers { info_hash: TORRENT };
            let body = ask_wanting(&mut server, from, &query, Some(Want { v4: true, v6: true }));
            let packet = reply(vec![0; 32], addr(from), body).encode();
            assert!(
                (MAX_ANSWER - 150..=MAX_ANSWER).contains(&packet.len()),
                "{} bytes to {from}",
                packet.len()
            );
        }
    }

    #[test]
    fn answers_are_limited_per_machine_and_in_total() {
        let mut server = server();
        let admitted = |server: &mut Server, host: u8, times: u32, now: Instant| {
            let from = SocketAddr::from(([5, 5, 5, host], 1));
            (0..times).filter(|_| server.admits(from, now)).count()
        };
        assert_eq!(admitted(&mut server, 1, 100, Instant(1)), 50);
        assert_eq!(admitted(&mut server, 2, 10, Instant(2)), 10);
        let rest: usize = (3..=200).map(|host| admitted(&mut server, host, 10, Instant(3))).sum();
        assert_eq!(rest, 440);
        assert_eq!(admitted(&mut server, 1, 100, Instant(0) + WINDOW), 50);
    }
}
