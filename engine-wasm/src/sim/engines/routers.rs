//! Routers between engines, which admit only replies.
//!
//! A node behind a router can be reached only over uTP, from addresses to which it sent something
//! recently.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use shared_proto::ConnId;
use shared_proto::io::CloseReason;

use super::{Engines, Event, IoEvent, addr_of};
use crate::time::Instant;

/// How long a router admits an address after an outgoing datagram.
const OPEN_FOR: Duration = Duration::from_secs(60);
/// Interval of repeated uTP SYNs.
const AGAIN: Duration = Duration::from_secs(1);
/// Difference between a router's external port and the node's.
const MOVED_BY: u16 = 1_000;

/// The transport of a dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sim) enum Carried {
    ByTcp,
    ByUtp,
}

/// A dial.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) conn: ConnId,
    pub(super) addr: SocketAddr,
    pub(super) carried: Carried,
    pub(super) give_up: Instant,
}

/// All routers.
#[derive(Debug, Default)]
pub(in crate::sim) struct Routers {
    /// The nodes behind a router.
    pub(in crate::sim) behind: BTreeSet<usize>,
    /// When each node last sent a datagram to each address.
    sent: BTreeMap<(usize, SocketAddr), Instant>,
}

impl Routers {
    /// Returns the external address of a node's datagrams; a router changes the port.
    pub(super) fn outside(&self, node: usize) -> SocketAddr {
        let mut addr = addr_of(node);
        if self.behind.contains(&node) {
            addr.set_port(addr.port() + MOVED_BY);
        }
        addr
    }

    /// Records an outgoing datagram; returns the node that receives it.
    fn hears(
        &mut self,
        node: usize,
        to: SocketAddr,
        carried: Carried,
        nodes: usize,
        now: Instant,
    ) -> Option<usize> {
        if carried == Carried::ByTcp {
            return (0..nodes).find(|other| addr_of(*other) == to && !self.behind.contains(other));
        }
        self.sent.insert((node, to), now);
        let other = (0..nodes).find(|other| self.outside(*other) == to)?;
        let last = self.sent.get(&(other, self.outside(node)));
        let is_let_in =
            !self.behind.contains(&other) || last.is_some_and(|&at| now < at + OPEN_FOR);
        is_let_in.then_some(other)
    }

    fn is_silent(&self, to: SocketAddr) -> bool {
        self.behind.iter().any(|&node| to.ip() == addr_of(node).ip())
    }
}

impl Engines {
    /// Starts a dial.
    pub(super) fn call(&mut self, node: usize, call: Call) {
        self.dialled.push((node, call.addr, call.carried));
        self.nodes[node].calling.insert(call.conn);
        if call.carried == Carried::ByUtp {
            self.routers.sent.insert((node, call.addr), self.now);
        }
        self.at(self.now + super::LATENCY * 2, node, Event::Connect(call));
    }

    /// Handles the arrival or loss of a SYN.
    pub(super) fn connect(&mut self, node: usize, call: Call) {
        let Call { conn, addr, carried, give_up } = call;
        if !self.nodes[node].calling.contains(&conn) {
            return;
        }
        let other = self.routers.hears(node, addr, carried, self.nodes.len(), self.now);
        let socket = |other: usize| match carried {
            Carried::ByTcp => self.nodes[other].listens.filter(|_| !self.without_tcp),
            Carried::ByUtp => self.nodes[other].utp,
        };
        match other.and_then(|other| Some((other, socket(other)?))) {
            Some((other, socket)) => {
                self.nodes[node].calling.remove(&conn);
                self.join((node, conn), (other, socket), carried);
            }
            None if self.routers.is_silent(addr) && self.now + AGAIN < give_up => {
                self.at(self.now + AGAIN, node, Event::Connect(call));
            }
            None => {
                self.nodes[node].calling.remove(&conn);
                let is_silent = self.routers.is_silent(addr);
                let reason = if is_silent { CloseReason::Timeout } else { CloseReason::Refused };
                self.tell(node, IoEvent::TcpClosed { conn, reason });
            }
        }
    }
}
