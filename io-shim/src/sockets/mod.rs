//! The connections and ports of one engine.
//!
//! Owns the table of connections and what is allowed. [`conn`] drives one connection over a
//! [`byte_stream`], which [`tcp`] opens. What comes goes through [`reading`] (with a [`cipher`] and
//! [`framing`]) and [`burst`], by the keys of [`divert`]; what goes waits in its [`outbox`] for its
//! [`writer`]. [`rate`] slows both down, [`policy`] says who may be dialled and who may come.
//! [`ports`] keeps what is open to others: [`binding`] opens it, [`listen`] accepts, [`udp`]
//! carries datagrams, and with [`utp`] connections over them ([`polled`] like any other). Commands
//! for a connection that is gone are ignored: both sides can cross on the wire.

pub(crate) mod binding;
mod burst;
mod byte_stream;
mod cipher;
pub(crate) mod conn;
pub(crate) mod divert;
pub(crate) mod framing;
pub(crate) mod listen;
mod outbox;
pub mod policy;
mod polled;
pub mod port_map;
pub(crate) mod ports;
pub(crate) mod rate;
mod reading;
pub(crate) mod tcp;
pub(crate) mod udp;
mod utp;
mod writer;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use shared_proto::{
    ConnId, IoEvent, OpId,
    io::{CloseReason, DivertKey, OpError, OpErrorKind, Rc4Start},
};
use tokio_util::sync::CancellationToken;

pub use policy::DialPolicy;

use self::{
    conn::Conn,
    divert::Diversion,
    ports::Ports,
    rate::{Direction, Membership, Rates},
};
use crate::events::EventSender;
use crate::files::{FileStore, error::op_error, locks::Owner, table::Placed};
use crate::limits;
use crate::metrics::Metrics;
use crate::plane::io_plane::IoConfig;
use crate::sockets::port_map::PortMaps;

/// All connections of one engine.
pub(crate) struct Sockets {
    context: Arc<Context>,
    /// What is open to others.
    pub(crate) ports: Ports,
}

/// What every connection needs of its surroundings.
pub(crate) struct Context {
    conns: Mutex<HashMap<ConnId, Arc<Conn>>>,
    events: EventSender,
    store: Arc<FileStore>,
    metrics: Arc<Metrics>,
    rates: Rates,
    policy: DialPolicy,
    max_conns: usize,
    strangers: AtomicU64,
    maps: Arc<PortMaps>,
    stopped: CancellationToken,
}

/// The rate limits of a group, for bytes that come by another way.
pub(crate) struct Meter {
    context: Arc<Context>,
    membership: Membership,
}

impl Meter {
    /// Waits until so many bytes may have come.
    pub(crate) async fn down(&self, bytes: usize) {
        let mut left = bytes;
        while left > 0 {
            let pass = |allowed| (allowed, allowed);
            left -= self.context.rates.pass(&self.membership, Direction::Down, left, pass).await;
        }
    }
}

impl Sockets {
    pub(crate) fn new(
        config: &IoConfig,
        events: EventSender,
        store: Arc<FileStore>,
        metrics: Arc<Metrics>,
        maps: Arc<PortMaps>,
        stopped: CancellationToken,
    ) -> Self {
        let context = Arc::new(Context {
            conns: Mutex::default(),
            events,
            store,
            metrics,
            rates: Rates::default(),
            policy: config.policy,
            max_conns: config.max_conns,
            strangers: AtomicU64::new(ConnId::ACCEPTED.0),
            maps,
            stopped,
        });
        Self { ports: Ports::new(Arc::clone(&context), config.addresses.clone()), context }
    }

    /// [`shared_proto::IoCommand::TcpConnect`]
    pub(crate) fn connect(&self, id: ConnId, addr: SocketAddr, timeout: Duration) {
        if let Some(conn) = self.context.admit_dialled(id, addr) {
            let opening = tcp::dial(addr, timeout.min(limits::MAX_CONNECT_TIMEOUT));
            tokio::spawn(conn::run(
                Arc::clone(&self.context),
                conn,
                IoEvent::TcpConnected { conn: id },
                opening,
            ));
        }
    }

    /// [`shared_proto::IoCommand::TcpGroup`]
    pub(crate) fn group(&self, id: ConnId, group: u32) {
        self.with(id, |conn| conn.join(self.context.rates.group(group)));
    }

    /// [`shared_proto::EngineMessage::RateLimit`]
    pub(crate) fn limit(&self, group: u32, down_bps: Option<u64>, up_bps: Option<u64>) {
        self.context.rates.limit(group, down_bps, up_bps);
    }

    /// [`shared_proto::IoCommand::TcpSend`]
    pub(crate) fn send(&self, id: ConnId, data: Bytes) {
        self.with(id, |conn| conn.send(data));
    }

