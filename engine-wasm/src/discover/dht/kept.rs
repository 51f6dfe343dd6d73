//! The part of the DHT's state that is stored between sessions: our node IDs, and nodes.
//!
//! Invariant: decoding returns what was encoded, and `None` for anything else.

use shared_proto::io::Family;

use super::message::{Contact, compact_nodes, write_nodes};
use super::node_id::NodeId;
use crate::metainfo::bencode::{self, Value};
use crate::metainfo::encode::Dict;

/// Most nodes stored per address family.
pub(super) const MAX_KEPT: usize = 200;

/// The stored state of one address family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// Our node ID.
    pub(super) own: NodeId,
    /// Nodes that were in the table.
    pub(super) nodes: Vec<Contact>,
}

const KEYS: [(Family, &str, &str, usize); 2] =
    [(Family::V4, "id4", "nodes4", 26), (Family::V6, "id6", "nodes6", 38)];

/// Encodes the state of both families.
pub(super) fn encode(kept: [&Kept; 2]) -> Vec<u8> {
    let mut dict = Dict::new();
    for ((family, id, nodes, _), kept) in KEYS.into_iter().zip(kept) {
        dict = dict
            .bytes(id, kept.own.0)
            .bytes(nodes, write_nodes(kept.nodes.iter().take(MAX_KEPT), family));
    }
    dict.encode()
}

/// Decodes what [`encode`] returned.
pub(super) fn decode(bytes: &[u8]) -> Option<[Kept; 2]> {
    let document = bencode::parse(bytes).ok()?;
    let read = |at: usize| {
        let (_, id, nodes, size) = KEYS[at];
        let bytes = |key| document.root().get(key).and_then(Value::bytes);
        let own = NodeId::try_from(bytes(id)?).ok()?;
        Some(Kept { own, nodes: compact_nodes(bytes(nodes), size).take(MAX_KEPT).collect() })
    };
    Some([read(0)?, read(1)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> [Kept; 2] {
        let node = |n: u8, addr: &str| Contact { id: NodeId([n; 20]), addr: addr.parse().unwrap() };
        [
            Kept { own: NodeId([1; 20]), nodes: vec![node(2, "1.2.3.4:5"), node(3, "1.2.3.5:6")] },
            Kept { own: NodeId([4; 20]), nodes: vec![node(5, "[2001:db8::1]:7")] },
        ]
    }

    #[test]
    fn encoded_messages_round_trip() {
        let [v4, v6] = sample();
        assert_eq!(decode(&encode([&v4, &v6])), Some(sample()));
    }

    #[test]
    fn truncated_or_damaged_state_is_refused() {
        let [v4, v6] = sample();
        let bytes = encode([&v4, &v6]);
        (0..bytes.len()).for_each(|length| assert_eq!(decode(&bytes[..length]), None));
        assert_eq!(decode(b"de"), None);
    }
}
