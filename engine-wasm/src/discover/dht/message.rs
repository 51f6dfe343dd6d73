//! KRPC, the messages of the DHT (BEP 5, 32, 42, 43): parsing and encoding.
//!
//! This module knows neither the table nor the time. Invariant: the size of a parsed message is
//! bounded by the packet's length, addresses are canonical, and an encoded message parses to the
//! same message.
//!
//! The parser tolerates missing and extra fields, but not malformed node IDs and transaction IDs,
//! without which a message is useless.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use shared_proto::io::Family;
use thiserror::Error;

use super::node_id::NodeId;
use crate::metainfo::InfoHash;
use crate::metainfo::bencode::{self, BencodeError, Value};
use crate::metainfo::encode::{self, Dict};

/// Longest packet parsed, bytes: more than fits into an Ethernet frame.
pub(crate) const MAX_PACKET: usize = 2_048;
/// Longest transaction ID of other nodes, bytes. Two are usual.
const MAX_TRANSACTION: usize = 32;
/// Longest token of other nodes, bytes. Eight are usual.
const MAX_TOKEN: usize = 128;
/// Our client version in each message: `JS` and two bytes (BEP 5).
const VERSION: &[u8; 4] = b"JS\x01\x00";

/// Returns the family of an address. Each family has its own network of nodes (BEP 32).
pub fn family_of(addr: SocketAddr) -> Family {
    if addr.is_ipv4() { Family::V4 } else { Family::V6 }
}

/// A node's ID and address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contact {
    /// The node's ID.
    pub id: NodeId,
    /// The node's address.
    pub addr: SocketAddr,
}

/// Which nodes a querying node wants to receive (BEP 32).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// IPv4 nodes.
    pub v4: bool,
    /// IPv6 nodes.
    pub v6: bool,
}

/// A query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// `ping`: checks that the node is alive.
    Ping,
    /// `find_node`: asks for the nodes nearest to an ID.
    FindNode {
        /// The ID.
        target: NodeId,
    },
    /// `get_peers`: asks for peers of a torrent, and for the nodes nearest to it.
    GetPeers {
        /// The torrent.
        info_hash: InfoHash,
    },
    /// `announce_peer`: tells the node that the sender has the torrent.
    AnnouncePeer {
        /// The torrent.
        info_hash: InfoHash,
        /// The sender's listen port; `None` for the source port of the packet.
        port: Option<u16>,
        /// The token from the node's earlier response.
        token: Vec<u8>,
    },
}

/// A response. Its fields depend on the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The responding node's ID.
    pub id: NodeId,
    /// Nodes of both families.
    pub nodes: Vec<Contact>,
    /// Peers of the torrent.
    pub peers: Vec<SocketAddr>,
    /// The token that an announce must contain.
    pub token: Option<Vec<u8>>,
}

/// The kinds of errors (BEP 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// 201: generic error.
    Generic,
    /// 202: server error.
    Server,
    /// 203: protocol error, such as a malformed packet or an invalid token.
    Protocol,
    /// 204: unknown method.
    MethodUnknown,
}

impl ErrorCode {
    fn number(self) -> i64 {
        match self {
            ErrorCode::Generic => 201,
            ErrorCode::Server => 202,
            ErrorCode::Protocol => 203,
            ErrorCode::MethodUnknown => 204,
        }
    }

    fn from_number(number: i64) -> Self {
        match number {
            202 => ErrorCode::Server,
            203 => ErrorCode::Protocol,
            204 => ErrorCode::MethodUnknown,
            _ => ErrorCode::Generic,
        }
    }
}

/// The content of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A question.
    Query {
        /// The querying node's ID.
        id: NodeId,
        /// The query.
        query: Query,
        /// Which nodes the sender wants; `None` for the family of the packet.
        want: Option<Want>,
        /// Whether the sender answers no queries (BEP 43). Nodes should not remember such a sender.
        read_only: bool,
    },
    /// A response.
    Response(Response),
    /// An error.
    Error(ErrorCode),
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The transaction ID, which the response repeats.
    pub transaction: Vec<u8>,
    /// In a response: the querying node's address as the responding node sees it (BEP 42).
    pub seen_as: Option<SocketAddr>,
    /// The content.
    pub body: Body,
}

/// Why a packet is not a valid message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MessageError {
    /// Longer than [`MAX_PACKET`].
    #[error("the packet is too long: {0} bytes")]
    TooLong(usize),
    /// The packet is not valid bencoding.
    #[error("the packet is not valid bencoding: {0}")]
    Bencode(#[from] BencodeError),
    /// The packet is bencoding, but not a message.
    #[error("the packet is not a DHT message")]
    NotAMessage,
    /// A query that can only be answered with this error.
    #[error("invalid query: {code:?}")]
    BadQuery {
        /// The transaction ID.
        transaction: Vec<u8>,
        /// The error to send.
        code: ErrorCode,
    },
}

