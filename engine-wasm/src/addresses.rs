//! Addresses of peers and nodes: compact encoding, local networks and machines.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Whether an address belongs to a local network (RFC 1918, 3927, 4193, 4291).
pub fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local() || ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// The address that stands for a whole machine.
///
/// For IPv4 this is the address itself. For IPv6 it is the network half (64 bits), because one
/// machine may use any address of its network.
pub(crate) fn machine(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

/// The address families that can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Families {
    /// IPv4.
    pub(crate) v4: bool,
    /// IPv6.
    pub(crate) v6: bool,
}

impl Families {
    /// Whether the address belongs to one of the families.
    pub(crate) fn include(self, addr: SocketAddr) -> bool {
        if addr.is_ipv4() { self.v4 } else { self.v6 }
    }
}

/// Parses IPv4 addresses of six bytes each (BEP 23). Drops an incomplete one at the end.
pub(crate) fn compact_v4(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> {
    let (peers, _) = bytes.as_chunks();
    peers.iter().map(|&[a, b, c, d, high, low]| {
        SocketAddr::from((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])))
    })
}

/// Parses IPv6 addresses of eighteen bytes each (BEP 7). Drops an incomplete one at the end.
pub(crate) fn compact_v6(bytes: &[u8]) -> impl Iterator<Item = SocketAddr> {
    let (peers, _) = bytes.as_chunks::<18>();
    peers.iter().filter_map(|peer| {
        let (&ip, port) = peer.split_first_chunk::<16>()?;
        let port = u16::from_be_bytes(port.try_into().ok()?);
        Some(SocketAddr::from((Ipv6Addr::from(ip), port)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_of_ipv6_is_its_network() {
        let machine = |ip: &str| machine(ip.parse().unwrap()).to_string();
        assert_eq!(machine("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(machine("192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn a_cut_address_at_the_end_is_dropped() {
        let v4: Vec<SocketAddr> = compact_v4(b"\x01\x02\x03\x04\x1a\xe1\x01\x02").collect();
        assert_eq!(v4, ["1.2.3.4:6881".parse().unwrap()]);
        let mut bytes = [0; 20];
        (bytes[15], bytes[17]) = (1, 80);
        let v6: Vec<SocketAddr> = compact_v6(&bytes).collect();
        assert_eq!(v6, ["[::1]:80".parse().unwrap()]);
    }
}
