//! Datagrams between engines. Multicast reaches every member of the group, including the sender.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use shared_proto::io::{Family, OpError, OpErrorKind, OpOutput};
use shared_proto::{IoCommand, IoEvent, OpId, SocketId};

use super::{Engines, Event, LATENCY, PORT, addr_of};
use crate::io::Input;

/// A UDP socket of a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Socket {
    id: SocketId,
    group: Option<IpAddr>,
}

impl Engines {
    /// Handles commands for datagrams and names. There is no IPv6.
    pub(super) fn bind(
        &mut self,
        node: usize,
        command: IoCommand,
    ) -> (OpId, Result<OpOutput, OpError>) {
        let failed = Err(OpError { kind: OpErrorKind::Network, message: "no".into() });
        match command {
            IoCommand::UdpBind { op, socket, family: Family::V4, port, group } => {
                self.nodes[node].sockets.push(Socket { id: socket, group });
                (op, Ok(OpOutput::Bound { port }))
            }
            IoCommand::Resolve { op, host, port } => {
                let found = host
                    .parse()
                    .map(|ip: IpAddr| OpOutput::Addresses(vec![SocketAddr::new(ip, port)]));
                (op, found.or(failed))
            }
            IoCommand::UdpBind { op, .. } => (op, failed),
            other => panic!("{other:?}"),
        }
    }

    /// Sends a datagram.
    pub(super) fn datagram(&mut self, node: usize, socket: SocketId, to: SocketAddr, data: Bytes) {
        self.datagrams.push((node, to, data.clone()));
        let group =
            self.nodes[node].sockets.iter().find(|own| own.id == socket).and_then(|own| own.group);
        // Multicast leaves from a separate socket with an arbitrary port.
        let from = SocketAddr::new(addr_of(node).ip(), if group.is_some() { 50_000 } else { PORT });
        for other in 0..self.nodes.len() {
            let is_meant = |own: &&Socket| {
                if group.is_some() { own.group == group } else { own.group.is_none() }
            };
            if (group.is_none() && addr_of(other) != to)
                || group.is_some_and(|group| group != to.ip())
            {
                continue;
            }
            let Some(socket) = self.nodes[other].sockets.iter().find(is_meant).map(|own| own.id)
            else {
                continue;
            };
            let event = IoEvent::UdpReceived { socket, from, data: data.clone() };
            self.at(self.now + LATENCY, other, Event::ToEngine(Input::Io(event)));
        }
    }
}
