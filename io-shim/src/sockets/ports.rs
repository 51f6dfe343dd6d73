//! The ports that one engine has open: listening sockets and UDP sockets, by the engine's numbers.
//!
//! Owns the table; [`super::binding`] opens sockets, [`super::listen`] and [`super::udp`] drive them. Invariant: whatever ends a port, by order or
//! with its engine, ends its tasks and closes its sockets.

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

use super::{Context, binding, conn, listen, udp};
use crate::{files::error::op_error, limits};

/// All ports of one engine.
pub(crate) struct Ports {
    context: Arc<Context>,
    addresses: Vec<IpAddr>,
    open: HashMap<SocketId, Port>,
}

/// One of them. Dropping it closes it.
struct Port {
    kind: Kind,
    closed: CancellationToken,
}

enum Kind {
    Tcp,
    Udp(udp::Udp),
}

impl Ports {
    /// None yet; they will be at these addresses of this machine, or at all if there are none.
    pub(super) fn new(context: Arc<Context>, addresses: Vec<IpAddr>) -> Self {
        Self { context, addresses, open: HashMap::new() }
    }

    /// [`shared_proto::IoCommand::TcpListen`]
    pub(crate) fn listen(&mut self, op: OpId, socket: SocketId, family: Family, port: u16) {
        let bound = self.admit(socket).and_then(|closed| {
            let (listeners, port) = binding::listen(&self.addresses, family, port)?;
            listen::start(&self.context, socket, op, listeners, port, &closed)?;
            Ok(Port { kind: Kind::Tcp, closed })
        });
        self.settle(op, socket, bound);
    }

    /// [`shared_proto::IoCommand::UdpBind`]
    pub(crate) fn bind(&mut self, op: OpId, socket: SocketId, family: Family, port: u16, group: Option<IpAddr>) {
        let bound = self.admit(socket).and_then(|closed| {
            let sockets = match group {
                None => {
                    let (sockets, port) = binding::bind(&self.addresses, family, port)?;
                    udp::Sockets::plain(sockets, port)
                }
                Some(group) => {
                    let joined = binding::join(&self.addresses, self.context.policy, family, port, group)?;
                    udp::Sockets::of_group(joined, group)
                }
            };
            let udp = udp::start(&self.context, socket, op, sockets?, &closed);
            Ok(Port { kind: Kind::Udp(udp), closed })
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
            Some(Port { kind: Kind::Udp(udp), closed }) => udp.start_utp(&self.context, socket, closed),
            Some(Port { kind: Kind::Tcp, .. }) | None => Err(op_error(OpErrorKind::NotFound, "no such UDP socket")),
        };
        self.context.events.refuse(IoEvent::Done { op, result: started.map(|()| OpOutput::Unit) });
    }

    /// [`shared_proto::IoCommand::UtpConnect`]
    pub(crate) fn connect_utp(&self, id: ConnId, socket: SocketId, addr: SocketAddr, timeout: Duration) {
        let utp = match self.open.get(&socket) {
            Some(Port { kind: Kind::Udp(udp), .. }) => udp.utp(),
            Some(Port { kind: Kind::Tcp, .. }) | None => None,
        };
        let Some(utp) = utp else {
            return self.context.events.refuse(IoEvent::TcpClosed { conn: id, reason: CloseReason::Denied });
        };
        if let Some(admitted) = self.context.admit_dialled(id, addr) {
            let opening = utp.dial(addr, timeout.min(limits::MAX_CONNECT_TIMEOUT));
            tokio::spawn(conn::run(Arc::clone(&self.context), admitted, IoEvent::TcpConnected { conn: id }, opening));
        }
    }

    /// [`shared_proto::IoCommand::SocketClose`]
    pub(crate) fn close(&mut self, socket: SocketId) {
        self.open.remove(&socket);
    }

    /// Closes all of them.
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

    /// What is bound says so itself, before its first event.
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

/// The event that says at which port a socket is.
pub(super) fn bound(op: OpId, port: u16) -> IoEvent {
    IoEvent::Done { op, result: Ok(OpOutput::Bound { port }) }
}
