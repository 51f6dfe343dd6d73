//! The engine's own sockets: for incoming connections and for datagrams.
//!
//! This module owns which sockets are wanted, which are open, and their ports. It does not inspect
//! what they carry. Invariant: TCP and UDP use the same port in both address families if possible,
//! so that one number is right for trackers, the DHT, peers and routers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use shared_proto::io::{Family, Mapping, OpError, OpOutput};
use shared_proto::{IoCommand, OpId, SocketId};

use crate::addresses::Families;
use crate::discover::lsd;
use crate::mapping::{Mappings, Report};
use crate::peer::policy::ConnectionPolicy;

/// Which sockets the engine opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetConfig {
    /// Port for incoming connections: 0 for any port, `None` for no incoming connections.
    ///
    /// If the port is taken, another one is used.
    pub listen_port: Option<u16>,
    /// Whether to send and receive datagrams; UDP trackers, the DHT and uTP need them.
    pub udp: bool,
    /// Whether to ask the router for port mappings.
    pub port_mapping: bool,
}

/// The purpose of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Accepts TCP connections.
    Listen,
    /// Sends and receives all unicast datagrams.
    Datagrams,
    /// Sends and receives datagrams of a multicast group in the local network (BEP 14).
    Group,
}

#[derive(Clone, Copy, Debug)]
struct Opening {
    socket: SocketId,
    role: Role,
    family: Family,
    port: u16,
}

/// The next socket to open.
#[derive(Clone, Copy, Debug)]
enum Todo {
    Open(Role, Family, u16),
    /// Enable uTP on this datagram socket.
    Utp(SocketId),
}

/// The sockets of one connection to the daemon.
#[derive(Debug, Default)]
pub(crate) struct Net {
    config: NetConfig,
    /// Whether peers may connect over TCP and over uTP.
    transports: (bool, bool),
    next: u32,
    opening: BTreeMap<OpId, Opening>,
    /// Datagram sockets for which uTP is being enabled.
    enabling_utp: BTreeMap<OpId, SocketId>,
    open: BTreeMap<SocketId, (Role, Family, u16)>,
    /// Datagram sockets with uTP enabled.
    utp: BTreeSet<SocketId>,
    todo: Vec<Todo>,
    /// Whether to join the multicast groups of the local network.
    joins_groups: bool,
    /// The port mappings at the router.
    mappings: Mappings,
}

impl Net {
    /// Creates the configured sockets, none of them open.
    pub(crate) fn new(config: NetConfig, policy: ConnectionPolicy) -> Self {
        Self { config, transports: (policy.tcp, policy.utp && config.udp), ..Self::default() }
    }

    /// Joins multicast groups as well, if incoming connections and datagrams are enabled.
    pub(crate) fn join_groups(&mut self) {
        self.joins_groups = self.config.udp && self.config.listen_port.is_some();
    }

    /// Queues the multicast groups to join anew, because interfaces changed. Returns the sockets to
    /// close.
    pub(crate) fn rejoin_groups(&mut self) -> Vec<SocketId> {
        let old: Vec<SocketId> = self.groups().map(|(socket, _)| socket).collect();
        self.open.retain(|_, (role, ..)| *role != Role::Group);
        // A group that could not be joined may work now.
        let is_underway = |family| {
            let opening =
                self.opening.values().any(|it| (it.role, it.family) == (Role::Group, family));
            opening
                || self
                    .todo
                    .iter()
                    .any(|it| matches!(it, Todo::Open(Role::Group, of, _) if *of == family))
        };
        let missing: Vec<Family> = [Family::V6, Family::V4]
            .into_iter()
            .filter(|&family| self.joins_groups && !is_underway(family))
            .collect();
        self.todo.extend(missing.into_iter().map(|it| Todo::Open(Role::Group, it, lsd::PORT)));
        old
    }

    /// Handles a new connection to the daemon: queues the sockets to open.
    ///
    /// The first socket determines the port of the others.
    pub(crate) fn link(&mut self) {
        self.unlink();
        // The list is a stack: the last entry is opened first.
        if self.joins_groups {
            self.todo.extend(
                [Family::V6, Family::V4].map(|family| Todo::Open(Role::Group, family, lsd::PORT)),
            );
        }
        match self.config.listen_port {
            Some(port) if self.transports.0 => {
                self.todo.push(Todo::Open(Role::Listen, Family::V4, port))
            }
            port if self.config.udp => {
                self.todo.push(Todo::Open(Role::Datagrams, Family::V4, port.unwrap_or(0)))
            }
            _ => {}
        }
    }

