//! Ports of the engine's that a router is to let in, for as long as they are open.
//!
//! Owns who is asked for what and when: one task a port, which asks, says what came of it, asks
//! again at half the lease's life, and asks the router to forget when its socket closes.
//! [`gateway`] finds the router, [`router`] speaks to it. Invariants: a port is asked for by one
//! task at a time, in order; every conversation ends in bounded time; where the user does not want
//! it, or keeps the engine to this machine, nothing is sent.

mod gateway;
mod router;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use shared_proto::{
    IoEvent, SocketId,
    io::{Mapping, OpError, OpErrorKind},
};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

pub use self::gateway::Way;
use self::router::{Lease, Router};
use crate::events::EventSender;
use crate::files::error::op_error;
use crate::limits;

/// What the user sets, and tests.
#[derive(Clone, Debug)]
pub struct MapConfig {
    /// Whether routers are asked at all.
    pub enabled: bool,
    /// Who is asked in place of the system's gateway.
    pub way: Option<Way>,
    /// How fast.
    pub pace: Pace,
}

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Wait for the first answer to a datagram; each of two further tries doubles it.
    pub first_wait: Duration,
    /// How long a router is looked for with UPnP.
    pub search: Duration,
    /// For how long it is asked to let a port in.
    pub lease: Duration,
    /// It is not asked again sooner, whatever it says.
    pub least: Duration,
    /// When it is asked again after an error.
    pub retry: Duration,
}

impl Default for MapConfig {
    fn default() -> Self {
        Self { enabled: true, way: None, pace: Pace::default() }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_millis(250),
            search: Duration::from_secs(3),
            lease: Duration::from_secs(3_600),
            least: Duration::from_secs(30),
            retry: Duration::from_secs(300),
        }
    }
}

/// What a port is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

/// A port here, wanted there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(crate) transport: Transport,
    pub(crate) port: u16,
}

/// All tasks of a daemon. They outlive the engine that wanted them by as long as the router takes
/// to forget.
#[derive(Debug)]
pub struct PortMaps {
    config: MapConfig,
    tasks: Mutex<HashMap<Target, JoinHandle<()>>>,
}

impl PortMaps {
    /// No port yet.
    pub fn new(config: MapConfig) -> Self {
        Self { config, tasks: Mutex::default() }
    }

    /// Asks for a port until `closed`.
    ///
    /// # Errors
    /// [`OpErrorKind::Denied`] where nothing is to be sent, [`OpErrorKind::Limit`].
    pub(crate) fn start(
        &self,
        target: Target,
        socket: SocketId,
        addresses: &[IpAddr],
        events: EventSender,
        closed: CancellationToken,
    ) -> Result<(), OpError> {
        if !self.config.enabled {
            return Err(op_error(OpErrorKind::Denied, "the user does not want it"));
        }
        // Asked here, so that a refusal is told at once and for good.
        if let Err(error) = self.way(addresses)
            && error.kind == OpErrorKind::Denied
        {
            return Err(error);
        }
        let mut tasks = self.tasks();
        tasks.retain(|_, task| !task.is_finished());
        if tasks.len() >= limits::MAX_MAPPINGS {
            return Err(op_error(OpErrorKind::Limit, "too many ports are asked for"));
        }
        let before = tasks.remove(&target);
        let (config, addresses) = (self.config.clone(), addresses.to_vec());
        let task = tokio::spawn(async move {
            // An earlier socket had the same port: the router forgets that one first.
            if let Some(before) = before {
                let _ = before.await;
            }
            Box::pin(Keeper { config, addresses, target, socket, events, closed }.keep()).await;
        });
        tasks.insert(target, task);
        Ok(())
    }

    /// Resolves when all ports are forgotten that were closed.
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
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
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
}

impl Keeper {
    async fn keep(self) {
        let pace = self.config.pace;
        let mut lease: Option<(Router, Lease)> = None;
        let mut told = None;
        while !self.closed.is_cancelled() {
            let (wait, result) = match self.ask(lease.as_ref()).await {
                Ok((router, new)) => {
                    let (wait, mapping) =
                        ((new.lifetime / 2).clamp(pace.least, pace.lease / 2), new.mapping);
                    lease = Some((router, new));
                    (wait, Ok(mapping))
                }
                // What was agreed upon may still be in force, and be forgotten or agreed upon
                // again.
                Err(error) => (pace.retry, Err(error)),
            };
            if told.as_ref() != Some(&result) {
                self.tell(result.clone()).await;
                told = Some(result);
            }
            let _ = self.closed.run_until_cancelled(sleep(wait)).await;
        }
        if let Some((router, lease)) = lease {
            let _ = timeout(limits::UNMAP_WITHIN, router.unmap(&lease)).await;
        }
    }

    async fn tell(&self, result: Result<Mapping, OpError>) {
        match &result {
            Ok(mapping) => {
                tracing::info!(port = mapping.port, by = ?mapping.by, "the router lets a port in")
            }
            Err(error) => tracing::info!(error = error.message, "the router lets no port in"),
        }
        let event = IoEvent::PortMapped { socket: self.socket, result };
        let _ = self.closed.run_until_cancelled(self.events.send(event)).await;
    }

    /// The router may be another one each time: machines move. What it agrees to while the socket
    /// closes is waited for, so that it can be asked to forget it.
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
