//! Which addresses of this machine are bound, and the sockets on them.
//!
//! The user's word decides: with no address named it is all of them, else those and no other. Opens
//! sockets and reads none. Invariant: an IPv6 socket takes IPv6 only, so no IPv4 address hides in
//! what it says of a stranger.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, UdpSocket},
};

use if_addrs::{IfAddr, Interface};
use shared_proto::io::{Family, OpError, OpErrorKind};
use socket2::{Domain, Protocol, Socket, Type};

use super::DialPolicy;
use crate::files::error::{is_out_of_descriptors, op_error};
use crate::limits;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;
/// Attempts to find a port that is free at all of several addresses.
const ATTEMPTS: u32 = 16;

/// Listening sockets at the user's addresses, all of one port, and that port.
pub(super) fn listen(
    addresses: &[IpAddr],
    family: Family,
    port: u16,
) -> Result<(Vec<TcpListener>, u16), OpError> {
    at_each(addresses, family, port, |addr| {
        let socket = open(addr, Type::STREAM, Protocol::TCP)?;
        // A port whose last connections are not forgotten yet can be had again. Windows means
        // something else by it.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from(socket);
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    })
}

/// UDP sockets at the user's addresses, all of one port, and that port.
pub(super) fn bind(
    addresses: &[IpAddr],
    family: Family,
    port: u16,
) -> Result<(Vec<UdpSocket>, u16), OpError> {
    at_each(addresses, family, port, |addr| {
        let socket = open(addr, Type::DGRAM, Protocol::UDP)?;
        // Bursts that come while nobody looks are kept, as far as the system allows.
        let _ = socket.set_recv_buffer_size(limits::UDP_BUFFER);
        socket.bind(&addr.into())?;
        let socket = UdpSocket::from(socket);
        let port = socket.local_addr()?.port();
        Ok((socket, port))
    })
}

/// A multicast group: one socket that hears it, and one for each interface that speaks to it.
pub(super) struct GroupSockets {
    pub(super) listener: UdpSocket,
    pub(super) speakers: Vec<UdpSocket>,
    pub(super) port: u16,
}

/// Joins a multicast group on every interface that the user allows: one whose own address the
/// policy would dial, too, as those who answer there are its neighbours.
pub(super) fn join(
    addresses: &[IpAddr],
    policy: DialPolicy,
    family: Family,
    port: u16,
    group: IpAddr,
) -> Result<GroupSockets, OpError> {
    if !group.is_multicast() || family != family_of(group) {
        return Err(op_error(OpErrorKind::Denied, "it is not a multicast group of this family"));
    }
    let interfaces = interfaces(addresses, policy, family);
    if interfaces.is_empty() {
        return Err(op_error(OpErrorKind::Denied, "no network that may be spoken to"));
    }
    let open_all = || {
        let socket = open(SocketAddr::new(group, port), Type::DGRAM, Protocol::UDP)?;
        socket.set_reuse_address(true)?;
        // Apple's systems want this one for a port that is shared.
        #[cfg(target_vendor = "apple")]
        socket.set_reuse_port(true)?;
        bind_group(&socket, group, port)?;
        let mut speakers = Vec::new();
        let mut refusal = None;
        for interface in &interfaces {
            match enter(&socket, group, interface).and_then(|()| speaker(interface)) {
                Ok(speaker) => speakers.push(speaker),
                Err(error) => refusal = Some(error),
            }
        }
        if let (true, Some(error)) = (speakers.is_empty(), refusal) {
            return Err(error);
        }
        let listener = UdpSocket::from(socket);
        let port = listener.local_addr()?.port();
        Ok(GroupSockets { listener, speakers, port })
    };
    open_all().map_err(|error| failure_of(&error))
}

/// An interface by what each family names it.
struct Place {
    address: IpAddr,
    index: u32,
}

