//! Finds the local network's gateway, and this machine's address towards it.
//!
//! Reads what the operating system knows and sends nothing. IPv4 only: IPv6 needs no port mapping.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use shared_proto::io::{OpError, OpErrorKind};

use crate::files::error::op_error;
use crate::policy::dial;

/// The multicast address of UPnP routers (UPnP Device Architecture 1.1, §1.3.2).
const SSDP_GROUP: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 255, 255, 250)), SSDP_PORT);
/// The port of UPnP routers.
const SSDP_PORT: u16 = 1900;

/// The router to ask, and for which address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The router.
    pub gateway: Ipv4Addr,
    /// This machine's address as the router sees it.
    pub own: Ipv4Addr,
    /// Where to search for the router with UPnP. Only answers of the gateway count.
    pub searched: Vec<SocketAddr>,
}

/// Finds the gateway of a machine whose engine is reachable at these addresses. No address means
/// all.
///
/// # Errors
/// [`OpErrorKind::Denied`] when the user's addresses need no gateway; [`OpErrorKind::NotFound`]
/// when there is no gateway, or this machine has a public address.
pub(super) fn find(addresses: &[IpAddr]) -> Result<Way, OpError> {
    if !addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback) {
        return Err(op_error(
            OpErrorKind::Denied,
            "the engine is reachable from this machine only",
        ));
    }
    let gateway = routes().as_deref().and_then(default_gateway);
    let gateway = gateway.ok_or_else(|| op_error(OpErrorKind::NotFound, "no gateway"))?;
    let own = towards(gateway)
        .ok_or_else(|| op_error(OpErrorKind::NotFound, "there is no route to the gateway"))?;
    if !addresses.is_empty() && !addresses.contains(&own.into()) {
        return Err(op_error(
            OpErrorKind::Denied,
            "the engine's addresses are not behind the gateway",
        ));
    }
    if dial::is_public(own.into()) {
        return Err(op_error(
            OpErrorKind::NotFound,
            "no router is in between: this machine's address is public",
        ));
    }
    Ok(Way { gateway, own, searched: vec![SSDP_GROUP, (gateway, SSDP_PORT).into()] })
}

/// The operating system's routing table.
#[cfg(target_os = "linux")]
fn routes() -> Option<String> {
    std::fs::read_to_string("/proc/net/route").ok()
}

/// Other systems have no such file.
#[cfg(not(target_os = "linux"))]
fn routes() -> Option<String> {
    None
}

/// The gateway of the default route with the lowest metric, from Linux's `/proc/net/route`.
fn default_gateway(table: &str) -> Option<Ipv4Addr> {
    /// `RTF_UP` and `RTF_GATEWAY`.
    const USABLE: u32 = 3;
    let route = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let hex = |field: Option<&str>| u32::from_str_radix(field?, 16).ok();
        let (target, gateway, flags) =
            (hex(fields.next())?, hex(fields.next())?, hex(fields.next())?);
        let metric: u32 = fields.nth(2)?.parse().ok()?;
        let mask = hex(fields.next())?;
        let is_default = target == 0 && mask == 0 && flags & USABLE == USABLE && gateway != 0;
        // The file writes addresses in the machine's byte order.
        is_default.then(|| (metric, Ipv4Addr::from(gateway.to_ne_bytes())))
    };
    table
        .lines()
        .skip(1)
        .filter_map(route)
        .min_by_key(|(metric, _)| *metric)
        .map(|(_, gateway)| gateway)
}

/// This machine's address on the way to the gateway. Sends nothing.
fn towards(gateway: Ipv4Addr) -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((gateway, SSDP_PORT)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(own) => Some(own),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    /// Expects the gateway of a table with these lines: destination, gateway, flags, metric and
    /// mask.
    fn check(lines: &[(&str, [u8; 4], u32, u32, &str)], expected: Option<Ipv4Addr>) {
        let line = |(target, gateway, flags, metric, mask): &(&str, [u8; 4], u32, u32, &str)| {
            let gateway = u32::from_ne_bytes(*gateway);
            format!("eth0\t{target}\t{gateway:08X}\t{flags:04X}\t0\t0\t{metric}\t{mask}\t0\t0\t0\n")
        };
        let table: String =
            std::iter::once(HEAD.to_owned()).chain(lines.iter().map(line)).collect();
        assert_eq!(default_gateway(&table), expected);
    }

    #[test]
    fn the_nearest_default_route_leads_to_the_gateway() {
        let anywhere = "00000000";
        let (near, far) = ([192, 168, 1, 1], [10, 0, 0, 1]);
        check(&[(anywhere, near, 3, 100, anywhere)], Some(near.into()));
        check(
            &[(anywhere, far, 3, 600, anywhere), (anywhere, near, 3, 100, anywhere)],
            Some(near.into()),
        );
        check(
            &[(anywhere, far, 2, 0, anywhere), (anywhere, near, 3, 100, anywhere)],
            Some(near.into()),
        );
        check(&[("0001A8C0", [0; 4], 1, 0, "00FFFFFF")], None);
        check(&[(anywhere, far, 3, 0, "00000080")], None);
        check(&[], None);
    }

    #[test]
    fn a_table_that_makes_no_sense_leads_nowhere() {
        for table in [
            "",
            "\n\n",
            "a b c",
            "Iface\neth0 0 0\neth0 zz 1 3 0 0 0 0\neth0 00000000 FFFFFFFFFF 3 0 0 0 0",
        ] {
            assert_eq!(default_gateway(table), None, "{table:?}");
        }
    }

    #[test]
    fn an_engine_that_is_kept_to_this_machine_has_no_way_out() {
        let refused = find(&[Ipv4Addr::LOCALHOST.into()]).unwrap_err();
        assert_eq!(refused.kind, OpErrorKind::Denied);
    }
}
