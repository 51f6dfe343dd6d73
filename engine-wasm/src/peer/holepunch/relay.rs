//! Decides whether we introduce two peers, and whether to follow a relay.
//!
//! Rules without state: the caller knows the connections and the request rates. Invariant: an
//! address in our local network is neither revealed to peers outside it, nor accepted from them.

use std::net::{IpAddr, SocketAddr};

use super::Refusal;
use crate::addresses::is_local;

/// The requested peer of a rendezvous, as far as we know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The source address of its datagrams, as far as we know.
    pub(crate) endpoint: SocketAddr,
    /// Whether it supports the extension.
    pub(crate) supports: bool,
    /// Whether it is the peer that asked.
    pub(crate) is_asker: bool,
}

/// Decides about a rendezvous between the peer at `asker` and the one at `addr`.
///
/// `own` holds our addresses as others see them.
///
/// # Errors
/// [`Refusal`]: what the asker is told.
pub(crate) fn judge(
    addr: SocketAddr,
    asker: SocketAddr,
    own: [Option<SocketAddr>; 2],
    target: Option<Target>,
) -> Result<Target, Refusal> {
    if addr.port() == 0 || addr.ip().is_unspecified() || addr.ip().is_multicast() {
        return Err(Refusal::NoSuchPeer);
    }
    if own.contains(&Some(addr)) {
        return Err(Refusal::NoSelf);
    }
    let target = target.ok_or(Refusal::NotConnected)?;
    if target.is_asker {
        // libtorrent answers the same, although the address is not the relay's own.
        return Err(Refusal::NoSelf);
    }
    let (one, other) = (asker.ip(), target.endpoint.ip());
    if one.is_ipv4() != other.is_ipv4() || is_local(one) != is_local(other) {
        // Packets of either peer could not reach the other.
        return Err(Refusal::NotConnected);
    }
    if target.supports { Ok(target) } else { Err(Refusal::NoSupport) }
}

/// Whether to dial an address for a relay. A relay outside our local network may not name one
/// inside it.
pub(crate) fn is_believed(relay: IpAddr, addr: SocketAddr) -> bool {
    is_local(relay) || !is_local(addr.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "198.51.100.9:6881";

    /// Checks a rendezvous with an address whose peer has this endpoint.
    fn check(addr: &str, asker: &str, endpoint: Option<&str>, expected: Option<Refusal>) {
        let parse = |text: &str| text.parse::<SocketAddr>().unwrap();
        let target = endpoint.map(|it| Target {
            endpoint: parse(it),
            supports: true,
            is_asker: it == asker,
        });
        let judged = judge(parse(addr), parse(asker), [Some(parse(OWN)), None], target);
        assert_eq!(judged.err(), expected, "{asker} wants {addr}");
    }

    #[test]
    fn two_connected_peers_are_introduced() {
        check("1.2.3.4:5", "6.7.8.9:10", Some("1.2.3.4:77"), None);
        check("[2001:db8::1]:5", "[2001:db8::2]:5", Some("[2001:db8::1]:5"), None);
        check("192.168.0.2:5", "192.168.0.3:5", Some("192.168.0.2:5"), None);
    }

    #[test]
    fn each_refusal_has_its_reason() {
        check("1.2.3.4:5", "6.7.8.9:10", None, Some(Refusal::NotConnected));
        check("1.2.3.4:0", "6.7.8.9:10", None, Some(Refusal::NoSuchPeer));
        check("0.0.0.0:5", "6.7.8.9:10", None, Some(Refusal::NoSuchPeer));
        check("224.0.0.1:5", "6.7.8.9:10", None, Some(Refusal::NoSuchPeer));
        check(OWN, "6.7.8.9:10", None, Some(Refusal::NoSelf));
        check("6.7.8.9:10", "6.7.8.9:10", Some("6.7.8.9:10"), Some(Refusal::NoSelf));
        let (addr, asker) = ("1.2.3.4:5".parse().unwrap(), "6.7.8.9:10".parse().unwrap());
        let target = Target { endpoint: addr, supports: false, is_asker: false };
        assert_eq!(judge(addr, asker, [None; 2], Some(target)), Err(Refusal::NoSupport));
    }

    #[test]
    fn an_outside_peer_cannot_name_local_addresses() {
        let check = |relay: &str, addr: &str, expected| {
            assert_eq!(
                is_believed(relay.parse().unwrap(), addr.parse().unwrap()),
                expected,
                "{relay} names {addr}"
            );
        };
        check("6.7.8.9", "1.2.3.4:5", true);
        check("192.168.0.2", "1.2.3.4:5", true);
        check("192.168.0.2", "192.168.0.3:5", true);
        check("6.7.8.9", "192.168.0.3:5", false);
        check("6.7.8.9", "127.0.0.1:5", false);
        check("6.7.8.9", "[fe80::1]:5", false);
    }

    #[test]
    fn no_peer_is_sent_to_an_unreachable_address() {
        check("192.168.0.2:5", "6.7.8.9:10", Some("192.168.0.2:5"), Some(Refusal::NotConnected));
        check("6.7.8.9:10", "192.168.0.2:5", Some("6.7.8.9:10"), Some(Refusal::NotConnected));
        check("6.7.8.9:10", "[2001:db8::1]:5", Some("6.7.8.9:10"), Some(Refusal::NotConnected));
    }
}