    /// Returns whether datagram sockets are opened before the TCP listener.
    fn opens_datagrams_first(&self) -> bool {
        self.config.listen_port.is_none() || !self.transports.0
    }

    /// Forgets all sockets after the connection to the daemon was lost.
    pub(crate) fn unlink(&mut self) {
        self.opening.clear();
        self.enabling_utp.clear();
        self.open.clear();
        self.utp.clear();
        self.todo.clear();
        self.mappings.unlink();
    }

    /// Returns the command that opens the next socket. `None` if there is none at the moment.
    pub(crate) fn next_command(&mut self, op: OpId) -> Option<IoCommand> {
        let (role, family, port) = match self.todo.pop()? {
            Todo::Open(role, family, port) => (role, family, port),
            Todo::Utp(socket) => {
                self.enabling_utp.insert(op, socket);
                return Some(IoCommand::UtpListen { op, socket });
            }
        };
        self.next += 1;
        let socket = SocketId(self.next);
        self.opening.insert(op, Opening { socket, role, family, port });
        Some(match role {
            Role::Listen => IoCommand::TcpListen { op, socket, family, port },
            Role::Datagrams => IoCommand::UdpBind { op, socket, family, port, group: None },
            Role::Group => IoCommand::UdpBind {
                op,
                socket,
                family,
                port,
                group: Some(lsd::group(family).ip()),
            },
        })
    }

    /// Returns whether [`Net::next_command`] would return a command.
    pub(crate) fn has_command(&self) -> bool {
        !self.todo.is_empty()
    }

    /// Handles the daemon's answer. Returns false if `op` is not a command of this module.
    pub(crate) fn answered(&mut self, op: OpId, result: &Result<OpOutput, OpError>) -> bool {
        if let Some(socket) = self.enabling_utp.remove(&op) {
            match result {
                Ok(_) => drop(self.utp.insert(socket)),
                Err(error) => tracing::debug!(%socket, ?error, "uTP is not available"),
            }
            return true;
        }
        let Some(Opening { socket, role, family, port }) = self.opening.remove(&op) else {
            return false;
        };
        match result {
            Ok(OpOutput::Bound { port: bound }) => {
                let bound = *bound;
                tracing::debug!(?role, ?family, port = bound, "socket open");
                self.open.insert(socket, (role, family, bound));
                let is_for_others = role != Role::Group && self.config.listen_port.is_some();
                if self.config.port_mapping && family == Family::V4 && is_for_others {
                    self.mappings.want(socket);
                }
                match (role, family) {
                    (Role::Listen, Family::V4) => {
                        self.todo.push(Todo::Open(Role::Listen, Family::V6, bound));
                        self.datagrams(bound);
                    }
                    // Without an IPv4 socket this one determines the port.
                    (Role::Listen, Family::V6) if !self.listens_at(Family::V4) => {
                        self.datagrams(bound)
                    }
                    (Role::Listen, Family::V6) | (Role::Group, _) => {}
                    (Role::Datagrams, family) => {
                        if family == Family::V4 && self.opens_datagrams_first() {
                            self.todo.push(Todo::Open(Role::Datagrams, Family::V6, bound));
                        }
                        self.todo.extend(self.transports.1.then_some(Todo::Utp(socket)));
                    }
                }
            }
            // A machine without a network cannot join a group; that is not an error.
            _ if role == Role::Group => tracing::debug!(?family, ?result, "cannot join the group"),
            _ if port != 0 && (role, family) != (Role::Listen, Family::V6) => {
                self.todo.push(Todo::Open(role, family, 0));
            }
            // Many machines lack one address family, so a failure of IPv6 alone is not an error.
            _ if (role, family) == (Role::Listen, Family::V4) => {
                let port = self.config.listen_port.unwrap_or(0);
                self.todo.push(Todo::Open(Role::Listen, Family::V6, port));
            }
            _ if (role, family) == (Role::Listen, Family::V6) && !self.listens_at(Family::V4) => {
                self.datagrams(0)
            }
            _ if (role, family) == (Role::Datagrams, Family::V4)
                && self.opens_datagrams_first() =>
            {
                self.todo.push(Todo::Open(
                    Role::Datagrams,
                    Family::V6,
                    self.config.listen_port.unwrap_or(0),
                ));
            }
            _ => tracing::debug!(?role, ?family, ?result, "cannot open the socket"),
        }
        true
    }

    /// Returns whether sockets are being opened.
    pub(crate) fn is_opening(&self) -> bool {
        self.has_command() || !self.opening.is_empty() || !self.enabling_utp.is_empty()
    }

    /// Returns the next port mapping command.
    pub(crate) fn next_to_map(&mut self) -> Option<IoCommand> {
        self.mappings.next_command()
    }