impl Message {
    /// Parses a packet.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn parse(packet: &[u8]) -> Result<Self, MessageError> {
        if packet.len() > MAX_PACKET {
            return Err(MessageError::TooLong(packet.len()));
        }
        let document = bencode::parse(packet)?;
        let root = document.root();
        let transaction =
            root.get("t").and_then(Value::bytes).filter(|number| number.len() <= MAX_TRANSACTION);
        let transaction = transaction.ok_or(MessageError::NotAMessage)?.to_vec();
        let body = match root.get("y").and_then(Value::bytes) {
            Some(b"q") => query(root).map_err(|code| {
                let transaction = transaction.clone();
                MessageError::BadQuery { transaction, code }
            })?,
            Some(b"r") => response(root).ok_or(MessageError::NotAMessage)?,
            Some(b"e") => error(root),
            _ => return Err(MessageError::NotAMessage),
        };
        let seen_as = root.get("ip").and_then(Value::bytes).and_then(address);
        Ok(Self { transaction, seen_as, body })
    }

    /// Encodes the message as a packet.
    pub fn encode(&self) -> Bytes {
        let mut dict = Dict::new().bytes("t", &self.transaction).bytes("v", VERSION);
        if let Some(addr) = self.seen_as {
            dict = dict.bytes("ip", compact(addr));
        }
        dict = match &self.body {
            Body::Query { id, query, want, read_only } => {
                if *read_only {
                    dict = dict.int("ro", 1);
                }
                let (name, arguments) = query_arguments(*id, query, *want);
                dict.bytes("y", "q").bytes("q", name).raw("a", arguments.encode())
            }
            Body::Response(response) => {
                dict.bytes("y", "r").raw("r", response_arguments(response).encode())
            }
            Body::Error(code) => {
                let list = [encode::int(code.number()), encode::bytes(error_text(*code))];
                dict.bytes("y", "e").raw("e", encode::list(list))
            }
        };
        dict.encode().into()
    }
}

fn query(root: Value<'_>) -> Result<Body, ErrorCode> {
    let arguments = root.get("a").ok_or(ErrorCode::Protocol)?;
    let bytes = |key| arguments.get(key).and_then(Value::bytes);
    let id = bytes("id").and_then(|id| NodeId::try_from(id).ok()).ok_or(ErrorCode::Protocol)?;
    let info_hash = || info_hash(bytes("info_hash")).ok_or(ErrorCode::Protocol);
    let target = || {
        bytes("target").and_then(|target| NodeId::try_from(target).ok()).ok_or(ErrorCode::Protocol)
    };
    let query = match root.get("q").and_then(Value::bytes).ok_or(ErrorCode::Protocol)? {
        b"ping" => Query::Ping,
        b"find_node" => Query::FindNode { target: target()? },
        b"get_peers" => Query::GetPeers { info_hash: info_hash()? },
        b"announce_peer" => announce(arguments, info_hash()?)?,
        // Other queries with a target (from later BEPs) are answered with the nodes nearest to it,
        // which may know more.
        _ => {
            let target = target()
                .or_else(|_| info_hash().map(NodeId::from))
                .map_err(|_| ErrorCode::MethodUnknown)?;
            Query::FindNode { target }
        }
    };
    let want = arguments.get("want").and_then(Value::list).map(|list| {
        list.filter_map(Value::bytes).fold(Want::default(), |want, word| Want {
            v4: want.v4 || word == b"n4",
            v6: want.v6 || word == b"n6",
        })
    });
    let read_only = root.get("ro").and_then(Value::int) == Some(1);
    Ok(Body::Query { id, query, want, read_only })
}

fn announce(arguments: Value<'_>, info_hash: InfoHash) -> Result<Query, ErrorCode> {
    let number = |key| arguments.get(key).and_then(Value::int);
    let port = match number("implied_port") {
        Some(implied) if implied != 0 => None,
        _ => {
            let port =
                number("port").and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
            Some(port.ok_or(ErrorCode::Protocol)?)
        }
    };
    let token =
        arguments.get("token").and_then(Value::bytes).filter(|token| token.len() <= MAX_TOKEN);
    Ok(Query::AnnouncePeer { info_hash, port, token: token.ok_or(ErrorCode::Protocol)?.to_vec() })
}

