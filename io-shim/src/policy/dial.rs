//! Which addresses the daemon may connect to. The user decides, not the engine.
//!
//! A list of addresses from a stranger must not turn the daemon into a probe of the user's network.
//! Pure. Sockets and HTTP fetches follow the same rule; fetches check it after name resolution.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What the user allows besides public addresses, and the address that is never allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DialPolicy {
    /// This machine.
    pub allow_loopback: bool,
    /// Private, link-local, unique local and carrier-grade NAT ranges; includes this machine.
    pub allow_private: bool,
    /// The address of the daemon's own HTTP server. A redirect or a peer's address must not turn
    /// the daemon against its own API.
    pub own: Option<SocketAddr>,
}

/// How far an address reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Public,
    Private,
    Loopback,
    /// No connection can be opened to it.
    Never,
}

impl DialPolicy {
    /// Whether a connection to the address may be opened.
    pub(crate) fn allows(&self, addr: SocketAddr) -> bool {
        addr.port() != 0 && self.allows_ip(addr.ip()) && !self.is_own(addr)
    }

    /// Whether the daemon itself serves HTTP at this address, in any notation.
    pub(crate) fn is_own(&self, addr: SocketAddr) -> bool {
        self.own.is_some_and(|own| own.port() == addr.port() && plain(own.ip()) == plain(addr.ip()))
    }

    /// Whether connections to the host may be opened, on any port but zero.
    pub(crate) fn allows_ip(&self, ip: IpAddr) -> bool {
        match reach(ip) {
            Reach::Public => true,
            Reach::Private => self.allow_private,
            Reach::Loopback => self.allow_loopback || self.allow_private,
            Reach::Never => false,
        }
    }
}