    /// Handles the daemon's report about a port mapping.
    pub(crate) fn port_mapped(&mut self, socket: SocketId, result: Result<Mapping, OpError>) {
        self.mappings.handle_report(socket, result);
    }

    /// Returns the last report about the port mapping for peers: `Some(None)` while the router is
    /// being asked, `None` if none was requested.
    pub(crate) fn mapping_report(&self) -> Option<Option<&Report>> {
        self.mappings.report_of(self.listener()?)
    }

    /// Returns the port at which peers outside the local network can connect.
    ///
    /// This is the router's port if a mapping exists; `None` if peers cannot connect.
    pub(crate) fn public_port(&self) -> Option<u16> {
        let mapped = self.listener().and_then(|socket| self.mappings.of(socket));
        mapped.map(|mapping| mapping.port).or_else(|| self.listen_port())
    }

    /// Returns the local port for incoming connections; `None` if there is none.
    pub(crate) fn listen_port(&self) -> Option<u16> {
        let over_utp = || {
            self.port_of(Role::Datagrams)
                .filter(|_| self.accepts_connections() && !self.utp.is_empty())
        };
        self.port_of(Role::Listen).or_else(over_utp)
    }

    /// Returns whether incoming connections are enabled.
    pub(crate) fn accepts_connections(&self) -> bool {
        self.config.listen_port.is_some()
    }

    /// Returns the port of the datagram socket.
    pub(crate) fn udp_port(&self) -> Option<u16> {
        self.port_of(Role::Datagrams)
    }

    /// Returns the datagram socket for this address.
    pub(crate) fn udp_towards(&self, to: SocketAddr) -> Option<SocketId> {
        self.udp_of(if to.is_ipv4() { Family::V4 } else { Family::V6 })
    }

    fn udp_of(&self, wanted: Family) -> Option<SocketId> {
        let mut open = self.open.iter();
        open.find(|(_, (role, family, _))| *role == Role::Datagrams && *family == wanted)
            .map(|(&socket, _)| socket)
    }

    /// Returns the socket for uTP connections to this address.
    pub(crate) fn utp_towards(&self, to: SocketAddr) -> Option<SocketId> {
        self.udp_towards(to).filter(|socket| self.utp.contains(socket))
    }

    /// The families over which uTP can dial.
    pub(crate) fn utp_families(&self) -> Families {
        Families {
            v4: self.udp_of(Family::V4).is_some_and(|socket| self.utp.contains(&socket)),
            v6: self.udp_of(Family::V6).is_some_and(|socket| self.utp.contains(&socket)),
        }
    }

    /// The families over which datagrams can be sent: all, while sockets are being opened.
    pub(crate) fn datagram_families(&self) -> Families {
        let can_send = |family| self.is_opening() || self.udp_of(family).is_some();
        Families { v4: can_send(Family::V4), v6: can_send(Family::V6) }
    }

    /// Returns whether uTP is enabled on any socket.
    pub(crate) fn has_utp(&self) -> bool {
        !self.utp.is_empty()
    }

    /// Returns whether datagrams of this family can be sent.
    pub(crate) fn has_udp(&self, wanted: Family) -> bool {
        self.open.values().any(|(role, family, _)| *role == Role::Datagrams && *family == wanted)
    }

    /// Returns the multicast sockets.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (SocketId, Family)> + '_ {
        let groups = self.open.iter().filter(|(_, (role, ..))| *role == Role::Group);
        groups.map(|(&socket, &(_, family, _))| (socket, family))
    }

    /// Returns the purpose of an open socket.
    pub(crate) fn role(&self, socket: SocketId) -> Option<Role> {
        self.open.get(&socket).map(|&(role, ..)| role)
    }

    fn listener(&self) -> Option<SocketId> {
        let is_listener = |role, family| (role, family) == (Role::Listen, Family::V4);
        self.open
            .iter()
            .find(|(_, (role, family, _))| is_listener(*role, *family))
            .map(|(&socket, _)| socket)
    }

    fn listens_at(&self, wanted: Family) -> bool {
        self.open.values().any(|(role, family, _)| (*role, *family) == (Role::Listen, wanted))
    }

    fn port_of(&self, wanted: Role) -> Option<u16> {
        self.open.values().find(|(role, ..)| *role == wanted).map(|&(.., port)| port)
    }

    fn datagrams(&mut self, port: u16) {
        if self.config.udp {
            self.todo.extend(
                [Family::V6, Family::V4].map(|family| Todo::Open(Role::Datagrams, family, port)),
            );
        }
    }
}

#[cfg(test)]
mod tests;
