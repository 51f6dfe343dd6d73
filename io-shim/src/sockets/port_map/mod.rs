//! Port mappings: routers forward ports to the engine's sockets.
//!
//! Owns one task per port. It asks the router, reports the answer, asks again at half the lease's
//! life, and removes the mapping when the socket closes. `gateway` finds the router, `router`
//! speaks to it. Invariants: one task at a time asks for a port; every conversation ends in bounded
//! time; nothing is sent where the user forbids it or keeps the engine to this machine.

mod gateway;
mod router;
mod target;

use std::{collections::HashMap, net::IpAddr};

use parking_lot::{Mutex, MutexGuard};
use shared_proto::{
    IoEvent, SocketId,
    io::{Mapping, OpError, OpErrorKind},
};
use tokio::sync::watch;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

pub use self::gateway::Way;
use self::router::{Lease, Router};
pub use self::target::Pace;
pub(crate) use self::target::{Target, Transport};
use crate::events::EventSender;
use crate::files::error::op_error;
use crate::policy::limits;

/// Settings of the user and of tests.
#[derive(Clone, Debug)]
pub struct MapConfig {
    /// Whether routers are asked at all.
    pub enabled: bool,
    /// The router to ask instead of the system's gateway.
    pub way: Option<Way>,
    /// Timeouts and intervals.
    pub pace: Pace,
}

impl Default for MapConfig {
    fn default() -> Self {
        Self { enabled: true, way: None, pace: Pace::default() }
    }
}

/// All tasks of one daemon. A task outlives its engine by the time that the router takes to remove
/// the mapping.
#[derive(Debug)]
pub struct PortMaps {
    config: MapConfig,
    tasks: Mutex<HashMap<Target, JoinHandle<()>>>,
    /// How often the network has changed.
    changes: watch::Sender<u64>,
}

impl PortMaps {
    /// No mappings yet.
    pub fn new(config: MapConfig) -> Self {
        Self { config, tasks: Mutex::default(), changes: watch::Sender::new(0) }
    }

    /// Asks for a mapping until `closed`.
    ///
    /// # Errors
    /// [`OpErrorKind::Denied`] where nothing may be sent, [`OpErrorKind::Limit`].
    pub(crate) fn start(
        &self,
        target: Target,
        socket: SocketId,
        addresses: &[IpAddr],
        events: EventSender,
        closed: CancellationToken,
    ) -> Result<(), OpError> {
        if !self.config.enabled {
            return Err(op_error(OpErrorKind::Denied, "the user turned port mapping off"));
        }
        // Checked here, so that a refusal is reported at once and finally.
        if let Err(error) = self.way(addresses)
            && error.kind == OpErrorKind::Denied
        {
            return Err(error);
        }
        let mut tasks = self.tasks();
        tasks.retain(|_, task| !task.is_finished());
        if tasks.len() >= limits::MAX_MAPPINGS {
            return Err(op_error(OpErrorKind::Limit, "too many port mappings are requested"));
        }
        let before = tasks.remove(&target);
        let (config, addresses) = (self.config.clone(), addresses.to_vec());
        let changes = self.changes.subscribe();
        let task = tokio::spawn(async move {
            // An earlier socket had the same port. Its mapping is removed first.
            if let Some(before) = before {
                let _ = before.await;
            }
            Box::pin(Keeper { config, addresses, target, socket, events, closed, changes }.keep())
                .await;
        });
        tasks.insert(target, task);
        Ok(())
    }

    /// Asks again for every mapping, because the router may be another one, or may have forgotten.
    pub(crate) fn network_changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Resolves when the mappings of all closed sockets are removed.
    pub async fn settled(&self) {
        let tasks: Vec<_> = self.tasks().drain().collect();
        for (_, task) in tasks {
            let _ = task.await;
        }
    }

    fn way(&self, addresses: &[IpAddr]) -> Result<Way, OpError> {
        way(&self.config, addresses)
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<Target, JoinHandle<()>>> {
        self.tasks.lock()
    }
}

fn way(config: &MapConfig, addresses: &[IpAddr]) -> Result<Way, OpError> {
    config.way.clone().map_or_else(|| gateway::find(addresses), Ok)
}

/// The task of one port.
struct Keeper {
    config: MapConfig,
    addresses: Vec<IpAddr>,
    target: Target,
    socket: SocketId,
    events: EventSender,
    closed: CancellationToken,
    changes: watch::Receiver<u64>,
}

impl Keeper {
    async fn keep(mut self) {
        let pace = self.config.pace;
        let mut lease: Option<(Router, Lease)> = None;
        let mut reported = None;
        while !self.closed.is_cancelled() {
            let (wait, result) = match self.ask(lease.as_ref()).await {
                Ok((router, new)) => {
                    let (wait, mapping) =
                        ((new.lifetime / 2).clamp(pace.least, pace.lease / 2), new.mapping);
                    lease = Some((router, new));
                    (wait, Ok(mapping))
                }
                // The former mapping may still exist, and be removed or renewed later.
                Err(error) => (pace.retry, Err(error)),
            };
            if reported.as_ref() != Some(&result) {
                self.report(result.clone()).await;
                reported = Some(result);
            }
            let due = async {
                tokio::select! {
                    () = sleep(wait) => {}
                    // The sender lives as long as the daemon.
                    _ = self.changes.changed() => {}
                }
            };
            let _ = self.closed.run_until_cancelled(due).await;
        }
        if let Some((router, lease)) = lease {
            let _ = timeout(limits::UNMAP_WITHIN, router.unmap(&lease)).await;
        }
    }

    async fn report(&self, result: Result<Mapping, OpError>) {
        match &result {
            Ok(mapping) => {
                tracing::info!(port = mapping.port, by = ?mapping.by, "the router forwards a port")
            }
            Err(error) => tracing::info!(error = error.message, "the router forwards no port"),
        }
        let event = IoEvent::PortMapped { socket: self.socket, result };
        let _ = self.closed.run_until_cancelled(self.events.send(event)).await;
    }

    /// Asks the router, which may be another one each time, because machines move. An answer that
    /// comes while the socket closes is awaited, so that the mapping can be removed.
    async fn ask(&self, before: Option<&(Router, Lease)>) -> Result<(Router, Lease), OpError> {
        let way = way(&self.config, &self.addresses)?;
        let before = before.filter(|(router, _)| *router.way() == way).map(|(_, lease)| lease);
        let router = Router::new(way, self.target, self.config.pace);
        let router =
            router.ok_or_else(|| op_error(OpErrorKind::Denied, "the socket has no port"))?;
        let mut asking = Box::pin(router.map(before));
        let answer = tokio::select! {
            answer = timeout(limits::MAP_WITHIN, &mut asking) => answer,
            () = self.closed.cancelled() => timeout(limits::UNMAP_WITHIN, &mut asking).await,
        };
        drop(asking);
        let lease =
            answer.map_err(|_| op_error(OpErrorKind::Timeout, "the router takes too long"))??;
        Ok((router, lease))
    }
}
