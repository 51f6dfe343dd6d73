//! Opens sockets at the local addresses that the user allows.
//!
//! Without named addresses, all are allowed. Reads from no socket. Invariant: an IPv6 socket
//! accepts IPv6 only, so that no IPv4 address hides in a reported one.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, UdpSocket},
};

use if_addrs::{IfAddr, Interface};
use shared_proto::io::{Family, OpError, OpErrorKind, OpOutput};
use shared_proto::{IoEvent, OpId};
use socket2::{Domain, Protocol, Socket, Type};

use crate::files::error::{is_out_of_descriptors, op_error};
use crate::policy::dial::DialPolicy;
use crate::policy::limits;

/// Connections that the kernel queues before they are accepted.
const BACKLOG: i32 = 128;
/// Attempts to find a port that is free at all of several addresses.
const ATTEMPTS: u32 = 16;

/// Opens listening sockets at the user's addresses, all with one port. Returns the port, too.
pub(super) fn listen(
    addresses: &[IpAddr],
    family: Family,
    port: u16,
) -> Result<(Vec<TcpListener>, u16), OpError> {
    at_each(addresses, family, port, |addr| {
        let socket = open(addr, Type::STREAM, Protocol::TCP)?;
        // Allows a port whose former connections are not quite closed. On Windows the option means
        // something else.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from(socket);
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    })
}

/// Opens UDP sockets at the user's addresses, all with one port. Returns the port, too.
pub(super) fn bind(
    addresses: &[IpAddr],
    family: Family,
    port: u16,
) -> Result<(Vec<UdpSocket>, u16), OpError> {
    at_each(addresses, family, port, |addr| {
        let socket = open(addr, Type::DGRAM, Protocol::UDP)?;
        // Larger bursts can then wait, as far as the operating system allows.
        let _ = socket.set_recv_buffer_size(limits::UDP_BUFFER);
        socket.bind(&addr.into())?;
        let socket = UdpSocket::from(socket);
        let port = socket.local_addr()?.port();
        Ok((socket, port))
    })
}

/// A multicast group: one socket that receives, and one per interface that sends.
pub(super) struct GroupSockets {
    pub(super) listener: UdpSocket,
    pub(super) speakers: Vec<UdpSocket>,
    pub(super) port: u16,
}

/// Joins a multicast group on every interface that the user allows. The policy must allow the
/// interface's own address, because only its neighbours can answer.
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
        return Err(op_error(OpErrorKind::Denied, "no network interface is allowed"));
    }
    let open_all = || {
        let socket = open(SocketAddr::new(group, port), Type::DGRAM, Protocol::UDP)?;
        socket.set_reuse_address(true)?;
        // Apple's systems need this option for a shared port.
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

/// An interface, by the name that each family uses.
struct Local {
    address: IpAddr,
    index: u32,
}

fn interfaces(addresses: &[IpAddr], policy: DialPolicy, family: Family) -> Vec<Local> {
    let is_allowed = |address: IpAddr| match addresses {
        [] => !address.is_loopback(),
        named => named.contains(&address),
    };
    let local = |interface: Interface| {
        let address = match interface.addr {
            IfAddr::V4(ref own) => IpAddr::V4(own.ip),
            IfAddr::V6(ref own) => IpAddr::V6(own.ip),
        };
        Local { address, index: interface.index.unwrap_or(0) }
    };
    let mut locals: Vec<Local> = Vec::new();
    for found in if_addrs::get_if_addrs().unwrap_or_default().into_iter().map(local) {
        let is_new = family == Family::V4 || locals.iter().all(|local| local.index != found.index);
        let is_ours = family == family_of(found.address) && is_allowed(found.address);
        if is_new
            && is_ours
            && policy.allows_ip(found.address)
            && locals.len() < limits::MAX_INTERFACES
        {
            locals.push(found);
        }
    }
    locals
}

/// Bound to the group, the socket receives nothing else. Not every system supports that.
fn bind_group(socket: &Socket, group: IpAddr, port: u16) -> io::Result<()> {
    if cfg!(unix) && socket.bind(&SocketAddr::new(group, port).into()).is_ok() {
        return Ok(());
    }
    socket.bind(&SocketAddr::new(unspecified(family_of(group)), port).into())
}

fn enter(socket: &Socket, group: IpAddr, interface: &Local) -> io::Result<()> {
    match (group, interface.address) {
        (IpAddr::V4(group), IpAddr::V4(own)) => socket.join_multicast_v4(&group, &own),
        (IpAddr::V6(group), _) => socket.join_multicast_v6(&group, interface.index),
        (IpAddr::V4(_), IpAddr::V6(_)) => Err(io::ErrorKind::AddrNotAvailable.into()),
    }
}

fn speaker(interface: &Local) -> io::Result<UdpSocket> {
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

/// Opens one socket per address, all at one port. It is the requested port, or one that is free at
/// all addresses.
fn at_each<T>(
    addresses: &[IpAddr],
    family: Family,
    port: u16,
    bind: impl Fn(SocketAddr) -> io::Result<(T, u16)>,
) -> Result<(Vec<T>, u16), OpError> {
    let locals = match addresses {
        [] => vec![unspecified(family)],
        named => named.iter().copied().filter(|address| family_of(*address) == family).collect(),
    };
    if locals.is_empty() || locals.len() > limits::MAX_INTERFACES {
        return Err(op_error(OpErrorKind::Denied, "the user allows no address of this family"));
    }
    let mut attempts = 0;
    loop {
        attempts += 1;
        let mut chosen = port;
        let bound = locals.iter().map(|local| {
            let (socket, port) = bind(SocketAddr::new(*local, chosen))?;
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
/// The event that tells a socket's port.
pub(super) fn bound(op: OpId, port: u16) -> IoEvent {
    IoEvent::Done { op, result: Ok(OpOutput::Bound { port }) }
}