/// The IPv4 address that an IPv6 address leads to, or the address itself.
fn plain(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => embedded_v4(v6).map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

/// Whether the address is a public one.
pub(crate) fn is_public(ip: IpAddr) -> bool {
    reach(ip) == Reach::Public
}

/// Whether another machine could connect to the address.
pub(crate) fn is_dialable(ip: IpAddr) -> bool {
    matches!(reach(ip), Reach::Public | Reach::Private)
}

fn reach(ip: IpAddr) -> Reach {
    match ip {
        IpAddr::V4(ip) => reach_v4(ip),
        IpAddr::V6(ip) => match embedded_v4(ip) {
            Some(ip) => reach_v4(ip),
            None => reach_v6(ip),
        },
    }
}

fn reach_v4(ip: Ipv4Addr) -> Reach {
    let [a, b, ..] = ip.octets();
    if ip.is_loopback() {
        Reach::Loopback
    } else if a == 0 || ip.is_multicast() || a >= 240 {
        // "This network" (RFC 1122 §3.2.1.3), multicast, and the reserved rest with broadcast (RFC
        // 1112 §4).
        Reach::Never
    } else if ip.is_private() || ip.is_link_local() || (a == 100 && b & 0xc0 == 64) {
        // 100.64.0.0/10 is carrier-grade NAT (RFC 6598).
        Reach::Private
    } else {
        Reach::Public
    }
}

fn reach_v6(ip: Ipv6Addr) -> Reach {
    let head = ip.segments()[0];
    if ip.is_loopback() {
        Reach::Loopback
    } else if ip.is_unspecified() || ip.is_multicast() {
        Reach::Never
    } else if ip.is_unique_local() || ip.is_unicast_link_local() || head & 0xffc0 == 0xfec0 {
        // fec0::/10 is the deprecated site-local range (RFC 3879).
        Reach::Private
    } else {
        Reach::Public
    }
}

/// The IPv4 address that an IPv6 address leads to. The forms are mapped (`::ffff:0:0/96`),
/// compatible (`::/96`), NAT64 (`64:ff9b::/96`, RFC 6052) and 6to4 (`2002::/16`, RFC 3056).
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = ip.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match s {
        [0, 0, 0, 0, 0, 0, 0, 0..=1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(join(high, low))
        }
        [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The policies (strict, loopback, private) that allow the addresses, as a picture like `--P`.
    fn check(addresses: &str, picture: &str) {
        for address in addresses.split_whitespace() {
            let ip: IpAddr = address.parse().expect("an address");
            let strict = DialPolicy::default().allows_ip(ip);
            let loopback =
                DialPolicy { allow_loopback: true, ..DialPolicy::default() }.allows_ip(ip);
            let private = DialPolicy { allow_private: true, ..DialPolicy::default() }.allows_ip(ip);
            let seen: String = [(strict, 'S'), (loopback, 'L'), (private, 'P')]
                .map(|(allowed, letter)| if allowed { letter } else { '-' })
                .iter()
                .collect();
            assert_eq!(seen, picture, "{address}");
        }
    }

    #[test]
    fn public_addresses_are_always_allowed() {
        check(
            "1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.0 172.15.0.1 172.32.0.1 169.253.1.1 \
                223.255.255.255",
            "SLP",
        );
        check(
            "2001:4860:4860::8888 2a00::1 64:ff9b::8.8.8.8 ::ffff:8.8.8.8 2002:808:808::1",
            "SLP",
        );
    }

    #[test]
    fn this_machine_needs_leave_in_every_spelling() {
        check(
            "127.0.0.1 127.255.255.254 ::1 ::ffff:127.0.0.1 ::127.0.0.1 64:ff9b::127.0.0.1 \
                2002:7f00:1::",
            "-LP",
        );
    }

    #[test]
    fn private_ranges_need_leave_of_their_own() {
        check(
            "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 \
                100.127.255.255",
            "--P",
        );
        check(
            "fc00::1 fdff::1 fe80::1 febf::1 fec0::1 ::ffff:10.0.0.1 64:ff9b::192.168.0.1 \
                2002:a00:1::1",
            "--P",
        );
    }

    #[test]
    fn addresses_without_a_machine_are_never_allowed() {
        check("0.0.0.0 0.1.2.3 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255", "---");
        check(":: ff02::1 ff0e::1 ::ffff:0.0.0.0 ::ffff:255.255.255.255 ::ffff:224.0.0.1", "---");
    }

    #[test]
    fn where_this_process_serves_http_is_not_dialled_and_beside_it_is() {
        let own = Some("127.0.0.1:4000".parse().unwrap());
        let policy = DialPolicy { allow_loopback: true, allow_private: true, own };
        let check = |addr: &str, allowed| {
            assert_eq!(policy.allows(addr.parse().unwrap()), allowed, "{addr}")
        };
        for spelling in [
            "127.0.0.1:4000",
            "[::ffff:127.0.0.1]:4000",
            "[::127.0.0.1]:4000",
            "[64:ff9b::7f00:1]:4000",
        ] {
            check(spelling, false);
        }
        for other in ["127.0.0.1:4001", "127.0.0.2:4000", "[::1]:4000", "10.0.0.1:4000"] {
            check(other, true);
        }
    }

    #[test]
    fn port_zero_is_refused() {
        let policy = DialPolicy::default();
        assert!(!policy.allows("1.1.1.1:0".parse().unwrap()));
        assert!(policy.allows("1.1.1.1:1".parse().unwrap()));
    }

    #[test]
    fn only_some_addresses_are_public_or_reachable_for_others() {
        let check = |address: &str| {
            let ip: IpAddr = address.parse().unwrap();
            (is_public(ip), is_dialable(ip))
        };
        for public in ["1.1.1.1", "2a00::1", "::ffff:8.8.8.8"] {
            assert_eq!(check(public), (true, true), "{public}");
        }
        for private in ["10.0.0.1", "100.64.0.1", "fe80::1"] {
            assert_eq!(check(private), (false, true), "{private}");
        }
        for other in ["127.0.0.1", "::1", "0.0.0.0", "224.0.0.1", "ff02::1"] {
            assert_eq!(check(other), (false, false), "{other}");
        }
    }
}