fn response(root: Value<'_>) -> Option<Body> {
    let fields = root.get("r")?;
    let bytes = |key| fields.get(key).and_then(Value::bytes);
    let id = NodeId::try_from(bytes("id")?).ok()?;
    let nodes =
        compact_nodes(bytes("nodes"), 26).chain(compact_nodes(bytes("nodes6"), 38)).collect();
    let peers = fields.get("values").and_then(Value::list).into_iter().flatten();
    let peers = peers.filter_map(|peer| address(peer.bytes()?)).collect();
    let token = bytes("token").filter(|token| token.len() <= MAX_TOKEN).map(<[u8]>::to_vec);
    Some(Body::Response(Response { id, nodes, peers, token }))
}

fn error(root: Value<'_>) -> Body {
    let number = root.get("e").and_then(Value::list).and_then(|mut list| list.next()?.int());
    Body::Error(number.map_or(ErrorCode::Generic, ErrorCode::from_number))
}

fn info_hash(bytes: Option<&[u8]>) -> Option<InfoHash> {
    bytes?.try_into().ok().map(InfoHash)
}

/// Splits compact node information into nodes of `size` bytes; ignores an incomplete last one.
pub(super) fn compact_nodes(bytes: Option<&[u8]>, size: usize) -> impl Iterator<Item = Contact> {
    bytes.unwrap_or_default().chunks_exact(size).filter_map(|node| {
        let (id, addr) = node.split_at(20);
        Some(Contact { id: NodeId::try_from(id).ok()?, addr: address(addr)? })
    })
}

/// Encodes nodes of one family as compact node information.
pub(super) fn write_nodes<'a>(
    nodes: impl IntoIterator<Item = &'a Contact>,
    family: Family,
) -> Vec<u8> {
    let of_family = nodes.into_iter().filter(|node| family_of(node.addr) == family);
    of_family.flat_map(|node| [&node.id.0[..], &compact(node.addr)].concat()).collect()
}

/// Parses an address of 6 or 18 bytes.
pub(super) fn address(bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = bytes.split_last_chunk::<2>()?;
    let ip = if let Ok(v4) = <[u8; 4]>::try_from(ip) {
        Ipv4Addr::from(v4).into()
    } else {
        Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?).into()
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

/// Encodes an address in 6 or 18 bytes.
pub(super) fn compact(addr: SocketAddr) -> Vec<u8> {
    let mut bytes = match addr {
        SocketAddr::V4(v4) => v4.ip().octets().to_vec(),
        SocketAddr::V6(v6) => v6.ip().octets().to_vec(),
    };
    bytes.extend_from_slice(&addr.port().to_be_bytes());
    bytes
}

fn query_arguments(id: NodeId, query: &Query, want: Option<Want>) -> (&'static str, Dict) {
    let dict = Dict::new().bytes("id", id.0);
    let (name, dict) = match query {
        Query::Ping => ("ping", dict),
        Query::FindNode { target } => ("find_node", dict.bytes("target", target.0)),
        Query::GetPeers { info_hash } => ("get_peers", dict.bytes("info_hash", info_hash.0)),
        Query::AnnouncePeer { info_hash, port, token } => {
            let dict = dict.bytes("info_hash", info_hash.0).bytes("token", token);
            let implied = i64::from(port.is_none());
            // BEP 5 requires a port even if `implied_port` is set.
            let port = i64::from(port.unwrap_or(1));
            ("announce_peer", dict.int("implied_port", implied).int("port", port))
        }
    };
    let Some(want) = want else { return (name, dict) };
    let words = [("n4", want.v4), ("n6", want.v6)].into_iter().filter(|(_, wanted)| *wanted);
    (name, dict.raw("want", encode::list(words.map(|(word, _)| encode::bytes(word)))))
}

fn response_arguments(response: &Response) -> Dict {
    let mut dict = Dict::new().bytes("id", response.id.0);
    for (key, family) in [("nodes", Family::V4), ("nodes6", Family::V6)] {
        let nodes = write_nodes(&response.nodes, family);
        if !nodes.is_empty() {
            dict = dict.bytes(key, nodes);
        }
    }
    if let Some(token) = &response.token {
        dict = dict.bytes("token", token);
    }
    if !response.peers.is_empty() {
        let peers = response.peers.iter().map(|peer| encode::bytes(compact(*peer)));
        dict = dict.raw("values", encode::list(peers));
    }
    dict
}

fn error_text(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Generic => "Generic Error",
        ErrorCode::Server => "Server Error",
        ErrorCode::Protocol => "Protocol Error",
        ErrorCode::MethodUnknown => "Method Unknown",
    }
}

#[cfg(test)]
mod tests;
