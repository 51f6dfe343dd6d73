//! What all connections of one engine share, and the table of them.
//!
//! Owns the admission of connections. Invariant: every open connection is in the table, and the
//! table never exceeds the user's limit.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use shared_proto::io::CloseReason;
use shared_proto::{ConnId, IoEvent};
use tokio_util::sync::CancellationToken;

use super::conn::Conn;
use super::divert::Diversion;
use super::port_map::PortMaps;
use super::rate::Rates;
use crate::events::EventSender;
use crate::files::FileStore;
use crate::files::locks::Owner;
use crate::metrics::Metrics;
use crate::policy::dial::DialPolicy;
use crate::policy::io_config::IoConfig;
use crate::policy::limits;

/// What all connections of one engine share.
pub(crate) struct Context {
    conns: Mutex<HashMap<ConnId, Arc<Conn>>>,
    pub(super) events: EventSender,
    pub(super) store: Arc<FileStore>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) rates: Rates,
    pub(super) policy: DialPolicy,
    pub(super) max_conns: usize,
    pub(super) strangers: AtomicU64,
    pub(super) maps: Arc<PortMaps>,
    pub(super) stopped: CancellationToken,
}

impl Context {
    pub(super) fn new(
        config: &IoConfig,
        events: EventSender,
        store: Arc<FileStore>,
        metrics: Arc<Metrics>,
        maps: Arc<PortMaps>,
        stopped: CancellationToken,
    ) -> Self {
        Self {
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
        }
    }

    /// Admits a connection that the engine opens to this address. Reports a refusal to the engine.
    pub(super) fn admit_dialled(&self, id: ConnId, addr: SocketAddr) -> Option<Arc<Conn>> {
        let mut conns = self.conns();
        if id >= ConnId::ACCEPTED || conns.contains_key(&id) {
            tracing::warn!(conn = %id, "the engine used the number of an open connection");
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

    /// Admits an incoming connection if there is space.
    pub(super) fn admit_stranger(&self) -> Option<Arc<Conn>> {
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

    pub(super) fn conns(&self) -> MutexGuard<'_, HashMap<ConnId, Arc<Conn>>> {
        self.conns.lock()
    }
}

/// Numbers connections across engines, because their writes meet in one store.
fn next_owner() -> Owner {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    Owner(NEXT.fetch_add(1, Ordering::Relaxed))
}
