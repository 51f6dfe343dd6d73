//! The open ports of one engine, by the engine's numbers.
//!
//! Owns the table; [`super::binding`] opens sockets, [`super::listen`] and [`super::udp`] drive
//! them. Invariant: the end of a port, by command or with its engine, ends its tasks and closes its
//! sockets.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use shared_proto::{
    ConnId, IoEvent, OpId,
    ids::SocketId,
    io::{CloseReason, Family, OpError, OpErrorKind, OpOutput},
};
use tokio_util::sync::CancellationToken;

use super::{binding, context::Context, listen, session, udp};
use crate::files::error::op_error;
use crate::policy::limits;
use crate::sockets::port_map::{Target, Transport};

/// All open ports of one engine.
pub(crate) struct Ports {
    context: Arc<Context>,
    addresses: Vec<IpAddr>,
    open: HashMap<SocketId, Port>,
}

/// An open port. Dropping it closes it.
struct Port {
    kind: Kind,
    /// What a router could forward to it.
    target: Option<Target>,
    /// Ends its port mapping, if there is one.
    mapped: Option<CancellationToken>,
    closed: CancellationToken,
}

enum Kind {
    Tcp,
    Udp(udp::Udp),
}

impl Ports {
    /// No ports yet. They will be at these local addresses, or at all if there are none.
    pub(super) fn new(context: Arc<Context>, addresses: Vec<IpAddr>) -> Self {
        Self { context, addresses, open: HashMap::new() }
    }

    /// [`shared_proto::IoCommand::TcpListen`]
    pub(crate) fn listen(&mut self, op: OpId, socket: SocketId, family: Family, port: u16) {
        let bound = self.admit(socket).and_then(|closed| {
            let (listeners, port) = binding::listen(&self.addresses, family, port)?;
            listen::start(&self.context, socket, op, listeners, port, &closed)?;
            let target =
                (family == Family::V4).then_some(Target { transport: Transport::Tcp, port });
            Ok(Port { kind: Kind::Tcp, target, mapped: None, closed })
        });
        self.settle(op, socket, bound);
    }

    /// [`shared_proto::IoCommand::UdpBind`]
    pub(crate) fn bind(
        &mut self,
        op: OpId,
        socket: SocketId,
        family: Family,
        port: u16,
        group: Option<IpAddr>,
    ) {
        let bound = self.admit(socket).and_then(|closed| {
            let (sockets, target) = match group {
                None => {
                    let (sockets, port) = binding::bind(&self.addresses, family, port)?;
                    let target = (family == Family::V4)
                        .then_some(Target { transport: Transport::Udp, port });
                    (udp::Sockets::plain(sockets, port), target)
                }
                Some(group) => {
                    let joined =
                        binding::join(&self.addresses, self.context.policy, family, port, group)?;
                    (udp::Sockets::of_group(joined, group), None)
                }
            };
            let udp = udp::start(&self.context, socket, op, sockets?, &closed);
            Ok(Port { kind: Kind::Udp(udp), target, mapped: None, closed })
        });
        self.settle(op, socket, bound);
    }

    /// [`shared_proto::IoCommand::UdpSend`]
    pub(crate) fn send(&self, socket: SocketId, to: SocketAddr, data: Bytes) {
        if let Some(Port { kind: Kind::Udp(udp), .. }) = self.open.get(&socket) {
            udp.send(to, data);
        }
    }

    /// [`shared_proto::IoCommand::UtpListen`]
    pub(crate) fn listen_utp(&mut self, op: OpId, socket: SocketId) {
        let started = match self.open.get_mut(&socket) {
            Some(Port { kind: Kind::Udp(udp), closed, .. }) => {
                udp.start_utp(&self.context, socket, closed)
            }
            Some(Port { kind: Kind::Tcp, .. }) | None => {
                Err(op_error(OpErrorKind::NotFound, "no such UDP socket"))
            }
        };
        self.context.events.refuse(IoEvent::Done { op, result: started.map(|()| OpOutput::Unit) });
    }

    /// [`shared_proto::IoCommand::UtpConnect`]
    pub(crate) fn connect_utp(
        &self,
        id: ConnId,
        socket: SocketId,
        addr: SocketAddr,
        timeout: Duration,
    ) {
        let utp = match self.open.get(&socket) {
            Some(Port { kind: Kind::Udp(udp), .. }) => udp.utp(),
            Some(Port { kind: Kind::Tcp, .. }) | None => None,
        };
        let Some(utp) = utp else {
            return self
                .context
                .events
                .refuse(IoEvent::TcpClosed { conn: id, reason: CloseReason::Denied });
        };
        if let Some(admitted) = self.context.admit_dialled(id, addr) {
            let opening = utp.dial(addr, timeout.min(limits::MAX_CONNECT_TIMEOUT));
            tokio::spawn(session::run(
                Arc::clone(&self.context),
                admitted,
                IoEvent::TcpConnected { conn: id },
                opening,
            ));
        }
    }

    /// [`shared_proto::IoCommand::PortMap`]
    pub(crate) fn map(&mut self, socket: SocketId) {
        if let Err(error) = self.ask_router(socket) {
            self.context.events.refuse(IoEvent::PortMapped { socket, result: Err(error) });
        }
    }

    fn ask_router(&mut self, socket: SocketId) -> Result<(), OpError> {
        let no_target =
            || op_error(OpErrorKind::Denied, "no router can forward a port to this socket");
        let port = self.open.get_mut(&socket).ok_or_else(no_target)?;
        let target = port.target.ok_or_else(no_target)?;
        if port.mapped.as_ref().is_some_and(|asked| !asked.is_cancelled()) {
            return Ok(());
        }
        let asked = port.closed.child_token();
        self.context.maps.start(
            target,
            socket,
            &self.addresses,
            self.context.events.clone(),
            asked.clone(),
        )?;
        port.mapped = Some(asked);
        Ok(())
    }

    /// [`shared_proto::IoCommand::PortUnmap`]
    pub(crate) fn unmap(&mut self, socket: SocketId) {
        if let Some(asked) = self.open.get_mut(&socket).and_then(|port| port.mapped.take()) {
            asked.cancel();
        }
    }

    /// [`shared_proto::IoCommand::SocketClose`]
    pub(crate) fn close(&mut self, socket: SocketId) {
        self.open.remove(&socket);
    }

    /// Closes all ports.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    fn admit(&self, socket: SocketId) -> Result<CancellationToken, OpError> {
        if self.open.contains_key(&socket) {
            return Err(op_error(OpErrorKind::Exists, "this socket number is in use"));
        }
        if self.open.len() >= limits::MAX_PORTS {
            return Err(op_error(OpErrorKind::Limit, "too many ports are open"));
        }
        Ok(self.context.stopped.child_token())
    }

    /// An open socket reports its port itself, before its first event.
    fn settle(&mut self, op: OpId, socket: SocketId, bound: Result<Port, OpError>) {
        match bound {
            Ok(port) => drop(self.open.insert(socket, port)),
            Err(error) => self.context.events.refuse(IoEvent::Done { op, result: Err(error) }),
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}
