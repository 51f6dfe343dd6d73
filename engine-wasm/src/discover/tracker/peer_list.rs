//! The peers in an HTTP tracker's answer, in each form that trackers use (BEP 3, 7, 23).
//!
//! Owns the forms of `peers` and `peers6`. An entry that names no peer is skipped and costs no
//! other entry. Invariant: at most [`MAX_PEERS`] addresses and [`MAX_HOSTS`] host names are read.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::MAX_PEERS;
use crate::addresses::{compact_v4, compact_v6};
use crate::metainfo::bencode::Value;

/// Maximum number of peers that are looked up by name.
pub(super) const MAX_HOSTS: usize = 8;
/// Longest host name that is looked up, in bytes (RFC 1035 §2.3.4).
const MAX_HOST: usize = 253;

/// The peers of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PeerList {
    /// Their addresses.
    pub(super) addresses: Vec<SocketAddr>,
    /// Host names and ports of peers that have to be looked up (BEP 3).
    pub(super) hosts: Vec<(String, u16)>,
}

impl PeerList {
    /// Reads the peers of an answer.
    pub(super) fn of(root: Value<'_>) -> Self {
        let mut list = Self::default();
        if let Some(peers) = root.get("peers") {
            list.read(peers, compact_v4);
        }
        if let Some(peers) = root.get("peers6") {
            list.read(peers, compact_v6);
        }
        list
    }

    /// Whether no peer is named.
    pub(super) fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.hosts.is_empty()
    }

    /// Reads a string of compact addresses, a list of peers, or a dictionary of peers by number:
    /// some languages write a list like that.
    fn read<'d, I: Iterator<Item = SocketAddr>>(
        &mut self,
        peers: Value<'d>,
        compact: impl Fn(&'d [u8]) -> I,
    ) {
        let room = MAX_PEERS - self.addresses.len();
        self.addresses.extend(peers.bytes().into_iter().flat_map(compact).take(room));
        peers.list().into_iter().flatten().for_each(|peer| self.read_peer(peer));
        peers.dict().into_iter().flatten().for_each(|(_, peer)| self.read_peer(peer));
    }

    /// Reads a dictionary with `ip` and `port`, or a single compact address.
    fn read_peer(&mut self, peer: Value<'_>) {
        if self.addresses.len() >= MAX_PEERS {
            return;
        }
        if let Some(bytes) = peer.bytes() {
            match bytes.len() {
                6 => self.addresses.extend(compact_v4(bytes)),
                18 => self.addresses.extend(compact_v6(bytes)),
                _ => {}
            }
            return;
        }
        let port = peer.get("port").and_then(number).and_then(|port| u16::try_from(port).ok());
        let Some(port) = port.filter(|port| *port != 0) else { return };
        let Some(host) = peer.get("ip").and_then(Value::bytes) else { return };
        match address(host) {
            Some(ip) => self.addresses.push(SocketAddr::new(ip, port)),
            None if self.hosts.len() < MAX_HOSTS => self.hosts.extend(name(host).zip(Some(port))),
            None => {}
        }
    }
}

/// Parses a number of at least 0, which some trackers write as a string.
pub(super) fn number(value: Value<'_>) -> Option<u64> {
    value.uint().or_else(|| value.text()?.trim().parse().ok())
}

/// Parses an address: as text, or four or sixteen bytes in network order (BEP 24).
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    let text = || {
        let text = std::str::from_utf8(bytes).ok()?.trim();
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        bare.parse().ok()
    };
    let v4 = || <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).into());
    text().or_else(v4).or_else(v6).map(|ip: IpAddr| ip.to_canonical())
}

