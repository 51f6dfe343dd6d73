//! Connections between daemons: ordered, and encrypted if both ends enabled it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rc4::{KeyInit, Rc4, StreamCipher};
use shared_proto::io::{DivertKey, NotStored, Rc4Start};
use shared_proto::{ConnId, IoEvent, SocketId, Span};

use super::{Carried, Engines, Event, LATENCY, addr_of};
use crate::peer::handshake::PROTOCOL;
use crate::sim::cutter::{Cut, Cutter};
use crate::time::Instant;

/// Messages shorter than this arrive in parts, bytes.
const CRUMBLED: usize = 3_000;

/// One end of a connection.
#[derive(Debug)]
pub(super) struct End {
    other: (usize, ConnId),
    pub(super) cutter: Cutter,
    pub(super) armed: BTreeMap<DivertKey, Vec<Span>>,
    pub(super) ciphers: Ciphers,
}

impl End {
    pub(super) fn to(other: (usize, ConnId)) -> Self {
        Self {
            other,
            cutter: Cutter::default(),
            armed: BTreeMap::new(),
            ciphers: Ciphers::default(),
        }
    }
}

/// The ciphers of an end, for reading and sending.
#[derive(Default)]
pub(super) struct Ciphers {
    read: Option<Rc4>,
    write: Option<Rc4>,
}

impl Ciphers {
    pub(super) fn new(read: Option<&Rc4Start>, write: Option<&Rc4Start>) -> Self {
        Self { read: read.map(cipher), write: write.map(cipher) }
    }

    pub(super) fn are_plain(&self) -> bool {
        self.read.is_none() && self.write.is_none()
    }

    pub(super) fn read(&mut self, bytes: &mut [u8]) {
        self.read.iter_mut().for_each(|cipher| cipher.apply_keystream(bytes));
    }
}

impl std::fmt::Debug for Ciphers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ciphers").finish_non_exhaustive()
    }
}

fn cipher(start: &Rc4Start) -> Rc4 {
    let mut cipher = Rc4::new_from_slice(&start.key).expect("the engine's keys are keys");
    cipher.apply_keystream(&mut vec![0; start.skip as usize]);
    cipher
}

impl Engines {
    /// Handles the result of a dial.
    pub(super) fn join(
        &mut self,
        (node, conn): (usize, ConnId),
        (other, socket): (usize, SocketId),
        carried: Carried,
    ) {
        self.accepted += 1;
        self.connected.push((node, other));
        let theirs = ConnId(ConnId::ACCEPTED.0 + self.accepted);
        self.nodes[node].conns.insert(conn, End::to((other, theirs)));
        self.nodes[other].conns.insert(theirs, End::to((node, conn)));
        self.tell(node, IoEvent::TcpConnected { conn });
        let ephemeral = u16::try_from(40_000 + self.accepted % 20_000).expect("it is a port");
        let addr = match carried {
            Carried::ByTcp => SocketAddr::new(addr_of(node).ip(), ephemeral),
            Carried::ByUtp => self.routers.outside(node),
        };
        self.tell(other, IoEvent::TcpAccepted { socket, conn: theirs, addr });
    }

    pub(super) fn close(&mut self, node: usize, conn: ConnId) {
        self.nodes[node].calling.remove(&conn);
        let Some(end) = self.nodes[node].conns.remove(&conn) else { return };
        let free = self.nodes[node].line_free.max(self.now);
        self.at(free + LATENCY, end.other.0, Event::HungUp(end.other.1));
    }

    /// Queues bytes on a node's line; returns when the last byte leaves.
    pub(super) fn send(&mut self, node: usize, conn: ConnId, mut bytes: Vec<u8>) -> Instant {
        let it = &mut self.nodes[node];
        let Some(end) = it.conns.get_mut(&conn) else { return self.now };
        end.ciphers.write.iter_mut().for_each(|cipher| cipher.apply_keystream(&mut bytes));
        if bytes.windows(PROTOCOL.len()).any(|window| window == PROTOCOL) {
            self.overheard.push((node, end.other.0));
        }
        let took = Duration::from_micros(bytes.len() as u64 * 1_000_000 / it.up_bps);
        it.line_free = it.line_free.max(self.now) + took;
        let ((other, theirs), left) = (end.other, it.line_free);
        let part = if self.crumbs > 0 && bytes.len() < CRUMBLED {
            self.crumbs
        } else {
            bytes.len().max(1)
        };
        for bytes in bytes.chunks(part) {
            self.at(left + LATENCY, other, Event::Bytes(theirs, bytes.to_vec()));
        }
        left
    }

    /// Cuts raw bytes and frames from the stream; diverted frames go to the disk.
    pub(super) fn bytes(&mut self, node: usize, conn: ConnId, bytes: &[u8]) {
        let Some(end) = self.nodes[node].conns.get_mut(&conn) else { return };
        let from = end.cutter.held.len();
        end.cutter.held.extend_from_slice(bytes);
        end.ciphers.read(&mut end.cutter.held[from..]);
        for cut in end.cutter.cut() {
            match cut {
                Cut::Raw(data) => self.tell(node, IoEvent::TcpData { conn, data }),
                Cut::Frame(data) => self.tell(node, IoEvent::TcpFrame { conn, data }),
                Cut::Diverted(key, payload) => self.block(node, conn, key, &payload),
            }
        }
    }

    fn block(&mut self, node: usize, conn: ConnId, key: DivertKey, payload: &[u8]) {
        let Some(end) = self.nodes[node].conns.get_mut(&conn) else { return };
        let event = match end.armed.remove(&key) {
            Some(spans) => {
                self.write(node, &spans, payload);
                IoEvent::Stored { conn, key }
            }
            None => {
                let length = u32::try_from(payload.len()).expect("a block is short");
                IoEvent::NotStored { conn, key, length, reason: NotStored::Unarmed }
            }
        };
        self.tell(node, event);
    }
}