fn interfaces(addresses: &[IpAddr], policy: DialPolicy, family: Family) -> Vec<Place> {
    let is_allowed = |address: IpAddr| match addresses {
        [] => !address.is_loopback(),
        named => named.contains(&address),
    };
    let place = |interface: Interface| {
        let address = match interface.addr {
            IfAddr::V4(ref own) => IpAddr::V4(own.ip),
            IfAddr::V6(ref own) => IpAddr::V6(own.ip),
        };
        Place { address, index: interface.index.unwrap_or(0) }
    };
    let mut places: Vec<Place> = Vec::new();
    for found in if_addrs::get_if_addrs().unwrap_or_default().into_iter().map(place) {
        let is_new = family == Family::V4 || places.iter().all(|place| place.index != found.index);
        let is_ours = family == family_of(found.address) && is_allowed(found.address);
        if is_new
            && is_ours
            && policy.allows_ip(found.address)
            && places.len() < limits::MAX_INTERFACES
        {
            places.push(found);
        }
    }
    places
}

/// Bound to the group itself, it hears nothing else; not every system can do that.
fn bind_group(socket: &Socket, group: IpAddr, port: u16) -> io::Result<()> {
    if cfg!(unix) && socket.bind(&SocketAddr::new(group, port).into()).is_ok() {
        return Ok(());
    }
    socket.bind(&SocketAddr::new(unspecified(family_of(group)), port).into())
}

fn enter(socket: &Socket, group: IpAddr, interface: &Place) -> io::Result<()> {
    match (group, interface.address) {
        (IpAddr::V4(group), IpAddr::V4(own)) => socket.join_multicast_v4(&group, &own),
        (IpAddr::V6(group), _) => socket.join_multicast_v6(&group, interface.index),
        (IpAddr::V4(_), IpAddr::V6(_)) => Err(io::ErrorKind::AddrNotAvailable.into()),
    }
}

fn speaker(interface: &Place) -> io::Result<UdpSocket> {
    let addr = match interface.address {
        IpAddr::V4(own) => SocketAddr::from((own, 0)),
        IpAddr::V6(own) => SocketAddrV6::new(own, 0, 0, interface.index).into(),
    };
    let socket = open(addr, Type::DGRAM, Protocol::UDP)?;
    match interface.address {
        IpAddr::V4(own) => socket.set_multicast_if_v4(&own)?,
        IpAddr::V6(_) => socket.set_multicast_if_v6(interface.index)?,
    }
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

fn open(addr: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), kind, Some(protocol))?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Opens one socket for each address, all at one port: the one that is asked for, or one that is
/// free at all of them.
fn at_each<T>(
    addresses: &[IpAddr],
    family: Family,
    port: u16,
    bind: impl Fn(SocketAddr) -> io::Result<(T, u16)>,
) -> Result<(Vec<T>, u16), OpError> {
    let places = match addresses {
        [] => vec![unspecified(family)],
        named => named.iter().copied().filter(|address| family_of(*address) == family).collect(),
    };
    if places.is_empty() || places.len() > limits::MAX_INTERFACES {
        return Err(op_error(OpErrorKind::Denied, "the user allows no address of this family"));
    }
    let mut attempts = 0;
    loop {
        attempts += 1;
        let mut chosen = port;
        let bound = places.iter().map(|place| {
            let (socket, port) = bind(SocketAddr::new(*place, chosen))?;
            chosen = port;
            Ok(socket)
        });
        match bound.collect::<io::Result<Vec<T>>>() {
            Ok(sockets) => return Ok((sockets, chosen)),
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse && port == 0 && attempts < ATTEMPTS => {
            }
            Err(error) => return Err(failure_of(&error)),
        }
    }
}

fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn family_of(address: IpAddr) -> Family {
    if address.is_ipv4() { Family::V4 } else { Family::V6 }
}

fn failure_of(error: &io::Error) -> OpError {
    let (kind, message) = match error.kind() {
        io::ErrorKind::AddrInUse => (OpErrorKind::Exists, "the port is in use"),
        io::ErrorKind::PermissionDenied => {
            (OpErrorKind::Denied, "the operating system does not allow the port")
        }
        _ if is_out_of_descriptors(error) => {
            (OpErrorKind::Limit, "the daemon has too many sockets open")
        }
        _ => (OpErrorKind::Network, "this machine has no such address"),
    };
    op_error(kind, message)
}