/// A host name that can be looked up. Something like an address with a mistake is none.
fn name(host: &[u8]) -> Option<String> {
    let host = std::str::from_utf8(host).ok()?.trim();
    let is_name = (1..=MAX_HOST).contains(&host.len())
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        && host.bytes().any(|byte| byte.is_ascii_alphabetic());
    is_name.then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::bencode;
    use crate::metainfo::encode::{self, Dict};

    fn list(dict: Dict) -> PeerList {
        PeerList::of(bencode::parse(&dict.encode()).unwrap().root())
    }

    /// Checks the addresses of an answer, then its host names.
    fn check(dict: Dict, expected: &[&str]) {
        let PeerList { addresses, hosts } = list(dict);
        let hosts = hosts.into_iter().map(|(host, port)| format!("{host}:{port}"));
        let shown: Vec<String> = addresses.iter().map(ToString::to_string).chain(hosts).collect();
        assert_eq!(shown, expected);
    }

    fn peer(ip: &str, port: i64) -> Vec<u8> {
        Dict::new().bytes("ip", ip).int("port", port).encode()
    }

    const V4: [u8; 6] = [127, 0, 0, 1, 0x1a, 0xe1];

    fn v6() -> Vec<u8> {
        [&Ipv6Addr::LOCALHOST.octets()[..], &[0x1a, 0xe1]].concat()
    }

    #[test]
    fn compact_peers_of_both_families_are_read() {
        let both = Dict::new().bytes("peers", V4).bytes("peers6", v6());
        check(both, &["127.0.0.1:6881", "[::1]:6881"]);
        check(Dict::new().bytes("peers6", v6()), &["[::1]:6881"]);
        check(Dict::new().bytes("peers", "").bytes("peers6", ""), &[]);
        check(Dict::new(), &[]);
    }

    #[test]
    fn an_incomplete_compact_address_costs_only_itself() {
        check(Dict::new().bytes("peers", [&V4[..], &[1, 2, 3]].concat()), &["127.0.0.1:6881"]);
        check(Dict::new().bytes("peers", [1, 2, 3]), &[]);
        let cut = [&v6()[..], &[1; 17]].concat();
        check(Dict::new().bytes("peers6", cut), &["[::1]:6881"]);
    }

    #[test]
    fn peers_as_dictionaries_have_addresses_or_names() {
        let peers = encode::list([
            peer("1.2.3.4", 5),
            peer("::1", 6),
            peer("[2001:db8::1]", 7),
            peer("::ffff:1.2.3.4", 8),
            peer("peer-1.example", 9),
        ]);
        let expected = ["1.2.3.4:5", "[::1]:6", "[2001:db8::1]:7", "1.2.3.4:8", "peer-1.example:9"];
        check(Dict::new().raw("peers", peers.clone()), &expected);
        check(Dict::new().raw("peers6", peers), &expected);
        let text = Dict::new().bytes("ip", "1.2.3.4").bytes("port", "5").encode();
        let binary = Dict::new().bytes("ip", [1, 2, 3, 4]).int("port", 6).encode();
        check(Dict::new().raw("peers", encode::list([text, binary])), &["1.2.3.4:5", "1.2.3.4:6"]);
    }

    #[test]
    fn lists_may_hold_compact_addresses_and_may_be_written_as_dictionaries() {
        let compact = encode::list([encode::bytes(V4), encode::bytes(v6()), encode::bytes("abc")]);
        check(Dict::new().raw("peers", compact), &["127.0.0.1:6881", "[::1]:6881"]);
        let numbered = Dict::new().raw("0", peer("1.2.3.4", 5)).raw("1", peer("1.2.3.4", 6));
        check(Dict::new().raw("peers", numbered.encode()), &["1.2.3.4:5", "1.2.3.4:6"]);
    }

    #[test]
    fn entries_that_name_no_peer_are_skipped() {
        let peers = encode::list([
            peer("1.2.3.4", 65536),
            peer("1.2.3.4", -1),
            peer("1.2.3.4", 0),
            peer("", 5),
            peer("1.2.3.400", 5),
            peer("a b", 5),
            peer("10.0.0.1", 5),
            Dict::new().int("port", 5).encode(),
            encode::int(3),
            encode::list([]),
        ]);
        check(Dict::new().raw("peers", peers), &["10.0.0.1:5"]);
        check(Dict::new().int("peers", 3), &[]);
    }

    #[test]
    fn more_peers_than_allowed_are_cut() {
        let many =
            Dict::new().bytes("peers", vec![1; 6 * (MAX_PEERS + 1)]).bytes("peers6", vec![1; 18]);
        assert_eq!(list(many).addresses.len(), MAX_PEERS);
        let peers = encode::list((0..MAX_PEERS + 1).map(|_| peer("1.2.3.4", 5)));
        assert_eq!(list(Dict::new().raw("peers", peers)).addresses.len(), MAX_PEERS);
        let named = encode::list((0..20).map(|_| peer("peer.example", 5)));
        assert_eq!(list(Dict::new().raw("peers", named)).hosts.len(), MAX_HOSTS);
    }
}