    /// [`shared_proto::IoCommand::TcpSendSpan`]
    pub(crate) fn send_spans(
        &self,
        op: OpId,
        id: ConnId,
        head: Bytes,
        spans: Result<Vec<Placed>, OpError>,
    ) {
        let mut is_queued = false;
        self.with(id, |conn| is_queued = conn.send_spans(op, head, spans));
        if !is_queued {
            let error = op_error(OpErrorKind::Network, "the connection is closed");
            self.context.events.refuse(IoEvent::Done { op, result: Err(error) });
        }
    }

    /// [`shared_proto::IoCommand::TcpCipher`]
    pub(crate) fn transform(&self, id: ConnId, read: Option<Rc4Start>, write: Option<Rc4Start>) {
        self.with(id, |conn| conn.transform(read, write));
    }

    /// Counts what comes by another way to a group.
    pub(crate) fn meter(&self, group: u32) -> Meter {
        let membership = Membership::new(self.context.rates.group(group));
        Meter { context: Arc::clone(&self.context), membership }
    }

    /// [`shared_proto::IoCommand::TcpRaw`]
    pub(crate) fn raw(&self, id: ConnId, bytes: u32) {
        self.with(id, |conn| conn.change_framing(|framing| framing.raw(bytes)));
    }

    /// [`shared_proto::IoCommand::TcpFramed`]
    pub(crate) fn framed(&self, id: ConnId, max_frame: u32, divert: Option<u8>) {
        self.with(id, |conn| conn.change_framing(|framing| framing.framed(max_frame, divert)));
    }

    /// [`shared_proto::IoCommand::Arm`]
    pub(crate) fn arm(&self, id: ConnId, key: DivertKey, spans: Result<Vec<Placed>, OpError>) {
        self.with(id, |conn| conn.diversion().arm(key, spans));
    }

    /// [`shared_proto::IoCommand::Disarm`]
    pub(crate) fn disarm(&self, id: ConnId, key: &DivertKey) {
        self.with(id, |conn| conn.diversion().disarm(key));
    }

    /// [`shared_proto::IoCommand::TcpClose`]
    pub(crate) fn close(&self, id: ConnId) {
        let removed = self.context.conns().remove(&id);
        if let Some(conn) = removed {
            conn.kill();
        }
    }

    /// Closes all of them.
    pub(crate) fn clear(&mut self) {
        self.ports.clear();
        let all: Vec<_> = self.context.conns().drain().collect();
        for (_, conn) in all {
            conn.kill();
        }
    }

    fn with(&self, id: ConnId, act: impl FnOnce(&Conn)) {
        let conn = self.context.conns().get(&id).cloned();
        if let Some(conn) = conn {
            act(&conn);
        }
    }
}

impl Context {
    /// A place for a connection that the engine wants to this address; if there is none, the engine
    /// hears why.
    fn admit_dialled(&self, id: ConnId, addr: SocketAddr) -> Option<Arc<Conn>> {
        let mut conns = self.conns();
        if id >= ConnId::ACCEPTED || conns.contains_key(&id) {
            tracing::warn!(conn = %id, "the engine uses a connection's number that is not free");
            return None;
        }
        let reason = if !self.policy.allows(addr) {
            CloseReason::Denied
        } else if conns.len() >= self.max_conns {
            CloseReason::Limit
        } else {
            return Some(self.admit(&mut conns, id));
        };
        self.events.refuse(IoEvent::TcpClosed { conn: id, reason });
        None
    }

    /// A place for a connection that somebody else opened, if there is one.
    fn admit_stranger(&self) -> Option<Arc<Conn>> {
        let mut conns = self.conns();
        let has_room = conns.len() < self.max_conns - self.max_conns / limits::DIALLED_SHARE;
        (has_room && !self.stopped.is_cancelled()).then(|| {
            let id = ConnId(self.strangers.fetch_add(1, Ordering::Relaxed));
            self.admit(&mut conns, id)
        })
    }

    fn admit(&self, conns: &mut HashMap<ConnId, Arc<Conn>>, id: ConnId) -> Arc<Conn> {
        let diversion = Diversion::new(Arc::clone(&self.store), next_owner());
        let conn = Arc::new(Conn::new(id, diversion, self.stopped.child_token()));
        conns.insert(id, Arc::clone(&conn));
        conn
    }

    fn conns(&self) -> MutexGuard<'_, HashMap<ConnId, Arc<Conn>>> {
        self.conns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Numbers connections across engines, as their writes meet in one store.
fn next_owner() -> Owner {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    Owner(NEXT.fetch_add(1, Ordering::Relaxed))
}
