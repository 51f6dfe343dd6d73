//! The connections and ports of one engine.
//!
//! Owns the table of connections (`context`). A `session` drives one connection over a
//! `byte_stream`, which `tcp` opens; commands act on its handle (`conn`). What arrives goes through
//! `reading` (with a `cipher` and `framing`) and `burst`, by the keys of `divert`. What is sent
//! waits in the `outbox` for the `writer`. `rate` limits both directions; [`crate::policy::dial`]
//! decides which addresses may be dialled and may connect. `ports` holds the open ports: `binding`
//! opens them, `listen` accepts, `udp` carries datagrams and, with `utp`, connections over them
//! (`polled`). `network` notices when local addresses change. [`port_map`] asks routers to forward
//! ports. Commands for a closed connection are ignored, because messages of both sides can cross.

pub(crate) mod binding;
mod burst;
mod byte_stream;
mod cipher;
mod close_reason;
pub(crate) mod conn;
mod context;
pub(crate) mod divert;
pub(crate) mod framing;
pub(crate) mod listen;
mod network;
mod outbox;
mod polled;
pub mod port_map;
pub(crate) mod ports;
pub(crate) mod rate;
mod reading;
mod session;
pub(crate) mod tcp;
pub(crate) mod udp;
mod utp;
mod writer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shared_proto::io::{DivertKey, OpError, OpErrorKind, Rc4Start};
use shared_proto::{ConnId, IoEvent, OpId};
use tokio_util::sync::CancellationToken;

use self::conn::Conn;
use self::context::Context;
use self::ports::Ports;
use self::rate::{Direction, Membership};
use crate::events::EventSender;
use crate::files::FileStore;
use crate::files::claimed::Placed;
use crate::files::error::op_error;
use crate::metrics::Metrics;
use crate::policy::io_config::IoConfig;
use crate::policy::limits;
use crate::sockets::port_map::PortMaps;

/// All connections of one engine.
pub(crate) struct Sockets {
    context: Arc<Context>,
    /// The open ports.
    pub(crate) ports: Ports,
}

/// The rate limits of a group, for bytes outside of connections.
pub(crate) struct Meter {
    context: Arc<Context>,
    membership: Membership,
}

impl Meter {
    /// Waits until `bytes` bytes may have arrived.
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
        let context = Arc::new(Context::new(config, events, store, metrics, maps, stopped));
        tokio::spawn(network::watch(Arc::clone(&context)));
        Self { ports: Ports::new(Arc::clone(&context), config.addresses.clone()), context }
    }

    /// [`shared_proto::IoCommand::TcpConnect`]
    pub(crate) fn connect(&self, id: ConnId, addr: SocketAddr, timeout: Duration) {
        if let Some(conn) = self.context.admit_dialled(id, addr) {
            let opening = tcp::dial(addr, timeout.min(limits::MAX_CONNECT_TIMEOUT));
            tokio::spawn(session::run(
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

    /// A meter for bytes of a group that do not come over a connection.
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

    /// Closes all connections and ports.
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
